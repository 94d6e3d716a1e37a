#include "ecsdb/recovery/rebuilt_state.hpp"

#include "ecsdb/recovery/manifest.hpp"
#include "ecsdb/schema/encode.hpp"
#include "recovery/files_fixture.hpp"

namespace rebuilt_state_test {

using namespace recovery_test;
using ecsdb::SimulatedFileSystem;
using ecsdb::recovery::RebuiltState;

TEST_CASE("a state is rebuilt from a snapshot and the log, up to where it is wanted", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(on(files));
        for (std::uint32_t i = 0; i < 9; ++i) {
            REQUIRE(workload.round(world, i));
            if (i == 4) {
                require(world.snapshot());
            }
        }
    }
    ecsdb::SystemAllocator allocator;
    const auto manifest = ecsdb::recovery::load_manifest(files, "world")->manifest;
    const auto schema = std::make_shared<const ecsdb::Schema>(*ecsdb::decode_schema(manifest.schema));
    for (const auto& [version, hash] : workload.hashes) {
        if (version < manifest.snapshot.lsn) {
            continue;
        }
        CAPTURE(version);
        auto state = RebuiltState::create(schema, 0, allocator);
        REQUIRE(state);
        auto snapshot = ecsdb::snapshot::open_snapshot(files, "world/" + manifest.snapshot.name, allocator);
        REQUIRE(snapshot);
        require((*state)->load(*snapshot));
        CHECK((*state)->version() == manifest.snapshot.lsn);
        (*state)->stop_after(version);
        ecsdb::wal::LogReadOptions options;
        options.database = manifest.database;
        options.after_lsn = manifest.snapshot.lsn;
        options.first_needed_segment = manifest.first_needed_segment;
        ecsdb::wal::LogReader reader{files, "world/log", options, allocator};
        REQUIRE(reader.read(**state));
        require((*state)->finish());
        CHECK((*state)->version() == version);
        CHECK((*state)->taken() == version - manifest.snapshot.lsn);
        CHECK(ecsdb::storage::hash_of((*state)->root()) == hash);
        CHECK((*state)->index_end() <= (*state)->index_mark());
    }
}

} // namespace rebuilt_state_test
