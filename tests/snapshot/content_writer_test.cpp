#include "ecsdb/snapshot/content_writer.hpp"

#include "snapshot/snapshot_fixture.hpp"

namespace ecsdb::test::content_writer_test {

using namespace snapshot;

namespace {

constexpr std::uint32_t entities = 20'000;

/// A world of many positions, saved once.
struct Saved {
    Saved() {
        world.commit([](storage::WriteBuffer& buffer) {
            for (std::uint32_t i = 0; i < entities; ++i) {
                const Entity entity{i, 1, 0};
                REQUIRE(buffer.create(entity) == storage::Outcome::Done);
                REQUIRE(buffer.insert(entity, 0, position(0).data()) == storage::Outcome::Done);
            }
        });
        REQUIRE(next("full", false));
    }

    static std::vector<std::byte> position(std::uint32_t value) {
        std::vector<std::byte> row(12);
        store_le<std::uint32_t>(row.data(), value);
        return row;
    }
    Result<SnapshotInfo> next(const std::string& path, bool incremental) {
        return write_snapshot(files, path, world.published(), world.store().entity_versions(), identity_of(world.published()),
                              {.allocator = allocator, .saved = &saved, .incremental = incremental});
    }
    /// The blocks of a file, by kind.
    std::map<BlockKind, std::uint64_t> rows_in(const std::string& path) {
        auto reader = BlockReader::open(files, path, allocator);
        REQUIRE(reader);
        std::map<BlockKind, std::uint64_t> rows;
        BlockReader::Block block;
        for (auto more = reader->next(block); more && *more; more = reader->next(block)) {
            rows[block.header.kind] += block.header.rows;
        }
        return rows;
    }

    CountingAllocator allocator;
    World world{allocator, schema_to_save()};
    SimulatedFileSystem files;
    SavedState saved{allocator};
};

} // namespace

TEST_CASE("an incremental snapshot holds the pages born since, and nothing else", "[snapshot]") {
    Saved saved;
    saved.world.commit([](storage::WriteBuffer& buffer) {
        for (const std::uint32_t i : {5U, 6U, 10'000U}) {
            REQUIRE(buffer.update(Entity{i, 1, 0}, 0, Saved::position(i).data()) == storage::Outcome::Done);
        }
    });
    const auto written = saved.next("changes", true);
    REQUIRE(written);
    auto rows = saved.rows_in("changes");
    CHECK(rows[BlockKind::ChangedRows] == 2 * 128); // two pages
    CHECK(rows[BlockKind::ChangedEntities] == 0);
    CHECK(rows[BlockKind::ChangedCounts] == 3);
    CHECK(rows[BlockKind::Freed] == 0);
    CHECK(rows[BlockKind::Contents] == 0);
    CHECK(rows[BlockKind::Rows] == 0);
    CHECK(written->bytes < 10'000);
}

TEST_CASE("what changes whole pages costs little more than their bytes", "[snapshot]") {
    Saved saved;
    constexpr std::uint32_t changed = 4096;
    saved.world.commit([](storage::WriteBuffer& buffer) {
        for (std::uint32_t i = 0; i < changed; ++i) {
            REQUIRE(buffer.update(Entity{i, 1, 0}, 0, Saved::position(i).data()) == storage::Outcome::Done);
        }
    });
    const auto written = saved.next("changes", true);
    REQUIRE(written);
    ByteBuffer schema{saved.allocator};
    encode_schema(saved.world.store().schema(), schema);
    CHECK(written->bytes < schema.size() + changed * 12 * 105 / 100);
}

TEST_CASE("what failed to be written is written again by the next one", "[snapshot]") {
    Saved saved;
    saved.world.commit([](storage::WriteBuffer& buffer) {
        REQUIRE(buffer.update(Entity{1, 1, 0}, 0, Saved::position(1).data()) == storage::Outcome::Done);
    });
    FaultFileSystem failing{saved.files};
    failing.inject({.operation = FileOperation::Sync, .code = ErrorCode::NoSpace});
    CHECK_FALSE(write_snapshot(failing, "lost", saved.world.published(), saved.world.store().entity_versions(),
                               identity_of(saved.world.published()),
                               {.allocator = saved.allocator, .saved = &saved.saved, .incremental = true}));
    CHECK(saved.saved.usable);
    REQUIRE(saved.next("changes", true));
    auto rows = saved.rows_in("changes");
    CHECK(rows[BlockKind::ChangedRows] == 128);
    CHECK(rows[BlockKind::ChangedCounts] == 1);
    // A name that may not last is no base.
    saved.world.commit([](storage::WriteBuffer& buffer) {
        REQUIRE(buffer.update(Entity{2, 1, 0}, 0, Saved::position(1).data()) == storage::Outcome::Done);
    });
    failing.inject({.operation = FileOperation::SyncDirectory});
    CHECK_FALSE(write_snapshot(failing, "lost", saved.world.published(), saved.world.store().entity_versions(),
                               identity_of(saved.world.published()),
                               {.allocator = saved.allocator, .saved = &saved.saved, .incremental = true}));
    CHECK_FALSE(saved.saved.usable);
}

} // namespace ecsdb::test::content_writer_test
