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

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace ecsdb::detail {

/// A parsed document, or where and why the text is none.
struct TomlDocument {
    toml::table root;
    std::string complaint;  ///< Empty when the text was parsed.
    std::uint32_t line = 0; ///< 0 when there was no text to read.
    std::uint32_t column = 0;

    void refuse(std::string why, std::uint32_t at_line, std::uint32_t at_column) {
        complaint = std::move(why);
        line = at_line;
        column = at_column;
    }
};

/// Refuses a table header that begins with anything but a name, as in `[[[`: toml++ 3.3 only asserts that it does, and without
/// assertions tells the compiler to rely on it. (A schema has no lists of lists, whose lines could look the same.)
inline void refuse_nameless_headers(std::string_view text, TomlDocument& document) {
    std::uint32_t line = 1;
    for (std::size_t begin = 0; begin < text.size(); ++line) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view whole = text.substr(begin, end - begin);
        begin = end + 1;
        const auto skip_blanks = [whole](std::size_t at) { return std::min(whole.find_first_not_of(" \t", at), whole.size()); };
        // A line of the file's first bytes may follow a byte order mark.
        const std::size_t open = skip_blanks(line == 1 && whole.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0);
        if (open == whole.size() || whole[open] != '[') {
            continue;
        }
        std::size_t name = skip_blanks(open + 1);
        if (name == open + 1 && name < whole.size() && whole[name] == '[') {
            name = skip_blanks(name + 1);
        }
        const char first = name < whole.size() ? whole[name] : '\n';
        const bool is_name = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || (first >= '0' && first <= '9') ||
                             first == '_' || first == '-' || first == '"' || first == '\'';
        if (!is_name) {
            document.refuse("a table needs a name in its brackets", line, static_cast<std::uint32_t>(open + 1));
            return;
        }
    }
}

/// Refuses characters beyond ASCII outside of quotes and comments, where TOML has none: toml++ 3.3 asks whether they are blanks in a way
/// that tells the compiler to rely on most of them not being there.
inline void refuse_bare_non_ascii(std::string_view text, TomlDocument& document) {
    std::uint32_t line = 1;
    std::size_t line_begin = 0;
    std::string_view closing; // of the string or comment we are in
    for (std::size_t at = text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0; at < text.size();) {
        const std::string_view rest = text.substr(at);
        const bool one_line = closing.size() == 1;
        std::size_t step = 1;
        if (!closing.empty() && rest.starts_with(closing)) {
            step = closing.size();
            closing = {};
        } else if (rest.front() == '\n' && one_line) {
            closing = {};
        } else if (!closing.empty()) {
            step = rest.front() == '\\' && closing.front() == '"' && rest.substr(1, 1) != "\n" ? 2 : 1;
        } else if (rest.starts_with("\"\"\"") || rest.starts_with("'''")) {
            closing = rest.front() == '"' ? "\"\"\"" : "'''";
            step = 3;
        } else if (rest.front() == '"' || rest.front() == '\'' || rest.front() == '#') {
            closing = rest.front() == '"' ? "\"" : rest.front() == '#' ? "\n" : "'";
        } else if (static_cast<unsigned char>(rest.front()) >= 0x80) {
            document.refuse("a character beyond ASCII must stand in quotes or in a comment", line,
                            static_cast<std::uint32_t>(at - line_begin + 1));
            return;
        }
        if (rest.front() == '\n') {
            ++line;
            line_begin = at + 1;
        }
        at += step;
    }
}

[[nodiscard]] inline TomlDocument parse_toml(std::string_view text) {
    TomlDocument document;
    refuse_nameless_headers(text, document);
    if (document.complaint.empty()) {
        refuse_bare_non_ascii(text, document);
    }
    if (!document.complaint.empty()) {
        return document;
    }
    const auto refuse = [&](const toml::parse_error& error) {
        document.refuse(std::string{error.description()}, error.source().begin.line, error.source().begin.column);
    };
#if TOML_EXCEPTIONS
    try {
        document.root = toml::parse(text);
    } catch (const toml::parse_error& error) {
        refuse(error);
    }
#else
    toml::parse_result result = toml::parse(text);
    if (result) {
        document.root = std::move(result).table();
    } else {
        refuse(result.error());
    }
#endif
    return document;
}

/// More than any schema: a file given by mistake is not read whole.
inline constexpr std::size_t max_toml_file_size = std::size_t{16} << 20U;

[[nodiscard]] inline TomlDocument parse_toml_file(const std::string& path) {
    TomlDocument document;
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) {
        document.complaint = std::strerror(errno);
        return document;
    }
    std::string text;
    std::array<char, 16384> chunk{};
    while (const std::size_t count = std::fread(chunk.data(), 1, chunk.size(), file)) {
        text.append(chunk.data(), count);
        if (text.size() > max_toml_file_size) {
            document.complaint = "is larger than " + std::to_string(max_toml_file_size) + " bytes, so no schema";
            break;
        }
    }
    if (std::ferror(file) != 0) {
        document.complaint = std::strerror(errno);
    }
    std::fclose(file);
    return document.complaint.empty() ? parse_toml(text) : std::move(document);
}

} // namespace ecsdb::detail
