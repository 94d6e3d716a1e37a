/// @file
/// Options from text: by name, with units, and from the environment.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/recovery/option_table.hpp"
#include "ecsdb/schema/spelling.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern "C" char** environ; // NOLINT: POSIX's

namespace ecsdb {

namespace detail {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};
inline constexpr std::array byte_units{
    Unit{"B", 1},
    Unit{"KiB", std::uint64_t{1} << 10U},
    Unit{"MiB", std::uint64_t{1} << 20U},
    Unit{"GiB", std::uint64_t{1} << 30U},
    Unit{"TiB", std::uint64_t{1} << 40U},
    Unit{"kB", 1'000},
    Unit{"MB", 1'000'000},
    Unit{"GB", 1'000'000'000},
    Unit{"TB", 1'000'000'000'000},
};
inline constexpr std::array time_units{
    Unit{"ns", 1},
    Unit{"us", 1'000},
    Unit{"ms", 1'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"min", 60'000'000'000},
    Unit{"h", 3'600'000'000'000},
    Unit{"d", 86'400'000'000'000},
};
inline constexpr std::array second_units{
    Unit{"s", 1},
    Unit{"min", 60},
    Unit{"h", 3'600},
    Unit{"d", 86'400},
};

[[nodiscard]] inline std::vector<std::string_view> option_names() {
    std::vector<std::string_view> names;
    for (const OptionEntry& entry : option_table) {
        names.push_back(entry.name);
    }
    return names;
}

[[nodiscard]] inline std::string list_of(std::span<const std::string_view> words) {
    std::string text;
    for (const std::string_view word : words) {
        text.append(text.empty() ? "`" : ", `").append(word) += '`';
    }
    return text;
}

[[nodiscard]] inline Error bad_option(const OptionEntry& entry, std::string_view value, const std::string& why) {
    return Error{ErrorCode::InvalidArgument, "option `" + std::string{entry.name} + "` is `" + std::string{value} + "`, " + why};
}

/// The number of an option, once it is known to be within its bounds.
[[nodiscard]] inline Result<void> set_number(Options& options, const OptionEntry& entry, std::uint64_t number, std::string_view written) {
    if (number < entry.least || number > entry.most) {
        return bad_option(entry, written, "must be " + describe_bounds(entry));
    }
    entry.set(options, number);
    return {};
}

[[nodiscard]] inline Result<void> set_word(Options& options, const OptionEntry& entry, std::string_view value,
                                           std::span<const std::string_view> words) {
    const auto found = std::find(words.begin(), words.end(), value);
    if (found == words.end()) {
        return bad_option(entry, value, "must be one of " + list_of(words) + did_you_mean(value, words));
    }
    entry.set(options, static_cast<std::uint64_t>(found - words.begin()));
    return {};
}

/// A whole number and, where it counts bytes or time, a unit.
[[nodiscard]] inline Result<void> set_quantity(Options& options, const OptionEntry& entry, std::string_view value) {
    const std::span<const Unit> units = entry.kind == OptionKind::Bytes         ? std::span<const Unit>{byte_units}
                                        : entry.kind == OptionKind::Nanoseconds ? std::span<const Unit>{time_units}
                                        : entry.kind == OptionKind::Seconds     ? std::span<const Unit>{second_units}
                                                                                : std::span<const Unit>{};
    if (entry.no_end && value == "unlimited") {
        entry.set(options, unbounded);
        return {};
    }
    std::uint64_t number = 0;
    const char* const end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, number);
    std::string_view unit{parsed.ptr, static_cast<std::size_t>(end - parsed.ptr)};
    unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
    const std::string example = entry.kind == OptionKind::Bytes                                              ? " and a unit, as in `64 MiB`"
                                : entry.kind == OptionKind::Nanoseconds || entry.kind == OptionKind::Seconds ? " and a unit, as in `10 s`"
                                                                                                             : "";
    if (parsed.ec == std::errc::invalid_argument) {
        return bad_option(entry, value, "must be a whole number" + example + (entry.no_end ? ", or `unlimited`" : ""));
    }
    std::uint64_t factor = 1;
    if (!unit.empty()) {
        const auto known = std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == unit; });
        if (known == units.end()) {
            std::vector<std::string_view> names;
            for (const Unit& u : units) {
                names.push_back(u.name);
            }
            return bad_option(entry, value,
                              units.empty() ? "must be a whole number without a unit"
                                            : "and `" + std::string{unit} + "` is none of the units " + list_of(names));
        }
        factor = known->factor;
    }
    if (parsed.ec == std::errc::result_out_of_range || number > unbounded / factor) {
        return bad_option(entry, value, "more than fits in 64 bits");
    }
    return set_number(options, entry, number * factor, value);
}

[[nodiscard]] inline Result<const OptionEntry*> find_option(std::string_view name) {
    const auto found = std::find_if(option_table.begin(), option_table.end(), [&](const OptionEntry& entry) { return entry.name == name; });
    if (found == option_table.end()) {
        return Error{ErrorCode::InvalidArgument, "there is no option `" + std::string{name} + "`" + did_you_mean(name, option_names())};
    }
    return &*found;
}

[[nodiscard]] inline Result<void> set_option(Options& options, const OptionEntry& entry, std::string_view value) {
    constexpr std::array<std::string_view, 2> flags{"false", "true"};
    switch (entry.kind) {
    case OptionKind::Text:
        options.*entry.text = value;
        return {};
    case OptionKind::Flag:
        return set_word(options, entry, value, flags);
    case OptionKind::Word:
        return set_word(options, entry, value, entry.words);
    default:
        return set_quantity(options, entry, value);
    }
}

} // namespace detail

/// Sets the option called `name`, as the member of `Options` is, to what `value` says: a whole number; one with a unit where the option
/// counts bytes (`64 MiB`, `1 GB`) or time (`10 s`, `250 us`); `unlimited` where it can be; `true` or `false`; the word of an enumerator
/// (`synced`, `read_only`); a path.
///
/// `InvalidArgument` names the option and what it may be, with a suggestion for a misspelt name or word; nothing is set then.
[[nodiscard]] inline Result<void> set_option(Options& options, std::string_view name, std::string_view value) {
    const Result<const OptionEntry*> entry = detail::find_option(name);
    if (!entry) {
        return entry.error().clone();
    }
    return detail::set_option(options, **entry, value);
}

/// `options`, overruled by the variables of `environment` that are called after an option: `ECSDB_SEGMENT_BYTES="64 MiB"`. `environment`
/// is a list of `NAME=value` that ends with null, as the process's own.
///
/// `InvalidArgument` names the variable: for a bad value, and for a name that begins with `ECSDB_` and is no option's. Those of ecsdb's own
/// tests and examples, `ECSDB_TEST_…` and `ECSDB_EXAMPLE_…`, are left alone. Not while another thread changes the environment.
[[nodiscard]] inline Result<Options> options_from_environment(Options options, const char* const* environment = environ) {
    constexpr std::string_view prefix = "ECSDB_";
    for (; environment != nullptr && *environment != nullptr; ++environment) {
        const std::string_view variable{*environment};
        const std::size_t equals = variable.find('=');
        const bool is_ours = variable.starts_with(prefix) && equals != std::string_view::npos && equals != prefix.size();
        if (!is_ours || variable.starts_with("ECSDB_TEST_") || variable.starts_with("ECSDB_EXAMPLE_")) {
            continue;
        }
        std::string name{variable.substr(prefix.size(), equals - prefix.size())};
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        const Result<const OptionEntry*> entry = detail::find_option(name);
        Result<void> set = entry ? detail::set_option(options, **entry, variable.substr(equals + 1)) : Result<void>{entry.error().clone()};
        if (!set) {
            return std::move(set).error().in("environment variable " + std::string{variable.substr(0, equals)});
        }
    }
    return options;
}

} // namespace ecsdb
