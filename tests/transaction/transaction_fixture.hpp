/// @file
/// What tests of the commit path build with: components of every kind, a database that is stepped by hand, a gate that holds
/// the writer, and a participant that keeps every delta.
#pragma once

#include "ecsdb/database.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace ecsdb::test {

struct Position {
    float x, y, z;
    friend bool operator==(const Position&, const Position&) = default;
};
ECSDB_COMPONENT(Position, x, y, z);

struct Velocity {
    float x, y, z;
};
ECSDB_COMPONENT(Velocity, x, y, z);

struct Account {
    std::int64_t balance;
    friend bool operator==(const Account&, const Account&) = default;
};
ECSDB_COMPONENT(Account, balance);

struct Level {
    std::uint8_t number;
};
ECSDB_COMPONENT(Level, number);

/// A tag.
struct Visible {};
ECSDB_COMPONENT(Visible);

/// A page of its own for each row, and a row too large for the ring.
struct Wide {
    std::uint32_t words[1200];
};
ECSDB_COMPONENT(Wide, words);

struct Target {
    std::uint64_t entity;
    friend bool operator==(const Target&, const Target&) = default;
};
ECSDB_COMPONENT(Target, entity);

struct Burning {};
ECSDB_COMPONENT(Burning);

} // namespace ecsdb::test

template <>
struct ecsdb::ComponentOptions<ecsdb::test::Target> {
    static constexpr Storage storage = Storage::Sparse;
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::Burning> {
    static constexpr Storage storage = Storage::Sparse;
};

namespace ecsdb::test {

using World8 = Database<Position, Velocity, Account, Level, Visible, Wide, Target, Burning>;

/// Nothing runs before somebody waits or steps.
[[nodiscard]] inline Options stepped() {
    Options options;
    options.own_thread = false;
    return options;
}

template <typename Db = World8>
[[nodiscard]] Db open_db(const Options& options = {}) {
    Result<Db> opened = Db::open(options);
    if (!opened) {
        FAIL(opened.error().to_string());
    }
    return std::move(*opened);
}

/// A result's error code; 0 for success.
template <typename T>
[[nodiscard]] ErrorCode code_of(const Result<T>& result) {
    return result ? ErrorCode{} : result.error().code();
}
inline constexpr ErrorCode success{};

inline void step_all(AnyDatabase& db) {
    while (db.step()) {
    }
}

/// Makes `count` entities with zeroed components; the first of their ids, which follow each other.
template <typename... As>
[[nodiscard]] Entity create_zeroed(World8& db, std::uint32_t count) {
    const std::tuple<std::vector<As>...> rows{std::vector<As>(count)...};
    const Result<Entity> first = db.execute(
        [&](auto& state) { return state.template create_many<As...>(count, std::span<const As>{std::get<std::vector<As>>(rows)}...); });
    REQUIRE(first);
    return *first;
}
/// Destroys `count` entities from `first` on, in one transaction.
inline void destroy_many(World8& db, Entity first, std::uint32_t count) {
    REQUIRE(db.execute([&](auto& state) -> Result<void> {
        Result<void> destroyed;
        for (std::uint32_t i = 0; destroyed && i < count; ++i) {
            destroyed = state.destroy(Entity{first.index() + i, first.generation(), first.shard()});
        }
        return destroyed;
    }));
}

/// Holds the writer inside a function until released.
class Gate {
public:
    explicit Gate(World8& db)
        : thread_{[this, &db] {
              const Result<void> held = db.execute([this](auto&) {
                  entered_.test_and_set();
                  entered_.notify_all();
                  open_.wait(false);
              });
              failed_ = !held;
          }} {
        entered_.wait(false);
    }
    ~Gate() { open(); }
    void open() {
        open_.test_and_set();
        open_.notify_all();
        if (thread_.joinable()) {
            thread_.join();
            CHECK_FALSE(failed_);
        }
    }

private:
    std::atomic_flag entered_;
    std::atomic_flag open_;
    bool failed_ = false;
    std::jthread thread_;
};

/// Every living entity with its count of changes, as one number.
[[nodiscard]] inline std::uint64_t hash_of_counts(const storage::Root& root, const storage::EntityVersions& versions) {
    std::uint64_t sum = 0;
    root.entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
        if (record.archetype != storage::no_archetype) {
            sum += mix64(std::uint64_t{versions.count(index)} << 32U | index);
        }
    });
    return sum;
}

/// Keeps what every accepted transaction changed, and how the state looked right after it.
class Recorder final : public transaction::Participant {
public:
    struct Step {
        std::uint64_t version = 0;
        std::uint64_t time_ns = 0;
        std::vector<std::byte> delta;
        std::uint64_t hash = 0;
        std::uint64_t counts = 0;
    };

    [[nodiscard]] bool wants_changes() const noexcept override { return true; }
    [[nodiscard]] Result<void> prepare(storage::WriteBuffer& state) noexcept override {
        state_ = &state;
        return {};
    }
    void accepted(const transaction::Accepted& transaction) noexcept override {
        steps.push_back({transaction.version,
                         transaction.time_ns,
                         {transaction.delta.begin(), transaction.delta.end()},
                         storage::hash_of(state_->root()),
                         hash_of_counts(state_->root(), state_->store().entity_versions())});
    }

    std::vector<Step> steps;

private:
    storage::WriteBuffer* state_ = nullptr;
};

} // namespace ecsdb::test
