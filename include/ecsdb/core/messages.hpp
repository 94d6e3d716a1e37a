/// @file
/// How a database tells whoever runs it what it is doing and what went wrong: a line for the program's own log.
#pragma once

#include "ecsdb/core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ecsdb {

/// How much a message matters.
enum class Severity : std::uint8_t {
    Debug,   ///< A step of what goes on in the background.
    Info,    ///< What an operator would like to find in a log: opened, saved, closed.
    Warning, ///< Something was lost or refused that nobody had been promised, or is tried again.
    Error,   ///< The database cannot do what it is there for.
};

/// The severity's name, as in `Warning`.
[[nodiscard]] constexpr std::string_view name_of(Severity severity) noexcept {
    constexpr std::string_view names[] = {"Debug", "Info", "Warning", "Error"};
    return names[static_cast<std::size_t>(severity)];
}

/// Something a database has to say. Valid during the call.
struct Message {
    Severity severity = Severity::Info;
    std::string_view text;        ///< A sentence that names what and where; of an error, with its code.
    const Error* error = nullptr; ///< Why, where something failed.
};

/// A function for messages and what it is to be called with; by default nobody is told, and no text is made.
///
/// Called on whatever thread has something to say (the writer's, the log's, the caller's), perhaps on several at once, and while locks are
/// held: it must not call the database, should not block, and must not throw. What keeps a program informed without ever interrupting it is
/// to be polled (`statistics`, `log_state`, `snapshot_state`); this is for its log.
struct Messages {
    void (*tell)(void* context, const Message& message) = nullptr;
    void* context = nullptr;

    [[nodiscard]] explicit operator bool() const noexcept { return tell != nullptr; }

    /// `make_text()` is called where somebody listens.
    template <typename MakeText>
    void operator()(Severity severity, MakeText&& make_text) const requires requires {
        make_text();
    }
    {
        if (tell != nullptr) [[unlikely]] {
            const std::string text = make_text();
            tell(context, {severity, text, nullptr});
        }
    }
    void operator()(Severity severity, const Error& error) const {
        if (tell != nullptr) [[unlikely]] {
            const std::string text = error.to_string();
            tell(context, {severity, text, &error});
        }
    }
};

} // namespace ecsdb
