#include "ecsdb/recovery/verify.hpp"

#include "recovery/files_fixture.hpp"
#include "support/environment.hpp"

namespace verify_test {

using namespace recovery_test;
using ecsdb::ErrorCode;
using ecsdb::OpenMode;
using ecsdb::SimulatedFileSystem;

namespace {

ecsdb::Options small_segments(ecsdb::FileSystem& files) {
    auto options = on(files);
    options.segment_bytes = 4096 + 768;
    return options;
}

ecsdb::Options reading(ecsdb::FileSystem& files) {
    auto options = small_segments(files);
    options.mode = OpenMode::ReadOnly;
    return options;
}

ecsdb::VerifyReport verified(ecsdb::FileSystem& files) {
    auto report = ecsdb::verify("world", {.file_system = &files});
    if (!report) {
        FAIL(report.error().to_string());
    }
    return std::move(*report);
}

std::string told(const ecsdb::VerifyReport& report) {
    std::string text;
    for (const auto& fault : report.faults) {
        text += fault.file + '@' + std::to_string(fault.offset) + ": " + fault.what + '\n';
    }
    for (const auto& remark : report.remarks) {
        text += "(" + remark + ")\n";
    }
    return text;
}

/// A small database with a full snapshot, one that builds on it, and a log of several segments, closed in order or crashed.
struct Small {
    explicit Small(bool closed, std::uint32_t rounds = 14) {
        auto options = small_segments(files);
        options.incremental_snapshots = 1;
        options.incremental_percent = 1000;
        options.compress_snapshots = true;
        World world = open_or_fail(options);
        for (std::uint32_t i = 0; i < rounds; ++i) {
            REQUIRE(workload.round(world, i));
            if (i == rounds / 3 || i == rounds * 2 / 3) {
                require(world.snapshot());
            }
        }
        CHECK(world.snapshot_state().builds_on == 1);
        if (closed) {
            require(world.close());
        } else {
            image = files.after_crash({});
        }
    }
    /// What the next opening finds.
    SimulatedFileSystem& disk() { return image ? *image : files; }

    SimulatedFileSystem files;
    std::unique_ptr<SimulatedFileSystem> image;
    Workload workload;
};

/// Opens read-only and holds it against the workload: everything is there, or it is said what is not. Returns whether something was said.
bool detected(Small& small) {
    auto opened = World::open(reading(small.disk()));
    if (!opened) {
        CHECK(opened.error().code() == ErrorCode::Corrupt);
        return true;
    }
    const auto& report = opened->recovery_report();
    const auto known = small.workload.hashes.find(opened->version());
    REQUIRE(known != small.workload.hashes.end());
    REQUIRE(opened->read().hash() == known->second);
    const bool said = report.torn_tail_bytes != 0 || report.unsynced_lost_to != 0 || !report.remarks.empty();
    if (opened->version() != small.workload.acknowledged) {
        REQUIRE(said);
    }
    return said;
}

} // namespace

TEST_CASE("a sound database is verified from end to end, and nothing is written", "[recovery][verify]") {
    for (const bool closed : {true, false}) {
        Small small{closed};
        const std::size_t changes = small.disk().changes();
        const auto report = verified(small.disk());
        INFO(told(report));
        CHECK(report.sound());
        CHECK(report.version == small.workload.acknowledged);
        CHECK(report.hash == small.workload.hashes[report.version]);
        CHECK(report.snapshots == 2);
        CHECK(report.segments >= 4);
        CHECK(report.frames > report.segments);
        CHECK(report.transactions > 20);
        CHECK(report.checked.size() >= 2 + report.snapshots + report.segments + 3);
        CHECK(small.disk().changes() == changes);
    }
    SimulatedFileSystem empty;
    auto nothing = ecsdb::verify("nowhere", {.file_system = &empty});
    REQUIRE_FALSE(nothing);
    CHECK(nothing.error().code() == ErrorCode::NotFound);
}

TEST_CASE("each fault names file, offset and transaction, and the first does not hide the others", "[recovery][verify][fault]") {
    Small small{true};
    auto& files = small.disk();
    ecsdb::SystemAllocator allocator;
    const auto segments = files_below(files, "world/log");
    REQUIRE(segments.size() >= 4);
    // The third frame of one segment, and a byte of the header of another.
    auto reader = ecsdb::wal::SegmentReader::open(files, segments[1], allocator);
    REQUIRE(reader);
    std::uint64_t offset = ecsdb::wal::segment_header_size;
    std::uint64_t lsn = 0;
    for (int frame = 0; frame < 2; ++frame) {
        const auto found = reader->frame_at(offset, reader->size());
        REQUIRE(found);
        REQUIRE(*found);
        lsn = (*found)->header.lsn + ecsdb::wal::count_records((*found)->payload);
        offset += (*found)->size;
    }
    flip(files, segments[1], offset + 50, 2);
    flip(files, segments[2], 30, 2);
    flip(files, "world/MANIFEST.previous", 30, 2);
    const auto report = verified(files);
    INFO(told(report));
    const auto named = [&](const std::string& file, std::uint64_t at, std::uint64_t transaction) {
        return std::any_of(report.faults.begin(), report.faults.end(), [&](const ecsdb::VerifyFault& fault) {
            return "world/" + fault.file == file && fault.offset == at && (transaction == 0 || fault.lsn == transaction);
        });
    };
    CHECK(named(segments[1], offset, lsn));
    CHECK(named(segments[2], 0, 0));
    CHECK(named("world/MANIFEST.previous", 0, 0));
}

TEST_CASE("a flipped bit anywhere is detected by opening, or does no harm, and verify finds it", "[recovery][verify][fault]") {
    std::mt19937_64 random{7};
    std::size_t flips = 0;
    std::size_t found_by_opening = 0;
    for (const bool closed : {true, false}) {
        // Every byte of one of the two: the crashed one differs in its log's end and in the manifest.
        const bool every_byte = closed && ecsdb::test::test_full();
        Small small{closed, every_byte ? 6U : 14U};
        for (const std::string& path : files_below(small.disk(), "world")) {
            if (path == "world/LOCK") {
                continue;
            }
            const auto bytes = contents_of(small.disk(), path);
            const bool log = path.find(".seg") != std::string::npos;
            std::size_t used = bytes.size();
            while (log && used > 0 && bytes[used - 1] == std::byte{}) {
                --used;
            }
            for (std::size_t at = 0; at < bytes.size();) {
                CAPTURE(path, at);
                const auto bit = static_cast<unsigned>((at + at / 8) % 8);
                flip(small.disk(), path, at, bit);
                found_by_opening += detected(small) ? 1U : 0U;
                ++flips;
                // What lies behind the frames means nothing.
                if ((every_byte && at < used) || flips % 4 == 0) {
                    const auto report = verified(small.disk());
                    INFO(told(report));
                    CHECK((!report.sound() || !report.remarks.empty() || (log && at >= used)));
                }
                flip(small.disk(), path, at, bit);
                const bool dense = !log || (at >= 4096 && at < used + 64) || at < 140;
                at += every_byte ? 1 : dense ? 1 + random() % 12 : 1 + random() % 400;
            }
        }
        CHECK(verified(small.disk()).sound());
    }
    std::printf("recovery/verify: %zu flips\n", flips);
    CHECK(flips > 500);
    CHECK(found_by_opening > flips / 4);
}

TEST_CASE("any file lost is detected by opening, or does no harm, and verify misses it", "[recovery][verify][fault]") {
    for (const bool closed : {true, false}) {
        Small small{closed};
        for (const std::string& path : files_below(small.disk(), "world")) {
            if (path == "world/LOCK") {
                continue;
            }
            CAPTURE(path, closed);
            auto copy = copy_of(small.disk());
            REQUIRE(copy->remove(path));
            const auto report = verified(*copy);
            INFO(told(report));
            auto opened = World::open(small_segments(*copy));
            if (opened) {
                CHECK(opened->version() == small.workload.acknowledged);
                CHECK(opened->read().hash() == small.workload.hashes[opened->version()]);
                // A segment that only a former snapshot needed may go without a word.
                CHECK((!report.sound() || path.find(".seg") != std::string::npos));
            } else {
                CHECK(opened.error().code() == ErrorCode::Corrupt);
                CHECK_FALSE(report.sound());
            }
        }
    }
}

} // namespace verify_test
