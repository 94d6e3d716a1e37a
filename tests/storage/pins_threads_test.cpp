// Views on real threads beside a writer at full speed; to be run under a thread sanitizer as well.
#include "support/storage_fixture.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace ecsdb::test::pins_threads_test {
namespace {

using storage::Outcome;
using storage::Root;
using storage::Store;
using storage::WriteBuffer;

constexpr TableId account = 0;
constexpr TableId badge = 1;
constexpr std::uint32_t accounts = 400;
constexpr std::uint32_t visitors = 64; ///< Indices above the accounts that come and go.

struct Balance {
    std::uint64_t money;
    std::uint64_t version; ///< Of the commit that wrote it.
};

std::uint64_t badge_of(std::uint32_t index, std::uint32_t generation) {
    return (std::uint64_t{index} << 32U | generation) * 0x9E3779B97F4A7C15ULL;
}

/// What every published version promises; the number of broken promises. Freed pages come back with other contents, so they break some.
std::uint64_t broken_promises(const Root& root) {
    std::uint64_t broken = 0;
    std::uint64_t money = 0;
    std::uint64_t newest = 0;
    for (std::uint32_t index = 0; index < accounts; ++index) {
        const storage::EntityRecord* const record = root.find_living(Entity{index, 1, 0});
        if (record == nullptr) {
            ++broken;
            continue;
        }
        Balance balance;
        std::memcpy(&balance, root.find_row(*record, index, account), sizeof(balance));
        money += balance.money;
        newest = std::max(newest, balance.version);
        broken += balance.version > root.version ? 1U : 0U;
    }
    broken += money != accounts * 1000U ? 1U : 0U;
    broken += newest != root.version ? 1U : 0U;
    std::uint32_t living = accounts;
    for (std::uint32_t index = accounts; index < accounts + visitors; ++index) {
        const storage::EntityRecord* const record = root.entities.find(index);
        if (record == nullptr || record->archetype == storage::no_archetype) {
            continue;
        }
        ++living;
        const std::byte* const row = root.find_row(*record, index, badge);
        const std::uint64_t wanted = badge_of(index, record->generation);
        broken += row == nullptr || std::memcmp(row, &wanted, sizeof(wanted)) != 0 ? 1U : 0U;
    }
    broken += living != root.entity_count ? 1U : 0U;
    return broken;
}

} // namespace

TEST_CASE("views on several threads read whole versions while the writer commits", "[storage][pins]") {
    SystemAllocator allocator;
    World world{allocator, schema_of({{"Account", sizeof(Balance)}, {"Badge", 8, Storage::Sparse}})};
    WriteBuffer& buffer = world.buffer();
    const auto pay = [&](std::uint32_t index, std::int64_t amount) {
        Balance balance{1000, 0};
        if (const std::byte* const row = buffer.find_row(Entity{index, 1, 0}, account); row != nullptr) {
            std::memcpy(&balance, row, sizeof(balance));
        }
        balance.money += static_cast<std::uint64_t>(amount);
        balance.version = buffer.root().version + 1;
        return buffer.set(Entity{index, 1, 0}, account, reinterpret_cast<const std::byte*>(&balance)) == Outcome::Done;
    };
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < accounts; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            REQUIRE(pay(index, 0));
        }
    });

    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> broken{0};
    std::atomic<std::uint64_t> looks{0};
    std::atomic<std::uint64_t> kept_up{0};
    const auto reader = [&](std::uint32_t number) {
        // Some views are held over many others; one is given back late.
        std::vector<Store::Pins::Pin> held;
        std::uint64_t last = 0;
        for (std::uint64_t round = 0; !stop.load(std::memory_order_relaxed) || round < 50; ++round) {
            const auto pin = world.store().pin();
            if (pin.slot == nullptr || pin.root->version < last) {
                ++broken;
                break;
            }
            last = pin.root->version;
            broken += round % 4 == 0 ? broken_promises(*pin.root) : 0;
            ++looks;
            if (held.size() < 2 + number && round % 7 == 0) {
                held.push_back(pin);
                continue;
            }
            Store::Pins::unpin(*pin.slot);
            if (round % 40 == 39 && !held.empty()) {
                broken += broken_promises(*held.front().root);
                Store::Pins::unpin(*held.front().slot);
                held.erase(held.begin());
            }
            kept_up = last;
        }
        for (const auto& pin : held) {
            broken += broken_promises(*pin.root);
            Store::Pins::unpin(*pin.slot);
        }
    };
    std::array<std::thread, 3> readers;
    for (std::uint32_t i = 0; i < readers.size(); ++i) {
        readers[i] = std::thread{reader, i};
    }

    std::uint64_t failures = 0;
    std::uint32_t random = 1;
    std::vector<std::uint32_t> generations(visitors, 0);
    std::vector<bool> present(visitors, false);
    // At least so many commits, and until the readers have had their share of the processor.
    for (std::uint64_t commit = 0; commit < 3000 || looks < 1000; ++commit) {
        failures += buffer.begin_batch() ? 0U : 1U;
        const std::uint64_t transactions = 1 + commit % 3;
        for (std::uint64_t i = 0; i < transactions; ++i) {
            buffer.begin_transaction();
            random = random * 1664525U + 1013904223U;
            failures += pay((random >> 8U) % accounts, -1) && pay((random >> 16U) % accounts, 1) ? 0U : 1U;
            const std::uint32_t visitor = (random >> 4U) % visitors;
            const std::uint32_t index = accounts + visitor;
            if (present[visitor]) {
                failures += buffer.destroy(Entity{index, generations[visitor], 0}) == Outcome::Done ? 0U : 1U;
            } else {
                const Entity entity{index, ++generations[visitor], 0};
                const std::uint64_t value = badge_of(index, entity.generation());
                failures += buffer.create(entity) == Outcome::Done &&
                                    buffer.insert(entity, badge, reinterpret_cast<const std::byte*>(&value)) == Outcome::Done
                                ? 0U
                                : 1U;
            }
            present[visitor] = !present[visitor];
            if (commit % 3 == 0 && i + 1 == transactions && commit % 2 == 0) {
                present[visitor] = !present[visitor];
                generations[visitor] -= present[visitor] ? 0U : 1U;
                buffer.undo_transaction();
            } else {
                buffer.keep_transaction(commit);
            }
        }
        world.publish();
    }
    stop = true;
    for (std::thread& thread : readers) {
        thread.join();
    }
    CHECK(failures == 0);
    CHECK(broken == 0);
    CHECK(looks >= 1000);
    CHECK(kept_up != 0);
    CHECK(broken_promises(world.published()) == 0);
    CHECK_FALSE(world.store().pins().any());
    world.reclaim();
    CHECK_FALSE(world.store().reclaimer().holds_anything());
    CHECK(world.store().reclaimer().retired_bytes() == 0);
}

TEST_CASE("slots are found by many threads at once, more than the table has", "[storage][pins]") {
    SystemAllocator allocator;
    World world{allocator, schema_of({{"Position", 12}})};
    const Root* const root = &world.published();
    std::atomic<std::uint64_t> wrong{0};
    std::array<std::thread, 4> threads;
    for (std::thread& thread : threads) {
        thread = std::thread{[&] {
            for (int round = 0; round < 20; ++round) {
                std::vector<Store::Pins::Pin> pins;
                for (int i = 0; i < 20; ++i) {
                    pins.push_back(world.store().pin());
                    wrong += pins.back().slot == nullptr || pins.back().root != root ? 1U : 0U;
                }
                for (std::size_t i = 0; i < pins.size(); ++i) {
                    for (std::size_t k = 0; k < i; ++k) {
                        wrong += pins[i].slot == pins[k].slot ? 1U : 0U;
                    }
                    Store::Pins::unpin(*pins[pins.size() - 1 - i].slot);
                }
            }
        }};
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(world.store().pins().slot_count() >= 20);
    CHECK(world.store().pins().slot_count() <= 112);
    CHECK_FALSE(world.store().pins().any());
}

} // namespace ecsdb::test::pins_threads_test
