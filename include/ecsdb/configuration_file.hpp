/// @file
/// Options from a TOML file, and from everywhere at once: what code says, overruled by a file, overruled by the environment.
#pragma once

#include "ecsdb/configuration.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/detail/vendor_toml.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/schema/toml_document.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ecsdb {

namespace detail {

/// Sets an option to a value of its own kind, or to text that says it.
[[nodiscard]] inline Result<void> set_option(Options& options, const OptionEntry& entry, const toml::node& node) {
    if (const auto* const text = node.as_string()) {
        return set_option(options, entry, text->get());
    }
    const auto* const number = node.as_integer();
    const auto* const flag = node.as_boolean();
    const bool counts = entry.kind == OptionKind::Count || entry.kind == OptionKind::Bytes || entry.kind == OptionKind::Nanoseconds ||
                        entry.kind == OptionKind::Seconds;
    if (number != nullptr && counts && number->get() >= 0) {
        return set_number(options, entry, static_cast<std::uint64_t>(number->get()), std::to_string(number->get()));
    }
    if (number != nullptr && counts) {
        return bad_option(entry, std::to_string(number->get()), "must be " + describe_bounds(entry));
    }
    if (flag != nullptr && entry.kind == OptionKind::Flag) {
        return set_number(options, entry, flag->get() ? 1 : 0, {});
    }
    const char* const must = entry.kind == OptionKind::Flag ? "true or false"
                             : counts                       ? "a whole number, or text with a unit"
                                                            : "text in quotes";
    return Error{ErrorCode::InvalidArgument, "option `" + std::string{entry.name} + "` must be " + must};
}

[[nodiscard]] inline Result<Options> read_options(Options options, const TomlDocument& document, std::string_view file_name) {
    if (!document.complaint.empty()) {
        return document.line == 0 ? Error{ErrorCode::Io, std::string{file_name} + ": " + document.complaint}
                                  : Error{ErrorCode::InvalidArgument, std::string{file_name} + ":" + std::to_string(document.line) + ":" +
                                                                          std::to_string(document.column) + ": " + document.complaint};
    }
    const TomlReading reading{file_name};
    for (const TomlEntry& section : TomlReading::in_file_order(document.root)) {
        constexpr std::array<std::string_view, 1> sections{"options"};
        const auto* const table = section.node->as_table();
        if (section.name != sections[0] || table == nullptr) {
            return Error{ErrorCode::InvalidArgument, reading.position(section.position) + ": `" + std::string{section.name} +
                                                         "` is not the table `[options]`, which is all a configuration has" +
                                                         did_you_mean(section.name, sections)};
        }
        for (const TomlEntry& written : TomlReading::in_file_order(*table)) {
            const Result<const OptionEntry*> entry = find_option(written.name);
            Result<void> set = entry ? set_option(options, **entry, *written.node) : Result<void>{entry.error().clone()};
            if (!set) {
                return std::move(set).error().in(reading.position(entry ? written.node->source().begin : written.position));
            }
        }
    }
    return options;
}

} // namespace detail

/// `options`, overruled by what `text` says in its table `[options]`: a key for each option, called as the member of `Options`, with a
/// number, text as `set_option` takes it, `true` or `false`. `file_name` is only for messages.
///
/// `InvalidArgument` names the first thing wrong as `file:line:column: option: what`, with a suggestion where a name is misspelt.
[[nodiscard]] inline Result<Options> options_from_text(Options options, std::string_view text, std::string_view file_name) {
    return detail::read_options(std::move(options), detail::parse_toml(text), file_name);
}

/// The same, of a file. `Io` if it cannot be read.
[[nodiscard]] inline Result<Options> options_from_file(Options options, const std::string& path) {
    return detail::read_options(std::move(options), detail::parse_toml_file(path), path);
}

/// What code says (`options`), overruled by the file at `path` (none where it is empty), overruled by the environment; checked as opening
/// does. Errors: those of all three.
[[nodiscard]] inline Result<Options> configure(Options options, const std::string& path, const char* const* environment = environ) {
    Result<Options> read = path.empty() ? Result<Options>{std::move(options)} : options_from_file(std::move(options), path);
    Result<Options> complete = read ? options_from_environment(*std::move(read), environment) : std::move(read);
    if (complete) {
        if (auto sane = check_options(*complete); !sane) {
            return std::move(sane).error();
        }
    }
    return complete;
}

} // namespace ecsdb
