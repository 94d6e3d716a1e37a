#include "ecsdb/core/process.hpp"

#include "support/catch.hpp"

#include <sys/wait.h>
#include <unistd.h>

namespace process_test {

namespace {

/// What `claim` says in a forked child.
template <typename Claim>
bool holds_in_child(const Claim& claim) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::_exit(claim() ? 0 : 1); // no destructors: the child is a copy of the whole test program
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

} // namespace

TEST_CASE("a forked child finds its parent's guard dead, its grandchild too", "[core][process]") {
    const ecsdb::ForkGuard guard;
    CHECK(holds_in_child([&] { return guard.in_child(); }));
    CHECK(holds_in_child([&] { return holds_in_child([&] { return guard.in_child(); }); }));
    CHECK_FALSE(guard.in_child());
}

TEST_CASE("a guard made in the child lives there", "[core][process]") {
    CHECK(holds_in_child([] {
        const ecsdb::ForkGuard own;
        return !own.in_child();
    }));
}

TEST_CASE("a guard in its own process is never taken for a child's", "[core][process]") {
    const ecsdb::ForkGuard first;
    {
        const ecsdb::ForkGuard second;
        CHECK_FALSE(second.in_child());
    }
    CHECK_FALSE(first.in_child());
}

} // namespace process_test
