#include "ecsdb/snapshot/memory.hpp"

#include "snapshot/snapshot_fixture.hpp"

#include <string>
#include <vector>

namespace ecsdb::test::memory_test {

using namespace snapshot;

TEST_CASE("a snapshot in memory is byte for byte the file, and is read like it", "[snapshot]") {
    SystemAllocator memory;
    World world{memory, schema_to_save()};
    RandomWriter writer{world, 5};
    run_batches(world, writer, 20);
    const storage::Root& root = world.published();
    for (const int level : {0, fast_compression}) {
        CAPTURE(level);
        SimulatedFileSystem files;
        const auto in_file = save(world, files, "file", memory, level);
        REQUIRE(in_file);
        ByteBuffer bytes{memory};
        bytes.append_le<std::uint8_t>(7); // what was there goes
        const auto in_memory = write_snapshot(bytes, root, world.store().entity_versions(), identity_of(root),
                                              {.allocator = memory, .compression_level = level});
        REQUIRE(in_memory);
        CHECK(in_memory->crc == in_file->crc);
        CHECK(std::vector<std::byte>(bytes.view().begin(), bytes.view().end()) == bytes_in(files, "file"));

        const auto checked = check_snapshot(bytes.view(), memory);
        REQUIRE(checked);
        CHECK(checked->crc == in_file->crc);
        OneFileInMemory one{"file", bytes.view()};
        World loaded{memory, schema_to_save()};
        REQUIRE(load(loaded, one, "file", memory));
        CHECK(difference(loaded.published(), *root.schema, saved_part(writer.model(), *root.schema)).empty());
    }
}

TEST_CASE("a snapshot in memory is checked where it lies, and any byte that differs is found", "[snapshot][hostile]") {
    CountingAllocator memory;
    {
        World world{memory, schema_to_save()};
        RandomWriter writer{world, 6, 20};
        run_batches(world, writer, 2, 5);
        ByteBuffer bytes{memory};
        REQUIRE(write_snapshot(bytes, world.published(), world.store().entity_versions(), identity_of(world.published()),
                               {.allocator = memory}));
        std::vector<std::byte> damaged(bytes.view().begin(), bytes.view().end());
        const std::uint64_t before = memory.live_bytes;
        for (std::size_t at = 0; at < damaged.size(); ++at) {
            damaged[at] ^= std::byte{0x40};
            const auto checked = check_snapshot(damaged, memory);
            CAPTURE(at);
            REQUIRE_FALSE(checked);
            CHECK((checked.error().code() == ErrorCode::Corrupt || checked.error().code() == ErrorCode::Unsupported));
            damaged[at] ^= std::byte{0x40};
            CHECK_FALSE(check_snapshot(std::span{damaged}.first(at), memory));
        }
        CHECK(check_snapshot(damaged, memory));
        CHECK(memory.live_bytes == before);
    }
}

} // namespace ecsdb::test::memory_test
