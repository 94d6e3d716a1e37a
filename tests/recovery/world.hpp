/// @file
/// A small durable world for the recovery tests: stepped by the test itself, on a simulated disk.
#pragma once

#include "ecsdb/database.hpp"
#include "ecsdb/io/fault_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace recovery_test {

struct Spot {
    float x, y;
};
struct Purse {
    std::uint64_t gold;
};

} // namespace recovery_test

ECSDB_COMPONENT(recovery_test::Spot, x, y);
ECSDB_COMPONENT(recovery_test::Purse, gold);

namespace recovery_test {

using World = ecsdb::Database<Spot, Purse>;

/// Options for a database on `files` whose writer runs on the thread that waits.
inline ecsdb::Options on(ecsdb::FileSystem& files, ecsdb::Durability durability = ecsdb::Durability::Synced) {
    ecsdb::Options options;
    options.directory = "world";
    options.durability = durability;
    options.file_system = &files;
    options.own_thread = false;
    options.segment_bytes = 64 << 10; // several log switches in a short test
    return options;
}

inline World open_or_fail(const ecsdb::Options& options) {
    auto opened = World::open(options);
    if (!opened) {
        FAIL(opened.error().to_string());
    }
    return std::move(*opened);
}

inline void require(const ecsdb::Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}

/// Runs transactions of several kinds and keeps the hash of every version it reached.
class Workload {
public:
    std::map<std::uint64_t, std::uint64_t> hashes; ///< version → state
    std::uint64_t acknowledged = 0;                ///< The newest version whose commit was waited for.

    /// One more round; false when the database refused (the disk has failed).
    bool round(World& world, std::uint32_t number) {
        auto tx = world.begin();
        living_.push_back(tx.create(Spot{float(number), 1}, Purse{number}));
        living_.push_back(tx.create(Purse{number * 10}));
        if (!note(world, tx.commit())) {
            return false;
        }
        if (!note(world, world.update(living_[number % living_.size()], Purse{number + 7}).wait())) {
            return false;
        }
        if (number % 3 == 1 && !note(world, world.destroy(living_[number / 2]).wait())) {
            return false;
        }
        return number % 2 == 0 || note(world, world.update<Spot>([](Spot& spot) { spot.x += 1; }));
    }

private:
    bool note(World& world, const ecsdb::Result<void>& result) {
        hashes[world.version()] = world.read().hash();
        if (result || result.error().code() == ecsdb::ErrorCode::NotFound) {
            acknowledged = world.version();
            return true;
        }
        return false;
    }

    std::vector<ecsdb::Entity> living_;
};

} // namespace recovery_test
