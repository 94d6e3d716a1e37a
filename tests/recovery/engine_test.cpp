#include "ecsdb/recovery/engine.hpp"

#include "ecsdb/recovery/archive.hpp"
#include "recovery/world.hpp"

#include <string>
#include <utility>
#include <vector>

namespace engine_test {

using namespace recovery_test;
using ecsdb::Durability;
using ecsdb::ErrorCode;

TEST_CASE("a database in memory has nothing to flush or to save", "[recovery]") {
    World world = open_or_fail({});
    require(world.flush(Durability::Memory));
    auto flushed = world.flush(Durability::Synced);
    REQUIRE_FALSE(flushed);
    CHECK(flushed.error().code() == ErrorCode::InvalidArgument);
    auto saved = world.snapshot();
    REQUIRE_FALSE(saved);
    CHECK(saved.error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("a version that does not come is not waited for beyond the time given", "[recovery]") {
    World world = open_or_fail({});
    require(world.wait_for_version(0));
    auto waited = world.wait_for_version(7, 1000);
    REQUIRE_FALSE(waited);
    CHECK(waited.error().code() == ErrorCode::Timeout);
}

TEST_CASE("statistics count what happened", "[recovery]") {
    World world = open_or_fail({});
    auto tx = world.begin();
    const ecsdb::Entity entity = tx.create(Purse{1});
    require(tx.commit());
    CHECK_FALSE(world.insert(entity, Purse{2}).wait());
    const ecsdb::Statistics statistics = world.statistics();
    CHECK(statistics.version == 1);
    CHECK(statistics.entities == 1);
    CHECK(statistics.committed == 1);
    CHECK(statistics.failed == 1);
    CHECK(statistics.used_bytes > 0);
    CHECK(statistics.used_bytes <= statistics.allocated_bytes);
}

TEST_CASE("statistics of a database with files say what its log and snapshots have done", "[recovery][fault]") {
    ecsdb::SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    auto options = on(files);
    options.archive_directory = "archive";
    World world = open_or_fail(options);
    const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
    const ecsdb::Statistics first = world.statistics();
    for (std::uint64_t gold = 1; gold <= 10; ++gold) {
        require(world.update(entity, Purse{gold}).wait());
    }
    ecsdb::Statistics now = world.statistics();
    CHECK(now.accepts_writes);
    CHECK(now.durable_version == 11);
    CHECK(now.written_version == 11);
    CHECK(now.log.written_bytes > first.log.written_bytes);
    CHECK(now.log.writes == first.log.writes + 10);
    CHECK(now.log.syncs == first.log.syncs + 10); // nobody shared one
    CHECK(now.log.segments == 0);
    CHECK(now.snapshots == 0);
    CHECK(now.snapshot_version == 0);
    require(world.snapshot());
    now = world.statistics();
    CHECK(now.log.segments == 1);
    CHECK(now.snapshots == 1);
    CHECK(now.snapshot_version == 11);
    CHECK(now.snapshot_bytes > 0);
    CHECK(now.archived_version == 11);
    // A failure, and the end of it.
    require(world.update(entity, Purse{11}).wait()); // something to save
    files.inject({.operation = ecsdb::FileOperation::Sync, .sticky = true});
    CHECK_FALSE(world.update(entity, Purse{0}).wait());
    CHECK_FALSE(world.snapshot());
    now = world.statistics();
    CHECK_FALSE(now.accepts_writes);
    CHECK(now.log.failures == 1);
    CHECK(now.snapshot_failures == 1);
    files.clear_faults();
    require(world.resume());
    now = world.statistics();
    CHECK(now.accepts_writes);
    CHECK(now.log.resumed == 1);
    CHECK(now.log.segments == 2);
    require(world.close());
    CHECK_FALSE(world.statistics().accepts_writes);
    // Without files there is nothing to say.
    World in_memory = open_or_fail({});
    CHECK(in_memory.statistics().accepts_writes);
    CHECK(in_memory.statistics().log.segments == 0);
}

namespace {

/// What a database has said, a line each.
struct Said {
    std::vector<std::string> lines;
    [[nodiscard]] ecsdb::Messages messages() {
        return {[](void* context, const ecsdb::Message& message) {
                    static_cast<Said*>(context)->lines.push_back(std::string{name_of(message.severity)} + ": " + std::string{message.text});
                },
                this};
    }
    /// How many lines begin so and hold `part`; forgets them all.
    std::size_t take(const std::string& severity, const std::string& part) {
        std::size_t found = 0;
        for (const std::string& line : std::exchange(lines, {})) {
            UNSCOPED_INFO(line);
            found += line.starts_with(severity + ": ") && line.find(part) != std::string::npos ? 1U : 0U;
        }
        return found;
    }
};

} // namespace

TEST_CASE("a database says what goes on, and what goes wrong", "[recovery][messages][fault]") {
    Said said;
    ecsdb::SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    auto options = on(files);
    options.messages = said.messages();
    options.archive_directory = "archive";
    {
        World world = open_or_fail(options);
        CHECK(said.take("Info", "world: created") == 1);
        const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
        CHECK(said.lines.empty()); // a commit is nothing to speak of
        require(world.snapshot());
        {
            Said all = said;
            CHECK(all.take("Debug", "the log goes on in segment 2") == 1);
            all = said;
            CHECK(all.take("Debug", "archived, up to version 1") == 1);
            CHECK(said.take("Info", "snapshot-1.ecsdb: version 1 is saved") == 1);
        }
        require(world.snapshot());
        CHECK(said.take("Info", "version 1 is saved already") == 1);

        require(world.update(entity, Purse{1}).wait());
        files.inject({.operation = ecsdb::FileOperation::Sync, .code = ErrorCode::NoSpace, .sticky = true});
        CHECK_FALSE(world.update(entity, Purse{2}).wait());
        CHECK(said.take("Error", "no more writes until `resume`") == 1);
        CHECK_FALSE(world.update(entity, Purse{3}).wait());
        CHECK(said.lines.empty()); // once is enough
        CHECK_FALSE(world.snapshot());
        CHECK(said.take("Error", "snapshot: ") == 1);
        files.clear_faults();
        require(world.resume());
        CHECK(said.take("Info", "accepts writes again") == 1);

        files.inject({.operation = ecsdb::FileOperation::Open, .sticky = true, .path_part = "archive"});
        CHECK_FALSE(ecsdb::archive_now(world.engine()));
        CHECK(said.take("Warning", "archive: ") == 1);
        CHECK_FALSE(ecsdb::archive_now(world.engine()));
        CHECK(said.take("Warning", "archive: ") == 0);
        files.clear_faults();
        CHECK(world.compact());
        CHECK(said.take("Info", "compacted: ") == 1);
        require(world.update(entity, Purse{4}).wait());
        static_cast<void>(said.take("", ""));
        require(world.close());
        CHECK(said.take("Info", "closed at version 3") == 1);
    }
    {
        World world = open_or_fail(options);
        CHECK(said.take("Info", "world: opened at version 3, from the snapshot of version 1 and 2 transactions of the log") == 1);
    }
}

TEST_CASE("what recovery had to cut or to pass over is said", "[recovery][messages][crash]") {
    Said said;
    ecsdb::SimulatedFileSystem disk;
    auto options = on(disk, Durability::Logged);
    World world = open_or_fail(options);
    const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
    require(world.snapshot());
    require(world.update(entity, Purse{1}).wait());
    require(world.snapshot());
    disk.record_history();
    require(world.update(entity, Purse{2}).wait());
    require(world.flush(Durability::Logged));
    std::size_t cuts = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto image = disk.after_crash_at(disk.changes(), {.seed = seed, .keep = ecsdb::KeepPending::Subset, .tear = 8});
        auto there = options;
        there.file_system = image.get();
        there.messages = said.messages();
        const World recovered = open_or_fail(there);
        CHECK(said.take("Warning", "the log ends here") == (recovered.recovery_report().cut.empty() ? 0U : 1U));
        cuts += recovered.recovery_report().cut.empty() ? 0U : 1U;
    }
    CHECK(cuts > 0);

    const auto image = disk.after_crash({});
    require(image->remove("world/snapshot-2.ecsdb"));
    auto there = options;
    there.file_system = image.get();
    there.messages = said.messages();
    const World recovered = open_or_fail(there);
    CHECK(said.take("Warning", "the newest snapshot could not be used") == 1);
}

TEST_CASE("refused memory is said once in a while, and not for every transaction", "[recovery][messages][memory]") {
    Said said;
    ecsdb::Options options;
    options.own_thread = false;
    options.memory_limit = std::size_t{4} << 20U;
    options.messages = said.messages();
    World world = open_or_fail(options);
    static_cast<void>(said.take("", ""));
    for (int i = 0; i < 5; ++i) {
        CHECK_FALSE(world.execute([](auto& state) -> ecsdb::Result<void> {
            const auto created = state.create_many(2'000'000);
            return created ? ecsdb::Result<void>{} : ecsdb::Result<void>{created.error().clone()};
        }));
    }
    CHECK(said.take("Warning", "OutOfMemory") == 1);
}

TEST_CASE("closing twice is harmless, and a closed database can still be read", "[recovery]") {
    World world = open_or_fail({});
    auto tx = world.begin();
    tx.create(Purse{1});
    require(tx.commit());
    require(world.close());
    require(world.close());
    CHECK(world.read().entity_count() == 1);
}

TEST_CASE("a database is not closed from inside its own writer", "[recovery]") {
    World world = open_or_fail({});
    auto closed = world.execute([&](auto&) { return world.close(); });
    REQUIRE_FALSE(closed);
    CHECK(closed.error().code() == ErrorCode::WouldDeadlock);
    auto tx = world.begin();
    tx.create(Purse{1});
    require(tx.commit());
}

TEST_CASE("waiting for a version does the writer's work where it has no thread of its own", "[recovery]") {
    ecsdb::Options options;
    options.own_thread = false;
    World world = open_or_fail(options);
    auto tx = world.begin();
    tx.create(Purse{1});
    require(tx.post());
    CHECK(world.version() == 0);
    require(world.wait_for_version(1));
    CHECK(world.version() == 1);
}

} // namespace engine_test
