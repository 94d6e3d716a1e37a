#include "ecsdb/recovery/manifest.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "support/catch.hpp"

#include <vector>

namespace manifest_test {

using namespace ecsdb;
using namespace ecsdb::recovery;

namespace {

SystemAllocator allocator;

Manifest some_manifest(std::uint64_t lsn) {
    Manifest manifest;
    manifest.database[2] = std::byte{5};
    manifest.boot[1] = std::byte{6};
    manifest.epoch = 3;
    manifest.shard = 1023;
    manifest.clean = lsn % 2 == 0;
    manifest.durable_lsn = lsn;
    manifest.first_needed_segment = 4;
    manifest.newest_segment = 6;
    manifest.schema_hash = 77;
    manifest.reserved_index_mark = 4096;
    manifest.last_time = 1'700'000'000'000'000;
    manifest.snapshot = {"snapshot/0000000009.snap", 9, 12345, 0xCAFEF00D};
    manifest.previous_snapshot = {"snapshot/0000000005.snap", 5, 1234, 0xCAFE};
    manifest.schema = std::vector<std::byte>(100 + static_cast<std::size_t>(lsn), std::byte{42});
    return manifest;
}

std::vector<std::byte> encoded(const Manifest& manifest) {
    ByteBuffer buffer{allocator};
    encode_manifest(manifest, buffer);
    return {buffer.view().begin(), buffer.view().end()};
}

void overwrite(FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
    auto file = files.open(path, FileMode::ReadWrite);
    REQUIRE(file);
    REQUIRE((*file)->truncate(bytes.size()));
    REQUIRE((*file)->pwrite(bytes, 0));
}

/// A database directory whose manifest is number 1, and number 2 stored over it.
void store_two(FileSystem& files) {
    REQUIRE(files.create_directory("db"));
    REQUIRE(files.sync_directory("."));
    REQUIRE(store_manifest(files, "db", some_manifest(1), allocator));
    REQUIRE(store_manifest(files, "db", some_manifest(2), allocator));
}

} // namespace

TEST_CASE("a manifest with any bit flipped or any end cut off is refused", "[recovery]") {
    const auto whole = encoded(some_manifest(1));
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        auto bytes = whole;
        bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        const auto manifest = decode_manifest(bytes);
        CAPTURE(bit);
        REQUIRE_FALSE(manifest);
        REQUIRE(manifest.error().code() == ErrorCode::Corrupt);
    }
    for (std::size_t kept = 0; kept < whole.size(); ++kept) {
        const std::vector<std::byte> bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kept));
        REQUIRE_FALSE(decode_manifest(bytes));
    }
    auto longer = whole;
    longer.push_back(std::byte{0});
    CHECK_FALSE(decode_manifest(longer));
}

TEST_CASE("lengths that do not add up are refused although the checksum is right", "[recovery]") {
    const auto whole = encoded(some_manifest(1));
    const std::size_t name_length = 128 + 20;
    for (const std::size_t at : {name_length, name_length + 4 + 24 + 20, whole.size() - 101 - 4}) {
        for (const std::uint32_t wrong : {0U, 1U, 1000U, 0xFFFFFFFFU}) {
            auto bytes = whole;
            store_le<std::uint32_t>(bytes.data() + at, wrong);
            store_le<std::uint32_t>(bytes.data() + 8, mask_crc(crc32c(std::span{bytes}.subspan(12))));
            const auto manifest = decode_manifest(bytes);
            CAPTURE(at, wrong);
            REQUIRE_FALSE(manifest);
            CHECK(manifest.error().code() == ErrorCode::Corrupt);
        }
    }
}

TEST_CASE("a manifest cannot have handed out more indices than there are", "[recovery][hostile]") {
    Manifest manifest = some_manifest(1);
    manifest.reserved_index_mark = std::uint64_t{1} << 32U;
    CHECK(decode_manifest(encoded(manifest)));
    ++manifest.reserved_index_mark;
    const auto decoded = decode_manifest(encoded(manifest));
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code() == ErrorCode::Corrupt);
    CHECK(decoded.error().message().find("4294967297") != std::string::npos);
}

TEST_CASE("a manifest cannot point outside its directory", "[recovery]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory("db"));
    for (const char* name : {"/etc/passwd", "../other/snapshot", "snapshot/../../x"}) {
        Manifest manifest = some_manifest(1);
        manifest.snapshot.name = name;
        CHECK_FALSE(decode_manifest(encoded(manifest)));
        const auto stored = store_manifest(files, "db", manifest, allocator);
        REQUIRE_FALSE(stored);
        CHECK(stored.error().code() == ErrorCode::InvalidArgument);
    }
    CHECK(files.list("db")->empty());
}

TEST_CASE("a manifest names whole chains, in a newer format only where it has to", "[recovery]") {
    Manifest manifest = some_manifest(1);
    CHECK(load_le<std::uint32_t>(encoded(manifest).data() + 12) == manifest_version);
    CHECK(chains_of(manifest) == std::vector<SnapshotChain>{{manifest.snapshot}, {manifest.previous_snapshot}});
    manifest.snapshot_bases = {{"snapshot-7", 7, 100, 1}, {"snapshot-8-after-7", 8, 10, 2}};
    manifest.previous_bases = {{"snapshot-4", 4, 90, 3}};
    const auto bytes = encoded(manifest);
    CHECK(load_le<std::uint32_t>(bytes.data() + 12) == manifest_version_with_chains);
    const auto decoded = decode_manifest(bytes);
    REQUIRE(decoded);
    CHECK(*decoded == manifest);
    const auto chains = chains_of(manifest);
    REQUIRE(chains.size() == 5);
    CHECK(chains[0].size() == 3);
    CHECK(chains[0].front().name == "snapshot-7");
    CHECK(chains[2].size() == 1);
    CHECK(chains[3].back() == manifest.previous_snapshot);
    CHECK(names_snapshot(manifest, "snapshot-8-after-7"));
    CHECK_FALSE(names_snapshot(manifest, "snapshot-9"));
    for (std::size_t kept = 128; kept < bytes.size(); ++kept) {
        auto cut = std::vector<std::byte>(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept));
        store_le<std::uint64_t>(cut.data() + 16, cut.size());
        store_le<std::uint32_t>(cut.data() + 8, mask_crc(crc32c(std::span{cut}.subspan(12))));
        CHECK_FALSE(decode_manifest(cut));
    }
    for (const char* name : {"", "/etc/passwd", "../other"}) {
        Manifest bad = manifest;
        bad.snapshot_bases[1].name = name;
        CHECK_FALSE(decode_manifest(encoded(bad)));
    }
    Manifest headless = manifest;
    headless.previous_snapshot = {};
    CHECK_FALSE(decode_manifest(encoded(headless)));
}

TEST_CASE("a manifest of a newer format is unsupported, and the one before it is not used instead", "[recovery]") {
    SimulatedFileSystem files;
    store_two(files);
    auto bytes = encoded(some_manifest(2));
    store_le<std::uint32_t>(bytes.data() + 12, manifest_version_with_chains + 1);
    store_le<std::uint32_t>(bytes.data() + 8, mask_crc(crc32c(std::span{bytes}.subspan(12))));
    overwrite(files, "db/MANIFEST", bytes);
    const auto loaded = load_manifest(files, "db");
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code() == ErrorCode::Unsupported);
}

TEST_CASE("a manifest comes back as it was stored, laid out as the format document says", "[recovery]") {
    SimulatedFileSystem files;
    store_two(files);
    const auto loaded = load_manifest(files, "db");
    REQUIRE(loaded);
    CHECK(loaded->manifest == some_manifest(2));
    CHECK_FALSE(loaded->previous);
    CHECK(loaded->problem.empty());
    Manifest bare;
    CHECK(*decode_manifest(encoded(bare)) == bare);
    const auto bytes = encoded(some_manifest(2));
    CHECK(std::string(reinterpret_cast<const char*>(bytes.data()), 8) == "ECSDBMAN");
    CHECK(load_le<std::uint64_t>(bytes.data() + 16) == bytes.size());
    CHECK(load_le<std::uint32_t>(bytes.data() + 40) == 3);
    CHECK(load_le<std::uint64_t>(bytes.data() + 64) == 1);
    CHECK(load_le<std::uint64_t>(bytes.data() + 72) == 2);
    CHECK(load_le<std::uint64_t>(bytes.data() + 80) == 4);
    CHECK(load_le<std::uint64_t>(bytes.data() + 88) == 6);
    CHECK(load_le<std::uint64_t>(bytes.data() + 112) == 4096);
    CHECK(load_le<std::uint64_t>(bytes.data() + 128) == 9);
    CHECK(load_le<std::uint32_t>(bytes.data() + 144) == 0xCAFEF00D);
    CHECK(load_le<std::uint32_t>(bytes.data() + 148) == 24);
}

TEST_CASE("a damaged or missing manifest gives way to the one before it, with a report", "[recovery]") {
    SimulatedFileSystem original;
    store_two(original);
    const auto size = encoded(some_manifest(2)).size();
    for (std::size_t byte = 0; byte <= size; byte += 5) {
        const auto files = original.after_crash({});
        if (byte < size - 4) {
            auto bytes = encoded(some_manifest(2));
            bytes[byte] ^= std::byte{0x10};
            overwrite(*files, "db/MANIFEST", bytes);
        } else {
            REQUIRE(files->remove("db/MANIFEST"));
        }
        const auto loaded = load_manifest(*files, "db");
        REQUIRE(loaded);
        CHECK(loaded->previous);
        CHECK(loaded->manifest == some_manifest(1));
        CHECK(loaded->problem.find("MANIFEST") != std::string::npos);
        // Storing the next one keeps the good one until there are two again.
        REQUIRE(store_manifest(*files, "db", some_manifest(3), allocator));
        CHECK(load_manifest(*files, "db")->manifest == some_manifest(3));
        REQUIRE(files->remove("db/MANIFEST"));
        CHECK(load_manifest(*files, "db")->manifest == some_manifest(1));
    }
}

TEST_CASE("without any usable manifest the error says whether there ever was one", "[recovery]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory("db"));
    CHECK(load_manifest(files, "db").error().code() == ErrorCode::NotFound);
    REQUIRE(store_manifest(files, "db", some_manifest(1), allocator));
    overwrite(files, "db/MANIFEST", std::vector<std::byte>(10));
    CHECK(load_manifest(files, "db").error().code() == ErrorCode::Corrupt);
    REQUIRE(files.rename("db/MANIFEST", "db/MANIFEST.previous"));
    CHECK(load_manifest(files, "db").error().code() == ErrorCode::Corrupt);
}

TEST_CASE("a file too large for a manifest is refused unread", "[recovery]") {
    SimulatedFileSystem files;
    store_two(files);
    auto file = files.open("db/MANIFEST", FileMode::ReadWrite);
    REQUIRE((*file)->truncate(max_manifest_size + 1));
    CHECK(load_manifest(files, "db")->previous);
}

TEST_CASE("a failed read is an error, and nothing is changed or fallen back to", "[recovery]") {
    SimulatedFileSystem disk;
    store_two(disk);
    for (std::uint64_t call = 1;; ++call) {
        FaultFileSystem files{disk};
        files.inject({std::nullopt, call, ErrorCode::Io, false, 0, false, {}});
        const std::size_t changes = disk.changes();
        const auto loaded = load_manifest(files, "db");
        CHECK(disk.changes() == changes);
        if (files.failures() == 0) {
            CHECK(call > 3);
            break;
        }
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().code() == ErrorCode::Io);
    }
}

TEST_CASE("a crash at any point of storing leaves the old manifest or the new one", "[recovery]") {
    SimulatedFileSystem files;
    store_two(files);
    files.record_history();
    REQUIRE(store_manifest(files, "db", some_manifest(3), allocator));
    std::size_t old_found = 0;
    std::size_t new_found = 0;
    for (std::size_t change = 0; change <= files.changes(); ++change) {
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            CrashPlan plan;
            plan.seed = seed;
            plan.keep = seed == 0 ? KeepPending::None : seed == 1 ? KeepPending::All : KeepPending::Subset;
            plan.tear = seed % 3 == 0 ? 512 : seed % 3;
            plan.garbage = seed % 2 == 0;
            const auto image = files.after_crash_at(change, plan);
            const auto loaded = load_manifest(*image, "db");
            CAPTURE(change, seed);
            REQUIRE(loaded);
            REQUIRE_FALSE(loaded->previous);
            const std::uint64_t found = loaded->manifest.durable_lsn;
            REQUIRE(loaded->manifest == some_manifest(found));
            REQUIRE((found == 2 || found == 3));
            REQUIRE((found == 3 || change < files.changes()));
            ++(found == 2 ? old_found : new_found);
            REQUIRE(store_manifest(*image, "db", some_manifest(4), allocator));
            REQUIRE(load_manifest(*image->after_crash({}), "db")->manifest == some_manifest(4));
        }
    }
    CHECK(old_found > 100);
    CHECK(new_found > 40);
}

TEST_CASE("whichever call of storing fails, a manifest is found and the next try succeeds", "[recovery]") {
    for (std::uint64_t call = 1;; ++call) {
        SimulatedFileSystem disk;
        store_two(disk);
        FaultFileSystem files{disk};
        files.inject({std::nullopt, call, call % 2 == 0 ? ErrorCode::Io : ErrorCode::NoSpace, false, 20, false, {}});
        const auto stored = store_manifest(files, "db", some_manifest(3), allocator);
        if (files.failures() == 0) {
            CHECK(stored);
            CHECK(call > 15);
            break;
        }
        CAPTURE(call);
        REQUIRE_FALSE(stored);
        for (const KeepPending keep : {KeepPending::None, KeepPending::All}) {
            CrashPlan plan;
            plan.keep = keep;
            const auto image = disk.after_crash(plan);
            const auto loaded = load_manifest(*image, "db");
            REQUIRE(loaded);
            CHECK_FALSE(loaded->previous);
            CHECK((loaded->manifest == some_manifest(2) || loaded->manifest == some_manifest(3)));
        }
        REQUIRE(store_manifest(files, "db", some_manifest(3), allocator));
        CHECK(load_manifest(files, "db")->manifest == some_manifest(3));
    }
}

TEST_CASE("without memory nothing is stored", "[recovery]") {
    struct NoMemory final : Allocator {
        void* allocate(std::size_t, std::size_t) noexcept override { return nullptr; }
        void deallocate(void*, std::size_t, std::size_t) noexcept override {}
    } none;
    SimulatedFileSystem files;
    store_two(files);
    const std::size_t changes = files.changes();
    const auto stored = store_manifest(files, "db", some_manifest(3), none);
    REQUIRE_FALSE(stored);
    CHECK(stored.error().code() == ErrorCode::OutOfMemory);
    CHECK(files.changes() == changes);
}

} // namespace manifest_test
