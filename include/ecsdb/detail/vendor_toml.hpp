/// @file
/// The only place that names toml++: parses text into its document, whichever way the build reports errors.
#pragma once

// A compiled toml++ (Debian's CMake target and pkg-config file set TOML_HEADER_ONLY=0) is built with exceptions, and its parser has
// another name in a program without them: the link would fail with a riddle. The headers alone work in both.
#if !defined(__cpp_exceptions) && ((defined(TOML_HEADER_ONLY) && !TOML_HEADER_ONLY) || (defined(TOML_SHARED_LIB) && TOML_SHARED_LIB))
#error "ecsdb: this program is built without exceptions, but asks for toml++ as a compiled library (TOML_HEADER_ONLY=0), which has them. " \
       "Use toml++'s headers only: do not link tomlplusplus::tomlplusplus, and define neither TOML_HEADER_ONLY=0 nor TOML_SHARED_LIB=1."
#endif

// TOML_EXCEPTIONS is left to the build: defining it here would change what the program's own use of toml++ means.
#include <toml++/toml.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ecsdb::detail {

/// A parsed document, or where and why the text is none.
struct TomlDocument {
    toml::table root;
    std::string complaint; ///< Empty when the text was parsed.
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

/// Runs `parse` and catches its refusal.
template <typename Parse>
[[nodiscard]] TomlDocument toml_document_of(Parse parse) {
    TomlDocument document;
    const auto refuse = [&](const toml::parse_error& error) {
        document.complaint = error.description();
        document.line = error.source().begin.line;
        document.column = error.source().begin.column;
    };
#if TOML_EXCEPTIONS
    try {
        document.root = parse();
    } catch (const toml::parse_error& error) {
        refuse(error);
    }
#else
    toml::parse_result result = parse();
    if (result) {
        document.root = std::move(result).table();
    } else {
        refuse(result.error());
    }
#endif
    return document;
}

[[nodiscard]] inline TomlDocument parse_toml(std::string_view text) {
    return toml_document_of([&] { return toml::parse(text); });
}

/// A file that cannot be read is a complaint without a line.
[[nodiscard]] inline TomlDocument parse_toml_file(std::string_view path) {
    return toml_document_of([&] { return toml::parse_file(path); });
}

} // namespace ecsdb::detail
