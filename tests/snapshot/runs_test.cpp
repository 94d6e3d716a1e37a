#include "ecsdb/snapshot/runs.hpp"

#include "support/catch.hpp"
#include "support/storage_fixture.hpp"

#include <random>
#include <set>

namespace ecsdb::test::runs_test {

using namespace snapshot;

namespace {

std::vector<Run> random_runs(std::mt19937_64& random, std::uint64_t end) {
    std::vector<Run> runs;
    for (std::uint64_t at = random() % 10; at < end;) {
        const std::uint64_t count = std::min(1 + random() % 20, end - at);
        runs.push_back({at, count});
        at += count + 1 + random() % 20;
    }
    return runs;
}

} // namespace

TEST_CASE("runs come back as they were written", "[snapshot]") {
    CountingAllocator allocator;
    std::mt19937_64 random{1};
    for (int round = 0; round < 100; ++round) {
        std::vector<Run> runs = random_runs(random, 500);
        if (round % 2 == 0) {
            runs.push_back({max_run_end - 5, 5});
        }
        ByteBuffer out{allocator};
        append_runs(out, runs);
        ByteReader in{out.view()};
        std::vector<Run> read;
        REQUIRE(read_runs(in, runs.size(), read));
        CHECK(read == runs);
        CHECK(in.remaining() == 0);
        for (std::size_t kept = 0; kept < out.size(); ++kept) {
            ByteReader cut{out.view().first(kept)};
            CHECK_FALSE(read_runs(cut, runs.size(), read));
        }
    }
}

TEST_CASE("runs that reach beyond the largest index are refused", "[snapshot]") {
    CountingAllocator allocator;
    std::vector<Run> read;
    for (const Run& run : {Run{max_run_end, 1}, Run{max_run_end - 1, 2}, Run{~std::uint64_t{0}, 1}, Run{0, max_run_end + 1}}) {
        ByteBuffer out{allocator};
        append_runs(out, std::span{&run, 1});
        ByteReader in{out.view()};
        CHECK_FALSE(read_runs(in, 1, read));
    }
    ByteReader none{{}};
    CHECK_FALSE(read_runs(none, ~std::uint64_t{0}, read));
}

TEST_CASE("runs that follow directly become one", "[snapshot]") {
    std::vector<Run> runs;
    add_run(runs, {3, 2});
    add_run(runs, {5, 1});
    add_run(runs, {7, 0});
    add_run(runs, {7, 4});
    CHECK(runs == std::vector<Run>{{3, 3}, {7, 4}});
}

TEST_CASE("a set of runs holds what was added, and nothing else", "[snapshot]") {
    std::mt19937_64 random{2};
    for (int round = 0; round < 50; ++round) {
        RunSet set;
        std::set<std::uint64_t> model;
        CHECK(set.empty());
        for (int additions = 0; additions < 4; ++additions) {
            const auto runs = random_runs(random, 300);
            set.add(runs);
            for (const Run& run : runs) {
                for (std::uint64_t index = run.first; index < run.end(); ++index) {
                    model.insert(index);
                }
            }
            for (std::uint64_t index = 0; index < 310; ++index) {
                REQUIRE(set.contains(index) == model.contains(index));
            }
            for (std::size_t i = 1; i < set.runs().size(); ++i) {
                REQUIRE(set.runs()[i - 1].end() < set.runs()[i].first);
            }
        }
    }
}

} // namespace ecsdb::test::runs_test
