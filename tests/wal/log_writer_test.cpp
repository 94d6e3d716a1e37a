#include "ecsdb/wal/log_writer.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "support/files.hpp"
#include "wal/log_fixture.hpp"

namespace log_writer_test {

using namespace ecsdb;
using namespace ecsdb::test;
using namespace ecsdb::wal;

namespace {

Fault io_error(FileOperation operation, std::uint64_t call = 1) {
    return {operation, call, ErrorCode::Io, false, 0, false, {}};
}

std::uint64_t last_readable(FileSystem& files, std::uint64_t durable = 0) {
    LogReadOptions options = read_options();
    options.durable_lsn = durable;
    const auto scan = read_log(files, options);
    INFO((scan ? "" : scan.error().to_string()));
    REQUIRE(scan);
    return scan->end.lsn;
}

} // namespace

TEST_CASE("frames that are not the next ones are refused and nothing is written", "[wal]") {
    SimulatedFileSystem files;
    LogWriter log = write_log(files, 2);
    const Bytes before = contents(files, log_file(1));
    const auto refused = [&](ByteBuffer frames) {
        const auto appended = log.append(all_of(frames));
        return !appended && appended.error().code() == ErrorCode::InvalidArgument;
    };
    CHECK(refused(group_of(2, 2)));
    CHECK(refused(group_of(4, 4)));
    ByteBuffer cut = group_of(3, 3);
    cut.resize_down(cut.size() - 8);
    CHECK(refused(std::move(cut)));
    ByteBuffer two = group_of(3, 4);
    two.append(group_of(4, 4).view());
    CHECK(refused(std::move(two)));
    ByteBuffer empty{system_allocator()};
    finish_frame(empty, begin_frame(empty), {FrameType::Group, 0, 0, 3, 0, 0, 0, 0});
    CHECK(refused(std::move(empty)));
    ByteBuffer headless{system_allocator()};
    append_parts(headless, delta_of(3, 250), 3, 0, 1, 100);
    ByteBuffer tail{system_allocator()};
    tail.append(headless.view().subspan(frame_size(108)));
    CHECK(refused(std::move(tail)));
    CHECK(contents(files, log_file(1)) == before);
    append(log, 3, 3);
    CHECK(log.written_lsn() == 3);
    CHECK(log.durable_lsn() == 2);
    CHECK(log.unsynced_bytes() > 0);
}

TEST_CASE("nothing comes between the parts of a transaction", "[wal]") {
    SimulatedFileSystem files;
    LogWriter log = write_log(files, 1);
    ByteBuffer parts{system_allocator()};
    append_parts(parts, delta_of(2, 250), 2, 0, 1, 100);
    const std::size_t first = frame_size(108);
    auto all = all_of(parts);
    REQUIRE(log.append(all.first(first)));
    CHECK(log.written_lsn() == 1);
    ByteBuffer note{system_allocator()};
    append_note(note, FrameType::Reserve, 0, std::uint64_t{7});
    CHECK_FALSE(log.append(all_of(note)));
    CHECK_FALSE(log.close(0));
    REQUIRE(log.append(all.subspan(first)));
    CHECK(log.written_lsn() == 2);
    REQUIRE(log.close(0));
    CHECK(last_readable(files) == 2);
}

TEST_CASE("times never go backwards in the log", "[wal]") {
    SimulatedFileSystem files;
    LogStart start;
    start.last_time = 500;
    LogWriter log = open_log(files, log_options(), start);
    for (const std::uint64_t time : {600U, 100U, 700U}) {
        ByteBuffer group = group_of(log.written_lsn() + 1, log.written_lsn() + 1, time);
        REQUIRE(log.append(all_of(group)));
    }
    auto reader = SegmentReader::open(files, log_file(1), system_allocator());
    REQUIRE(reader);
    std::vector<std::uint64_t> times;
    const auto offsets = frame_offsets(files, 1);
    for (std::size_t index = 0; index + 1 < offsets.size(); ++index) {
        times.push_back((**reader->frame_at(offsets[index], reader->size())).header.time);
    }
    CHECK(times == std::vector<std::uint64_t>{600, 600, 700});
    CHECK(log.last_time() == 700);
    CHECK(reader->header().created == 500);
}

TEST_CASE("a full segment is synced before the next one states where it ended", "[wal]") {
    SimulatedFileSystem files;
    LogOptions options = log_options(segment_header_size + 512);
    LogWriter log = open_log(files, options);
    std::uint64_t rotations = 0;
    for (std::uint64_t lsn = 1; lsn <= 60; ++lsn) {
        ByteBuffer group = group_of(lsn, lsn);
        const auto appended = log.append(all_of(group));
        REQUIRE(appended);
        rotations += appended->new_segment ? 1 : 0;
        if (appended->new_segment) {
            CHECK(log.durable_lsn() == lsn - 1);
        }
    }
    CHECK(rotations > 5);
    CHECK(log.segment_number() == rotations + 1);
    CHECK(last_readable(files) == 60);
    // Whatever the power cut takes, it is less than a segment.
    const auto image = files.after_crash({});
    CHECK(last_readable(*image, log.durable_lsn()) == log.durable_lsn());
}

TEST_CASE("a batch larger than a segment gets one of its own size", "[wal]") {
    SimulatedFileSystem files;
    LogWriter log = open_log(files, log_options(segment_header_size + 512));
    append(log, 1, 3);
    append(log, 4, 500);
    append(log, 501, 501);
    CHECK(log.segment_number() == 3);
    CHECK(last_readable(files) == 501);
}

TEST_CASE("a segment can be ended at any time", "[wal]") {
    SimulatedFileSystem files;
    LogWriter log = open_log(files);
    append(log, 1, 2);
    REQUIRE(log.rotate());
    CHECK(log.durable_lsn() == 2);
    CHECK(log.segment_number() == 2);
    REQUIRE(log.rotate(100000));
    append(log, 3, 900);
    CHECK(log.segment_number() == 3);
    REQUIRE(log.sync());
    CHECK(last_readable(*files.after_crash({}), 900) == 900);
}

TEST_CASE("a segment ends so long after its first frame, by the frames' own times", "[wal]") {
    SimulatedFileSystem files;
    LogOptions options = log_options();
    options.segment_us = 1000;
    LogWriter log = open_log(files, options);
    const auto append_at = [&](std::uint64_t lsn, std::uint64_t time) {
        ByteBuffer group = group_of(lsn, lsn, time);
        const auto appended = log.append(all_of(group));
        REQUIRE(appended);
        return appended->new_segment;
    };
    CHECK_FALSE(log.is_over_age(1'000'000)); // nothing is in it
    CHECK_FALSE(append_at(1, 5000));
    CHECK_FALSE(append_at(2, 5999));
    CHECK_FALSE(log.is_over_age(5999));
    CHECK(log.is_over_age(6000));
    CHECK(append_at(3, 6000));
    CHECK(log.segment_number() == 2);
    CHECK(log.durable_lsn() == 2);  // and the manifest hears of it
    CHECK_FALSE(append_at(4, 100)); // a clock that was set back ends nothing
    REQUIRE(log.sync());
    CHECK(read_log(files)->end.lsn == 4);
    // Where there is no room for another segment, this one goes on.
    files.set_quota(files.bytes_in_use());
    CHECK_FALSE(append_at(5, 9000));
    CHECK_FALSE(log.failed());
    CHECK(log.segment_number() == 2);
}

TEST_CASE("a log on real files comes back", "[wal]") {
    const ScratchDirectory scratch;
    PosixFileSystem files;
    const std::string directory = scratch.file("log");
    LogStart start;
    for (std::uint32_t epoch = 1; epoch <= 2; ++epoch) {
        LogOptions options = log_options(std::uint64_t{64} << 10U, epoch);
        options.segment.zero_ahead = 8192;
        auto log = LogWriter::open(files, directory, options, start);
        REQUIRE(log);
        for (int batch = 0; batch < 100; ++batch) {
            append(*log, log->written_lsn() + 1, log->written_lsn() + 30);
        }
        REQUIRE(log->sync());
        CheckingVisitor visitor;
        auto scan = LogReader{files, directory, read_options(), system_allocator()}.read(visitor);
        REQUIRE(scan);
        CHECK(visitor.last() == log->durable_lsn());
        CHECK(scan->segments.size() > epoch);
        REQUIRE(sync_segments(files, directory, *scan));
        start = scan->start();
    }
    CHECK(start.previous.lsn == 6000);
}

TEST_CASE("a log that was closed takes nothing more", "[wal]") {
    SimulatedFileSystem files;
    LogWriter log = write_log(files, 2);
    REQUIRE(log.close(99));
    ByteBuffer group = group_of(3, 3);
    const auto refused = log.append(all_of(group));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::Closed);
    CHECK_FALSE(log.sync());
    const auto scan = read_log(files);
    REQUIRE(scan);
    CHECK(scan->clean_close);
}

TEST_CASE("after a failed write or sync the log fails until it is resumed, and nothing acknowledged is lost", "[wal]") {
    for (const bool drop_pages : {false, true}) {
        for (const FileOperation operation : {FileOperation::Write, FileOperation::Sync}) {
            SimulatedFileSystem disk;
            FaultFileSystem files{disk};
            LogWriter log = write_log(files, 3);
            if (operation == FileOperation::Sync && drop_pages) {
                disk.fail_sync_once_dropping_pages();
            } else {
                files.inject(io_error(operation));
            }
            ByteBuffer first = group_of(4, 6);
            ByteBuffer second = group_of(7, 7);
            const bool appended = log.append(all_of(first)).has_value();
            CHECK(appended == (operation == FileOperation::Sync));
            CHECK_FALSE(log.sync());
            const auto syncs = files.calls(FileOperation::Sync);
            CHECK_FALSE(log.sync());
            CHECK_FALSE(log.append(all_of(second)));
            CHECK_FALSE(log.close(0));
            CHECK(files.calls(FileOperation::Sync) == syncs);
            CHECK(log.durable_lsn() == 3);
            CHECK(last_readable(*disk.after_crash({}), 3) == 3);

            const std::array batches{all_of(first), all_of(second)};
            REQUIRE(log.resume(batches));
            CHECK(log.durable_lsn() == 7);
            CHECK(log.segment_number() == 2);
            append(log, 8, 8);
            REQUIRE(log.sync());
            CHECK(last_readable(*disk.after_crash({}), 8) == 8);
            CHECK(last_readable(disk, 8) == 8);
        }
    }
}

TEST_CASE("whichever call fails, the log says so, resumes, and holds everything", "[wal]") {
    std::uint64_t calls = 1;
    for (std::uint64_t call = 1; call <= calls; ++call) {
        CAPTURE(call);
        SimulatedFileSystem disk;
        FaultFileSystem files{disk};
        LogWriter log = open_log(files, log_options(segment_header_size + 256));
        const std::uint64_t before = files.calls();
        files.inject({std::nullopt, call, call % 2 == 0 ? ErrorCode::Io : ErrorCode::NoSpace, false, 100, false, {}});
        std::vector<ByteBuffer> kept; // as the engine does, everything after the durable LSN
        std::uint64_t first_kept = 1;
        for (std::uint64_t lsn = 1; lsn <= 12; ++lsn) {
            kept.push_back(group_of(lsn, lsn));
            const bool failed = !log.append(all_of(kept.back())) || (lsn % 3 == 0 && !log.sync());
            CHECK(last_readable(*disk.after_crash({}), log.durable_lsn()) >= log.durable_lsn());
            kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(log.durable_lsn() + 1 - first_kept));
            first_kept = log.durable_lsn() + 1;
            if (failed) {
                std::vector<std::span<std::byte>> batches;
                for (ByteBuffer& batch : kept) {
                    batches.push_back(all_of(batch));
                }
                REQUIRE(log.resume(batches));
                CHECK(log.durable_lsn() == lsn);
            }
        }
        calls = files.calls() - before;
        REQUIRE(log.sync());
        CHECK(last_readable(*disk.after_crash({}), 12) == 12);
    }
    CHECK(calls > 30);
}

TEST_CASE("a resumption that fails half-way can be repeated", "[wal]") {
    std::uint64_t call = 1;
    for (bool reached = true; reached; ++call) {
        SimulatedFileSystem disk;
        FaultFileSystem files{disk};
        LogWriter log = write_log(files, 3);
        files.inject(io_error(FileOperation::Sync));
        ByteBuffer group = group_of(4, 5);
        REQUIRE(log.append(all_of(group)));
        REQUIRE_FALSE(log.sync());
        files.clear_faults();
        files.inject({std::nullopt, call, ErrorCode::Io, false, 30, false, {}});
        const std::array batches{all_of(group)};
        const std::uint64_t before = files.failures();
        const bool resumed = log.resume(batches).has_value();
        reached = files.failures() != before;
        CAPTURE(call);
        if (!resumed) {
            CHECK(log.durable_lsn() == 3);
            CHECK_FALSE(log.sync());
            const std::uint64_t found = last_readable(*disk.after_crash({}), 3);
            CHECK((found == 3 || found == 5));
            REQUIRE(log.resume(batches));
        }
        CHECK(log.durable_lsn() == 5);
        CHECK(last_readable(*disk.after_crash({}), 5) == 5);
    }
    CHECK(call > 6);
}

TEST_CASE("a full disk stops the log until there is room, without reopening", "[wal]") {
    SimulatedFileSystem disk;
    LogWriter log = open_log(disk, log_options(segment_header_size + 256));
    disk.set_quota(disk.bytes_in_use());
    std::uint64_t lsn = 0;
    ByteBuffer group{system_allocator()};
    Result<Appended> appended = Appended{};
    while (appended) {
        ++lsn;
        group = group_of(lsn, lsn);
        appended = log.append(all_of(group));
    }
    CHECK(appended.error().code() == ErrorCode::NoSpace);
    const std::array batches{all_of(group)};
    const auto refused = log.resume(batches);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::NoSpace);
    CHECK(log.durable_lsn() == lsn - 1);
    disk.set_quota(1 << 20);
    REQUIRE(log.resume(batches));
    CHECK(log.durable_lsn() == lsn);
    CHECK(last_readable(*disk.after_crash({}), lsn) == lsn);
}

TEST_CASE("a crash after any change, keeping any part of what was not synced, loses nothing that was", "[wal]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory(log_directory));
    REQUIRE(files.sync_directory("."));
    files.record_history();
    std::vector<std::pair<std::size_t, std::uint64_t>> durable; // from this change on, this transaction
    LogWriter log = open_log(files, log_options(segment_header_size + 400));
    for (std::uint64_t lsn = 1; lsn <= 30;) {
        append(log, lsn, lsn + lsn % 3);
        lsn = log.written_lsn() + 1;
        if (lsn % 2 == 0) {
            REQUIRE(log.sync());
        }
        durable.push_back({files.changes(), log.durable_lsn()});
    }
    const std::uint64_t attempted = log.written_lsn();
    std::size_t images = 0;
    std::size_t torn = 0;
    std::size_t holes = 0;
    for (std::size_t change = 0; change <= files.changes(); ++change) {
        std::uint64_t acknowledged = 0;
        for (const auto& [at, lsn] : durable) {
            acknowledged = at <= change ? lsn : acknowledged;
        }
        for (std::uint64_t seed = 0; seed < 24; ++seed) {
            CrashPlan plan;
            plan.seed = seed;
            plan.keep = seed == 0   ? KeepPending::None
                        : seed == 1 ? KeepPending::All
                        : seed == 2 ? KeepPending::Cached
                                    : KeepPending::Subset;
            plan.tear = seed % 3 == 0 ? 512 : seed % 3;
            plan.garbage = seed % 2 == 0;
            const auto image = files.after_crash_at(change, plan);
            LogReadOptions options = read_options();
            options.durable_lsn = acknowledged;
            const auto scan = read_log(*image, options);
            ++images;
            torn += scan && scan->torn_tail_bytes != 0 ? 1 : 0;
            holes += scan && scan->unsynced_lost ? 1 : 0;
            CAPTURE(change, seed, acknowledged);
            INFO((scan ? "" : scan.error().to_string()));
            REQUIRE(scan);
            REQUIRE(scan->end.lsn >= acknowledged);
            REQUIRE(scan->end.lsn <= attempted);
            // Recovery goes on from there, and reads the same when it crashes on its way.
            image->record_history();
            REQUIRE(sync_segments(*image, log_directory, *scan));
            const auto next = LogWriter::open(*image, log_directory, log_options(8192, scan->max_epoch + 1), scan->start());
            REQUIRE(next);
            for (std::size_t step = 0; seed % 8 == 0 && step <= image->changes(); ++step) {
                REQUIRE(last_readable(*image->after_crash_at(step, plan), acknowledged) >= acknowledged);
            }
            REQUIRE(last_readable(*image->after_crash({}), acknowledged) == scan->end.lsn);
        }
    }
    CHECK(images > 1000);
    CHECK(torn > 50);
    CHECK(holes > 10);
}

} // namespace log_writer_test
