#include "ecsdb/core/thread.hpp"

#include "support/catch.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

namespace thread_test {

namespace {

using ecsdb::Thread;

} // namespace

TEST_CASE("a thread runs its callable elsewhere, and is waited for when it goes", "[core]") {
    std::thread::id ran_on;
    {
        const Thread thread{[&](const Thread::Stop&) { ran_on = std::this_thread::get_id(); }};
    }
    CHECK(ran_on != std::thread::id{});
    CHECK(ran_on != std::this_thread::get_id());
}

TEST_CASE("a thread runs until it is asked to stop, by a call or by going", "[core]") {
    std::atomic<int> ended{0};
    const auto until_stopped = [&](const Thread::Stop& stop) {
        while (!stop.requested()) {
            std::this_thread::yield();
        }
        ended.fetch_add(1);
    };
    {
        Thread asked{until_stopped};
        asked.request_stop();
        while (ended.load() == 0) {
            std::this_thread::yield();
        }
        const Thread never_asked{until_stopped};
    }
    CHECK(ended.load() == 2);
}

TEST_CASE("a thread keeps what its callable holds until it goes", "[core]") {
    auto held = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = held;
    {
        const Thread thread{[held = std::move(held)](const Thread::Stop&) {}};
        CHECK_FALSE(watched.expired());
    }
    CHECK(watched.expired());
}

} // namespace thread_test
