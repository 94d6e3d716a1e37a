#include "ecsdb/wal/kept_frames.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace kept_frames_test {

using namespace ecsdb;
using ecsdb::wal::KeptFrames;

namespace {

class Meter final : public Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        if (calls == most_calls) {
            return nullptr;
        }
        ++calls;
        held += bytes;
        return system_.allocate(bytes, alignment);
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        held -= bytes;
        system_.deallocate(memory, bytes, alignment);
    }
    std::uint64_t calls = 0;
    std::uint64_t most_calls = std::numeric_limits<std::uint64_t>::max();
    std::size_t held = 0;

private:
    SystemAllocator system_;
};

std::vector<std::byte> run(std::size_t bytes, std::size_t seed) {
    std::vector<std::byte> frames(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
        frames[i] = static_cast<std::byte>(seed * 31 + i);
    }
    return frames;
}

} // namespace

TEST_CASE("refused memory leaves what is kept as it was", "[wal]") {
    Meter meter;
    KeptFrames kept{meter};
    REQUIRE(kept.append(run(100, 1)));
    meter.most_calls = meter.calls;
    CHECK_FALSE(kept.append(run(KeptFrames::block_bytes, 2)));
    CHECK(kept.bytes() == 100);
    REQUIRE(kept.pieces().size() == 1);
    REQUIRE(kept.append(run(50, 3)));
    CHECK(kept.bytes() == 150);
    kept.clear();
    REQUIRE(kept.append(run(KeptFrames::block_bytes, 2)));
    KeptFrames none{meter};
    CHECK_FALSE(none.append(run(1, 0)));
    CHECK(none.pieces().empty());
    CHECK(none.append({}));
    CHECK(none.pieces().empty());
}

TEST_CASE("what is kept comes back in order, and no run is torn between two pieces", "[wal]") {
    Meter meter;
    {
        KeptFrames kept{meter};
        for (int round = 0; round < 3; ++round) {
            std::vector<std::byte> all;
            std::vector<std::size_t> starts{0};
            for (std::size_t i = 0; i < 200; ++i) {
                const auto frames = run(i % 50 == 49 ? 700'000 : 1 + i * 997 % 60'000, i);
                REQUIRE(kept.append(frames));
                all.insert(all.end(), frames.begin(), frames.end());
                starts.push_back(all.size());
            }
            std::vector<std::byte> found;
            for (const auto piece : kept.pieces()) {
                CHECK(std::binary_search(starts.begin(), starts.end(), found.size()));
                found.insert(found.end(), piece.begin(), piece.end());
            }
            CHECK(found == all);
            CHECK(kept.bytes() == all.size());
            CHECK(kept.allocated_bytes() == meter.held);
            CHECK(meter.held < 2 * all.size());
            kept.clear();
            CHECK(kept.bytes() == 0);
            CHECK(kept.pieces().empty());
        }
    }
    CHECK(meter.held == 0);
}

TEST_CASE("keeping as much as usual takes no memory, and what a burst took goes back by and by", "[wal]") {
    Meter meter;
    KeptFrames kept{meter};
    const auto frames = run(60'000, 1);
    const auto fill = [&](std::size_t runs) {
        for (std::size_t i = 0; i < runs; ++i) {
            REQUIRE(kept.append(frames));
        }
        kept.clear();
    };
    fill(400);
    const std::size_t burst = meter.held;
    const std::uint64_t calls = meter.calls;
    for (std::size_t i = 0; i < 20; ++i) {
        fill(250 + i * 7 % 100);
    }
    CHECK(meter.calls == calls);
    CHECK(meter.held == burst);
    for (int i = 0; i < 200; ++i) {
        fill(1);
    }
    CHECK(meter.calls == calls);
    CHECK(meter.held < 5 * KeptFrames::block_bytes);
}

} // namespace kept_frames_test
