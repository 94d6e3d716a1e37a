/// @file
/// Reads single values out of a parsed schema file, and words every complaint with file, line and column.
#pragma once

#include "ecsdb/core/error.hpp"
#include "ecsdb/detail/vendor_toml.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::detail {

/// What a part of a schema file is, for messages: "table `health`, field `hp`".
using TomlContext = std::string;

/// A named part of a TOML table and where its name stands.
struct TomlEntry {
    std::string_view name;
    const toml::node* node = nullptr;
    toml::source_position position;
};

/// Reads values and keeps the first complaint. Every reading function says whether to go on: false once there is a complaint.
class TomlReading {
public:
    explicit TomlReading(std::string_view file_name) noexcept : file_name_{file_name} {}

    [[nodiscard]] std::string position(const toml::source_position& at) const {
        return std::string{file_name_} + ":" + std::to_string(at.line == 0 ? 1 : at.line) + ":" +
               std::to_string(at.column == 0 ? 1 : at.column);
    }

    /// Always false, so that a reading function can return it.
    bool refuse(const toml::source_position& at, const std::string& message) {
        if (!error_) {
            error_.emplace(ErrorCode::InvalidSchema, position(at) + ": " + message);
        }
        return false;
    }
    bool refuse(const toml::node& node, const std::string& message) { return refuse(node.source().begin, message); }

    [[nodiscard]] bool failed() const noexcept { return error_.has_value(); }
    [[nodiscard]] Error take_error() { return std::move(*error_); }

    /// Refuses the first key of `table` (in the order of the file) that is not among `known`.
    bool only_keys(const toml::table& table, const TomlContext& context, std::span<const std::string_view> known) {
        for (const TomlEntry& entry : in_file_order(table)) {
            if (std::find(known.begin(), known.end(), entry.name) == known.end()) {
                return refuse(entry.position,
                              context + ": there is no key `" + std::string{entry.name} + "`" + did_you_mean(entry.name, known));
            }
        }
        return true;
    }

    /// The entries of a table as they stand in the file: toml++ sorts them by name, and position is what numbers a schema's parts.
    [[nodiscard]] static std::vector<TomlEntry> in_file_order(const toml::table& table) {
        std::vector<TomlEntry> entries;
        for (auto&& [key, node] : table) {
            entries.push_back({key.str(), &node, key.source().begin});
        }
        std::sort(entries.begin(), entries.end(), [](const TomlEntry& a, const TomlEntry& b) { return a.position < b.position; });
        return entries;
    }

    // Each of these leaves `out` alone where the key is absent, and refuses a value of another kind.

    bool read(const toml::table& table, std::string_view key, const TomlContext& context, std::string& out) {
        const toml::node* const node = table.get(key);
        if (node == nullptr) {
            return true;
        }
        const auto* const text = node->as_string();
        if (text == nullptr) {
            return refuse(*node, context + ": `" + std::string{key} + "` must be text in quotes");
        }
        out = text->get();
        return true;
    }

    bool read(const toml::table& table, std::string_view key, const TomlContext& context, bool& out) {
        const toml::node* const node = table.get(key);
        if (node == nullptr) {
            return true;
        }
        const auto* const flag = node->as_boolean();
        if (flag == nullptr) {
            return refuse(*node, context + ": `" + std::string{key} + "` must be true or false");
        }
        out = flag->get();
        return true;
    }

    /// A count from `min` to `max`.
    template <typename T>
    requires std::is_unsigned_v<T>
    bool read_count(const toml::table& table, std::string_view key, const TomlContext& context, T min, T max, T& out) {
        const toml::node* const node = table.get(key);
        if (node == nullptr) {
            return true;
        }
        const auto* const number = node->as_integer();
        if (number == nullptr || number->get() < 0 || static_cast<std::uint64_t>(number->get()) < min ||
            static_cast<std::uint64_t>(number->get()) > max) {
            return refuse(*node, context + ": `" + std::string{key} + "` must be a whole number from " + std::to_string(min) + " to " +
                                     std::to_string(max));
        }
        out = static_cast<T>(number->get());
        return true;
    }

    /// One of a few words, as its position among them.
    template <typename T>
    bool read_word(const toml::table& table, std::string_view key, const TomlContext& context, std::span<const std::string_view> words,
                   T& out) {
        std::string word;
        if (!read(table, key, context, word)) {
            return false;
        }
        const toml::node* const node = table.get(key);
        if (node == nullptr) {
            return true;
        }
        const auto found = std::find(words.begin(), words.end(), word);
        if (found == words.end()) {
            return refuse(*node, context + ": `" + std::string{key} + "` cannot be `" + word + "`" + did_you_mean(word, words) +
                                     "; it is one of " + list(words));
        }
        out = static_cast<T>(found - words.begin());
        return true;
    }

    /// A constant of the schema. A `u64` above what TOML's integers hold is written as text, in digits.
    bool read_value(const toml::table& table, std::string_view key, const TomlContext& context, FieldType type, SchemaValue& out) {
        const toml::node* const node = table.get(key);
        if (node == nullptr) {
            return true;
        }
        if (const auto* const number = node->as_integer()) {
            out = number->get();
        } else if (const auto* const real = node->as_floating_point()) {
            out = real->get();
        } else if (const auto* const flag = node->as_boolean()) {
            out = flag->get();
        } else if (const auto* const text = node->as_string()) {
            out = text->get();
            std::uint64_t large = 0;
            const std::string& digits = text->get();
            const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), large);
            if (type == FieldType::U64 && parsed.ec == std::errc{} && parsed.ptr == digits.data() + digits.size()) {
                out = large;
            }
        } else {
            return refuse(*node, context + ": `" + std::string{key} + "` must be a single number, text, true or false");
        }
        return true;
    }

    [[nodiscard]] static std::string list(std::span<const std::string_view> words) {
        std::string text;
        for (const std::string_view word : words) {
            text += (text.empty() ? "`" : ", `") + std::string{word} + "`";
        }
        return text;
    }

private:
    std::string_view file_name_;
    std::optional<Error> error_;
};

} // namespace ecsdb::detail
