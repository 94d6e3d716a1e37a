/// @file
/// The formats a program knows, to be chosen by name.
#pragma once

#include "ecsdb/formats/format.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::formats {

/// Formats by name. A value of the program's own: nothing is registered behind its back. Any thread may choose while nobody registers.
class Registry {
public:
    /// `InvalidArgument` for a null pointer or a name that is empty, `AlreadyExists` for one that is taken.
    [[nodiscard]] Result<void> add(std::unique_ptr<const Format> format) {
        if (format == nullptr || format->format_name().empty()) {
            return Error{ErrorCode::InvalidArgument, "a format needs a name to be registered by"};
        }
        if (find(format->format_name()) != nullptr) {
            return Error{ErrorCode::AlreadyExists, "a format `" + std::string{format->format_name()} + "` is registered already"};
        }
        formats_.push_back(std::move(format));
        return {};
    }
    /// The format of that name; `NotFound` names those there are. Valid as long as the registry. Cost: O(formats).
    [[nodiscard]] Result<const Format*> choose(std::string_view name) const {
        if (const Format* const format = find(name); format != nullptr) {
            return format;
        }
        std::string known;
        for (const std::string_view one : names()) {
            known += (known.empty() ? "" : ", ") + std::string{one};
        }
        return Error{ErrorCode::NotFound,
                     "no format `" + std::string{name} + "`; " + (known.empty() ? "none is registered" : "there are " + known)};
    }
    /// In order of the alphabet.
    [[nodiscard]] std::vector<std::string_view> names() const {
        std::vector<std::string_view> names;
        for (const auto& format : formats_) {
            names.push_back(format->format_name());
        }
        std::sort(names.begin(), names.end());
        return names;
    }

private:
    [[nodiscard]] const Format* find(std::string_view name) const noexcept {
        for (const auto& format : formats_) {
            if (format->format_name() == name) {
                return format.get();
            }
        }
        return nullptr;
    }

    std::vector<std::unique_ptr<const Format>> formats_;
};

} // namespace ecsdb::formats
