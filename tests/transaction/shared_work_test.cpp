#include "ecsdb/transaction/shared_work.hpp"

#include "support/catch.hpp"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace ecsdb::test::shared_work_test {
namespace {

using transaction::HelpDesk;
using transaction::SharedWork;

/// Counts how often each piece is done; plain counters, so that a piece done by both would be a race.
class Counting final : public SharedWork {
public:
    explicit Counting(std::uint32_t pieces) : done(pieces) { set_pieces(pieces); }

    void help(const IsNeeded& is_needed) noexcept override {
        std::uint32_t piece = 0;
        while (!is_needed() && (piece = claim_back()) != no_piece) {
            ++done[piece];
            ++helped;
        }
    }
    bool do_one() {
        const std::uint32_t piece = claim_front();
        if (piece == no_piece) {
            return false;
        }
        ++done[piece];
        return true;
    }
    [[nodiscard]] bool each_once() const {
        for (const int times : done) {
            if (times != 1) {
                return false;
            }
        }
        return true;
    }

    std::vector<int> done;
    std::uint32_t helped = 0;
};

constexpr SharedWork::IsNeeded never{[](const void*) { return false; }, nullptr};
constexpr SharedWork::IsNeeded always{[](const void*) { return true; }, nullptr};

} // namespace

TEST_CASE("nobody helps where nothing is offered, and what nobody came for is withdrawn", "[transaction]") {
    HelpDesk desk;
    CHECK_FALSE(desk.help(never));
    Counting work{3};
    REQUIRE(desk.offer(work));
    desk.withdraw(work);
    CHECK_FALSE(desk.help(never));
    while (work.do_one()) {
    }
    CHECK(work.each_once());
    CHECK(work.helped == 0);
}

TEST_CASE("one piece of work is on offer at a time", "[transaction]") {
    HelpDesk desk;
    Counting first{1};
    Counting second{1};
    REQUIRE(desk.offer(first));
    CHECK_FALSE(desk.offer(second));
    desk.withdraw(first);
    CHECK(desk.offer(second));
    desk.withdraw(second);
}

TEST_CASE("whoever helps first leaves nothing to do, whoever is needed elsewhere leaves everything", "[transaction]") {
    const std::uint32_t pieces = GENERATE(0U, 1U, 2U, 7U);
    CAPTURE(pieces);
    HelpDesk desk;
    Counting work{pieces};
    REQUIRE(desk.offer(work));
    SECTION("helps") {
        CHECK(desk.help(never));
        CHECK(work.helped == pieces);
        CHECK_FALSE(work.do_one());
        CHECK_FALSE(work.do_one());
    }
    SECTION("is needed") {
        CHECK(desk.help(always));
        CHECK(work.helped == 0);
        while (work.do_one()) {
        }
    }
    desk.withdraw(work);
    CHECK(work.each_once());
}

TEST_CASE("owner and helper do every piece once, and the owner sees what the helper did", "[transaction]") {
    HelpDesk desk;
    std::atomic<bool> stop{false};
    std::thread helper{[&] {
        while (!stop.load()) {
            desk.help(never);
        }
    }};
    std::uint64_t wrong = 0;
    for (std::uint32_t round = 0; round < 20000; ++round) {
        Counting work{round % 9};
        const bool offered = desk.offer(work);
        while (work.do_one()) {
        }
        if (offered) {
            desk.withdraw(work);
        }
        wrong += offered && work.each_once() ? 0U : 1U;
    }
    stop = true;
    helper.join();
    CHECK(wrong == 0);
}

} // namespace ecsdb::test::shared_work_test
