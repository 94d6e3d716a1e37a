#include "ecsdb/core/messages.hpp"

#include "support/catch.hpp"

#include <string>
#include <vector>

namespace messages_test {

using ecsdb::Message;
using ecsdb::Messages;
using ecsdb::Severity;

TEST_CASE("nobody is told by default, and no text is made", "[core]") {
    const Messages messages;
    CHECK_FALSE(messages);
    messages(Severity::Error, []() -> std::string {
        FAIL("nobody listens");
        return {};
    });
    messages(Severity::Error, ecsdb::Error{ecsdb::ErrorCode::Io, "nobody listens"});
}

TEST_CASE("whoever listens gets severity, text, and the error where there was one", "[core]") {
    std::vector<std::string> told;
    const Messages messages{[](void* context, const Message& message) {
                                std::string line{name_of(message.severity)};
                                line += ": " + std::string{message.text};
                                line += message.error == nullptr ? "" : " " + std::string{name_of(message.error->code())};
                                static_cast<std::vector<std::string>*>(context)->push_back(line);
                            },
                            &told};
    CHECK(messages);
    messages(Severity::Debug, [] { return std::string{"a step"}; });
    messages(Severity::Warning, ecsdb::Error{ecsdb::ErrorCode::NoSpace, "the disk is full"});
    REQUIRE(told.size() == 2);
    CHECK(told[0] == "Debug: a step");
    CHECK(told[1] == "Warning: NoSpace: the disk is full NoSpace");
    CHECK(name_of(Severity::Info) == "Info");
    CHECK(name_of(Severity::Error) == "Error");
}

} // namespace messages_test
