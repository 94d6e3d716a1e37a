#include "ecsdb/recovery/log_state_feed.hpp"

#include "recovery/world.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace log_state_feed_test {

using namespace recovery_test;
using ecsdb::Durability;
using ecsdb::ErrorCode;
using ecsdb::FaultFileSystem;
using ecsdb::FileOperation;
using ecsdb::LogCondition;
using ecsdb::LogState;
using ecsdb::SimulatedFileSystem;

namespace {

template <typename Condition>
bool eventually(Condition&& condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return condition();
}

} // namespace

TEST_CASE("a failure of the log and its end are told, and what the state is", "[recovery][fault]") {
    struct Told {
        ErrorCode code;
        LogCondition condition;
    };
    const Told kinds[] = {{ErrorCode::Io, LogCondition::SyncFailed},
                          {ErrorCode::NoSpace, LogCondition::NoSpace},
                          {ErrorCode::Corrupt, LogCondition::Corruption},
                          {ErrorCode::OutOfMemory, LogCondition::NoMemory}};
    for (const Told& kind : kinds) {
        SimulatedFileSystem disk;
        FaultFileSystem files{disk};
        World world = open_or_fail(on(files));
        std::vector<LogCondition> told;
        world.on_log_state([&](const LogState& state) { told.push_back(state.condition()); });
        const auto step_all = [&] {
            while (world.step()) {
            }
        };
        CHECK(world.log_state().condition() == LogCondition::Ok);
        files.inject({.operation = FileOperation::Sync, .code = kind.code});
        CHECK_FALSE(world.execute([](auto& state) { return state.create(Purse{1}); }));
        step_all();
        CHECK(told == std::vector{kind.condition});
        CHECK(world.log_state().condition() == kind.condition);
        CHECK_FALSE(world.execute([](auto& state) { return state.create(Purse{2}); })); // refused, not failed again
        step_all();
        CHECK(told.size() == 1);
        require(world.resume());
        step_all();
        CHECK(told == std::vector{kind.condition, LogCondition::Ok});
        world.on_log_state(nullptr);
        files.inject({.operation = FileOperation::Sync, .code = kind.code});
        CHECK_FALSE(world.execute([](auto& state) { return state.create(Purse{3}); }));
        step_all();
        CHECK(told.size() == 2);
    }
}

TEST_CASE("the log's thread tells where callbacks run, and a callback may resume the log's work elsewhere", "[recovery][fault][threads]") {
    SimulatedFileSystem disk;
    FaultFileSystem files{disk};
    auto options = on(files, Durability::Logged);
    options.own_thread = true;
    World world = open_or_fail(options);
    std::atomic<int> failed{0};
    std::atomic<int> resumed{0};
    std::atomic<bool> elsewhere{false};
    const auto here = std::this_thread::get_id();
    world.on_log_state([&](const LogState& state) {
        elsewhere = std::this_thread::get_id() != here;
        ++(state.writes ? resumed : failed);
    });
    files.inject({.operation = FileOperation::Write, .sticky = true, .path_part = "world/log"});
    static_cast<void>(world.execute([](auto& state) { return state.create(Purse{1}); }));
    CHECK(eventually([&] { return failed == 1; }));
    CHECK(elsewhere);
    files.clear_faults();
    require(world.resume());
    CHECK(eventually([&] { return resumed == 1; }));
    world.on_log_state(nullptr);
    require(world.close());
}

TEST_CASE("a database without a log tells nothing", "[recovery]") {
    World world = open_or_fail({});
    world.on_log_state([](const LogState&) { FAIL("there is no log"); });
    require(world.close());
}

TEST_CASE("closing tells of a log that cannot be closed", "[recovery][fault]") {
    SimulatedFileSystem disk;
    FaultFileSystem files{disk};
    World world = open_or_fail(on(files));
    int told = 0;
    world.on_log_state([&](const LogState& state) {
        ++told;
        CHECK(state.condition() == LogCondition::SyncFailed);
        static_cast<void>(world.flush(Durability::Synced)); // a callback may ask for it
    });
    REQUIRE(world.execute([](auto& state) { return state.create(Purse{1}); }));
    files.inject({.operation = FileOperation::Sync, .path_part = "world/log"});
    CHECK_FALSE(world.close());
    CHECK(told == 1);
}

} // namespace log_state_feed_test
