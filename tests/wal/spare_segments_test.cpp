#include "ecsdb/wal/spare_segments.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "wal/log_fixture.hpp"

namespace spare_segments_test {

using namespace ecsdb;
using namespace ecsdb::test;
using namespace ecsdb::wal;

namespace {

constexpr std::uint64_t segment_bytes = 8192;

LogOptions options_with(SpareSegments& spares, std::uint32_t epoch = 1) {
    LogOptions options = log_options(segment_bytes, epoch);
    options.spares = &spares;
    return options;
}

std::size_t files_ending(FileSystem& files, std::string_view suffix) {
    std::size_t count = 0;
    const auto names = files.list(log_directory);
    REQUIRE(names);
    for (const std::string& name : *names) {
        count += name.ends_with(suffix) ? 1U : 0U;
    }
    return count;
}

/// A log whose old segments are used again: `rounds` times some segments are filled and all but the newest given up, as snapshots do.
struct Recycled {
    std::uint64_t last = 0;   ///< The last transaction,
    std::uint64_t after = 0;  ///< and the one that the segments still needed begin behind.
    std::uint64_t needed = 1; ///< The first of them.
};
Recycled write_recycled(FileSystem& files, SpareSegments& spares, std::size_t rounds) {
    LogWriter log = open_log(files, options_with(spares));
    Recycled state;
    for (std::size_t round = 0; round < rounds; ++round) {
        const std::uint64_t first = log.segment_number();
        while (log.segment_number() < first + 3) {
            ++state.last;
            append(log, state.last, state.last);
            if (state.last % 3 == 0) {
                REQUIRE(log.sync());
            }
        }
        if (round + 1 < rounds) {
            REQUIRE(log.rotate());
            std::vector<std::uint64_t> unneeded;
            for (; state.needed < log.segment_number(); ++state.needed) {
                unneeded.push_back(state.needed);
            }
            state.after = state.last;
            REQUIRE(spares.retire(unneeded));
        }
    }
    return state;
}

LogReadOptions read_from(const Recycled& state) {
    LogReadOptions options = read_options();
    options.after_lsn = state.after;
    options.first_needed_segment = state.needed;
    return options;
}

} // namespace

TEST_CASE("frames of a segment's earlier life are never taken for its own", "[wal][recycled]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory(log_directory));
    SpareSegments spares{files, log_directory, segment_bytes, 4};
    const Recycled state = write_recycled(files, spares, 3);
    const auto scan = read_log(files, read_from(state));
    REQUIRE(scan);
    CHECK(scan->end.lsn == state.last);
    CHECK(scan->torn_tail_bytes == 0);
    const std::string newest = log_file(scan->segments.back());
    auto reader = SegmentReader::open(files, newest, system_allocator());
    REQUIRE(reader);
    CHECK((reader->header().flags & segment_flag_reused) != 0);
    const Bytes whole = contents(files, newest);
    const auto end = static_cast<std::ptrdiff_t>(scan->end.offset);
    REQUIRE(std::any_of(whole.begin() + end, whole.end(), [](std::byte byte) { return byte != std::byte{0}; }));

    // Its own frames are lost from the end on, one by one, and those of the earlier life come right behind.
    const auto offsets = frame_offsets(files, scan->segments.back());
    for (std::size_t frame = offsets.size() - 1; frame-- > 0;) {
        Bytes cut = whole;
        std::fill(cut.begin() + static_cast<std::ptrdiff_t>(offsets[frame]), cut.begin() + end, std::byte{0});
        replace(files, newest, cut);
        const auto shorter = read_log(*rebooted(files), read_from(state));
        CAPTURE(frame);
        REQUIRE(shorter);
        CHECK(shorter->end.offset == offsets[frame]);
        CHECK(shorter->torn_tail_bytes == 0);
        CHECK_FALSE(shorter->unsynced_lost);
    }
}

TEST_CASE("a crash at any change of a log that is used again loses nothing synced and takes nothing stale", "[wal][recycled][crash]") {
    SimulatedFileSystem disk;
    REQUIRE(disk.create_directory(log_directory));
    REQUIRE(disk.sync_directory("."));
    disk.record_history();
    SpareSegments spares{disk, log_directory, segment_bytes, 4};
    std::vector<std::uint64_t> durable;
    std::vector<Recycled> needed_at;
    // As a manifest would: what is needed is stored before anything is given up.
    LogWriter log = open_log(disk, options_with(spares));
    Recycled state;
    const auto note = [&] {
        durable.resize(disk.changes() + 1, durable.empty() ? 0 : durable.back());
        durable.back() = log.durable_lsn();
        needed_at.resize(disk.changes() + 1, needed_at.empty() ? Recycled{} : needed_at.back());
        needed_at.back() = state;
    };
    note();
    for (std::size_t round = 0; round < 3; ++round) {
        const std::uint64_t first = log.segment_number();
        while (log.segment_number() < first + 2) {
            ++state.last;
            append(log, state.last, state.last);
            if (state.last % 5 == 0) {
                REQUIRE(log.sync());
            }
            note();
        }
        REQUIRE(log.rotate());
        std::vector<std::uint64_t> unneeded;
        for (; state.needed < log.segment_number(); ++state.needed) {
            unneeded.push_back(state.needed);
        }
        state.after = state.last;
        note();
        REQUIRE(spares.retire(unneeded));
        note();
    }
    const std::size_t changes = disk.changes();
    durable.resize(changes + 1, durable.back());
    needed_at.resize(changes + 1, needed_at.back());
    std::size_t images = 0;
    for (std::size_t change = 8; change <= changes; ++change) {
        for (const KeepPending keep : {KeepPending::None, KeepPending::All, KeepPending::Subset}) {
            CrashPlan plan;
            plan.keep = keep;
            plan.seed = change;
            plan.tear = change % 2 == 0 ? 1 : 512;
            plan.garbage = change % 3 == 0;
            const auto image = disk.after_crash_at(change, plan);
            if (!*image->exists(log_file(needed_at[change].needed))) {
                continue; // the log's very beginning
            }
            CAPTURE(change, changes, int(keep));
            LogReadOptions options = read_from(needed_at[change]);
            options.durable_lsn = durable[change];
            const auto scan = read_log(*image, options);
            INFO((scan ? "" : scan.error().to_string()));
            REQUIRE(scan);
            CHECK(scan->end.lsn >= durable[change]);
            ++images;
            if (change % 16 == 0) {
                // And the next writer finds its spares, whatever names they had.
                SpareSegments again{*image, log_directory, segment_bytes, 4};
                REQUIRE(sync_segments(*image, log_directory, *scan));
                LogWriter next = open_log(*image, options_with(again, scan->max_epoch + 1), scan->start());
                append(next, scan->end.lsn + 1, scan->end.lsn + 1);
                REQUIRE(next.sync());
                const auto reread = read_log(*image, read_from(needed_at[change]));
                REQUIRE(reread);
                CHECK(reread->end.lsn == scan->end.lsn + 1);
            }
        }
    }
    CHECK(images > 200);
}

TEST_CASE("as many old segments are kept as are wanted, all of one size", "[wal][recycled]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory(log_directory));
    SpareSegments spares{files, log_directory, segment_bytes, 2};
    for (const std::uint64_t number : {1U, 2U, 3U, 4U}) {
        replace(files, log_file(number), Bytes(number == 2 ? segment_bytes / 2 : segment_bytes));
    }
    const std::uint64_t unneeded[] = {1, 2, 3, 4};
    REQUIRE(spares.retire(unneeded));
    CHECK(spares.count() == 2);
    CHECK(files_ending(files, SpareSegments::suffix) == 2);
    CHECK(files_ending(files, segment_suffix) == 0);
    CHECK_FALSE(spares.take(segment_bytes + 8)); // too small for it
    REQUIRE(spares.take(segment_bytes));
    CHECK(spares.count() == 1);

    replace(files, "log/0000000009.spare", Bytes(100));
    SpareSegments after{files, log_directory, segment_bytes, 1};
    REQUIRE(after.find());
    CHECK(after.count() == 1);
    CHECK(files_ending(files, SpareSegments::suffix) == 1);
}

TEST_CASE("a spare is made of zeros that are on the disk, or not at all", "[wal][recycled][fault]") {
    SimulatedFileSystem disk;
    REQUIRE(disk.create_directory(log_directory));
    FaultFileSystem files{disk};
    SpareSegments spares{files, log_directory, segment_bytes, 2};
    for (const FileOperation operation :
         {FileOperation::Open, FileOperation::Preallocate, FileOperation::Write, FileOperation::Sync, FileOperation::Exists}) {
        files.inject({.operation = operation});
        CHECK_FALSE(spares.prepare([] { return true; }));
        CHECK(spares.is_empty());
        CHECK(files_ending(disk, SpareSegments::suffix) == 0);
    }
    CHECK_FALSE(spares.prepare([] { return false; }));
    CHECK(files_ending(disk, SpareSegments::suffix) == 0);
    REQUIRE(spares.prepare([] { return true; }));
    REQUIRE(spares.prepare([] { return true; })); // there is one
    CHECK(spares.count() == 1);
    CHECK(contents(disk, "log/0000000000.spare") == Bytes(segment_bytes));

    const auto syncs = files.calls(FileOperation::Preallocate);
    LogWriter log = open_log(files, options_with(spares));
    append(log, 1, 3);
    REQUIRE(log.sync());
    CHECK(spares.is_empty());
    CHECK(files.calls(FileOperation::Preallocate) == syncs + 1); // of what it has already
    CHECK(read_log(disk)->end.lsn == 3);
}

TEST_CASE("a spare that is gone is no loss", "[wal][recycled]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory(log_directory));
    SpareSegments spares{files, log_directory, segment_bytes, 2};
    REQUIRE(spares.prepare([] { return true; }));
    REQUIRE(files.remove("log/0000000000.spare"));
    LogWriter log = open_log(files, options_with(spares));
    append(log, 1, 1);
    CHECK(log.segment_number() == 1);
}

} // namespace spare_segments_test
