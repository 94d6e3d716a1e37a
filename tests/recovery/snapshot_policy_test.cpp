#include "ecsdb/recovery/snapshot_policy.hpp"

#include "support/catch.hpp"

namespace snapshot_policy_test {

using namespace ecsdb;
using recovery::SinceSnapshot;
using recovery::SnapshotPolicy;

namespace {

constexpr std::uint64_t second = 1'000'000'000;

recovery::SnapshotChain chain(std::initializer_list<std::uint64_t> sizes) {
    recovery::SnapshotChain files;
    for (const std::uint64_t size : sizes) {
        files.push_back({"snapshot-" + std::to_string(files.size()), files.size(), size, 0});
    }
    return files;
}

} // namespace

TEST_CASE("without a rule no snapshot is ever due", "[recovery]") {
    const SnapshotPolicy policy{Options{}};
    CHECK_FALSE(policy.is_automatic());
    CHECK_FALSE(policy.is_due({~std::uint64_t{0} / 1000, ~std::uint64_t{0} / 1000, ~std::uint64_t{0} / 1000}));
}

TEST_CASE("each rule makes a snapshot due at its limit, and not before", "[recovery]") {
    Options options;
    options.snapshot_transactions = 100;
    CHECK(SnapshotPolicy{options}.is_automatic());
    CHECK_FALSE(SnapshotPolicy{options}.is_due({99, 1U << 30U, 1000 * second}));
    CHECK(SnapshotPolicy{options}.is_due({100, 0, 0}));
    options = {};
    options.snapshot_seconds = 10;
    CHECK_FALSE(SnapshotPolicy{options}.is_due({1000, 1U << 30U, 10 * second - 1}));
    CHECK(SnapshotPolicy{options}.is_due({1, 0, 10 * second}));
    options = {};
    options.snapshot_log_bytes = 1 << 20;
    CHECK_FALSE(SnapshotPolicy{options}.is_due({1000, (1 << 20) - 1, 1000 * second}));
    CHECK(SnapshotPolicy{options}.is_due({1, 1 << 20, 0}));
    options = {};
    options.snapshot_replay_ns = second;
    const SinceSnapshot short_log{1'000'000, 100'000'000, 0};
    CHECK(recovery::estimated_replay_ns(short_log) < second);
    CHECK_FALSE(SnapshotPolicy{options}.is_due(short_log));
    CHECK(SnapshotPolicy{options}.is_due({1'000'000, 200'000'000, 0}));
    CHECK(SnapshotPolicy{options}.is_due({4'000'000, 0, 0}));
}

TEST_CASE("where nothing was committed, nothing is due", "[recovery]") {
    Options options;
    options.snapshot_seconds = 1;
    options.snapshot_log_bytes = 1;
    CHECK_FALSE(SnapshotPolicy{options}.is_due({0, 1000, 1000 * second}));
}

TEST_CASE("an incremental snapshot follows a chain that is neither long nor large", "[recovery]") {
    Options options;
    CHECK_FALSE(SnapshotPolicy{options}.may_follow(chain({1000})));
    options.incremental_snapshots = 2;
    options.incremental_percent = 50;
    const SnapshotPolicy policy{options};
    CHECK_FALSE(policy.may_follow({}));
    CHECK(policy.may_follow(chain({1000})));
    CHECK(policy.may_follow(chain({1000, 499})));
    CHECK_FALSE(policy.may_follow(chain({1000, 500})));
    CHECK_FALSE(policy.may_follow(chain({1000, 1, 1})));
    CHECK(policy.may_follow(chain({std::uint64_t{1} << 60U, std::uint64_t{1} << 58U})));
}

TEST_CASE("after a failure the pauses grow, up to five minutes, until something succeeds", "[recovery]") {
    recovery::BackOff back_off;
    CHECK(back_off.may_try(0));
    std::uint64_t now = 7 * second;
    for (std::uint64_t pause = second; pause < 300 * second; pause *= 2) {
        back_off.failed(now);
        CHECK_FALSE(back_off.may_try(now + pause - 1));
        now += pause;
        CHECK(back_off.may_try(now));
    }
    back_off.failed(now);
    back_off.failed(now);
    CHECK_FALSE(back_off.may_try(now + 300 * second - 1));
    CHECK(back_off.may_try(now + 300 * second));
    back_off.succeeded();
    back_off.failed(now);
    CHECK(back_off.may_try(now + second));
}

} // namespace snapshot_policy_test
