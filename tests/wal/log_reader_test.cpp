#include "ecsdb/wal/log_reader.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "wal/log_fixture.hpp"

namespace log_reader_test {

using namespace ecsdb;
using namespace ecsdb::test;
using namespace ecsdb::wal;
using Catch::Contains;

namespace {

constexpr std::uint64_t all_lsns = ~std::uint64_t{0};

/// Whether the log is refused as corrupt; the message must name `file`, and the first transaction lost unless that is `all_lsns`.
void check_refused(FileSystem& files, const LogReadOptions& options, const std::string& file, std::uint64_t first_lost = all_lsns) {
    const auto scan = read_log(files, options);
    REQUIRE_FALSE(scan);
    CHECK(scan.error().code() == ErrorCode::Corrupt);
    CHECK_THAT(scan.error().message(), Contains(file));
    if (first_lost != all_lsns) {
        CHECK_THAT(scan.error().message(), Contains("transactions " + std::to_string(first_lost) + " to "));
    }
}

LogReadOptions knowing_durable(std::uint64_t lsn) {
    LogReadOptions options = read_options();
    options.durable_lsn = lsn;
    return options;
}

LogScan require_scan(Result<LogScan> scan) {
    INFO((scan ? "" : scan.error().to_string()));
    REQUIRE(scan);
    return std::move(*scan);
}

/// One segment whose second to last frames were never synced: 1 to 3 durable, 4 to 8 in one group each written afterwards.
void write_unsynced(FileSystem& files) {
    LogWriter log = open_log(files);
    for (std::uint64_t lsn = 1; lsn <= 8; ++lsn) {
        append(log, lsn, lsn);
        if (lsn == 3) {
            REQUIRE(log.sync());
        }
    }
}

/// Transactions 1 to 60 over several small segments.
LogOptions small_segments() {
    return log_options(segment_header_size + 512);
}

/// Replaces the frame at `offset` by one with another header, its checksum right.
void forge_frame(FileSystem& files, std::uint64_t segment, std::uint64_t offset, void (*change)(FrameHeader&)) {
    auto reader = SegmentReader::open(files, log_file(segment), system_allocator());
    REQUIRE(reader);
    const auto frame = reader->frame_at(offset, reader->size());
    REQUIRE((frame && *frame));
    FrameHeader header = (*frame)->header;
    Bytes bytes((*frame)->size);
    std::ranges::copy((*frame)->payload, bytes.begin() + frame_header_size);
    change(header);
    seal_frame(bytes, header, reader->header().salt);
    auto file = files.open(log_file(segment), FileMode::ReadWrite);
    REQUIRE((*file)->pwrite(bytes, offset));
}

} // namespace

TEST_CASE("a log cut short at any byte loses only whole last records", "[wal][recovery]") {
    SimulatedFileSystem files;
    write_log(files, 12);
    const Bytes whole = contents(files, log_file(1));
    const auto offsets = frame_offsets(files, 1);
    for (std::size_t kept = 0; kept <= offsets.back() + 8; ++kept) {
        replace(files, log_file(1), std::span{whole}.first(kept));
        CAPTURE(kept);
        if (kept < segment_header_size) {
            if (kept % 64 == 0) {
                check_refused(files, read_options(), "0000000001.seg");
            }
            continue;
        }
        const auto whole_frames = static_cast<std::uint64_t>(std::ranges::upper_bound(offsets, std::uint64_t{kept}) - offsets.begin()) - 1;
        const LogScan scan = require_scan(read_log(files));
        REQUIRE(scan.end.lsn == whole_frames);
        REQUIRE(scan.end.offset == offsets[whole_frames]);
        REQUIRE(scan.torn_tail_bytes <= kept - offsets[whole_frames] + 8);
        REQUIRE_FALSE(scan.unsynced_lost);
        if (whole_frames < 12) {
            check_refused(files, knowing_durable(12), "log", whole_frames + 1);
        }
    }
}

TEST_CASE("any bit of the last frame flipped drops that frame and nothing else", "[wal][recovery]") {
    SimulatedFileSystem files;
    write_log(files, 5);
    const auto offsets = frame_offsets(files, 1);
    for (std::uint64_t bit = offsets[4] * 8; bit < offsets[5] * 8; ++bit) {
        flip_bit(files, log_file(1), bit);
        CAPTURE(bit);
        const LogScan scan = require_scan(read_log(files));
        REQUIRE(scan.end.lsn == 4);
        REQUIRE(scan.torn_tail_bytes > 0);
        flip_bit(files, log_file(1), bit);
    }
    CHECK(require_scan(read_log(files)).end.lsn == 5);
}

TEST_CASE("any bit flipped in front of frames that bear witness is refused, naming what is lost", "[wal][recovery]") {
    SimulatedFileSystem original;
    write_log(original, 12);
    const auto files = rebooted(original);
    const auto offsets = frame_offsets(*files, 1);
    for (std::uint64_t bit = offsets[0] * 8; bit < offsets[11] * 8; bit += 7) {
        flip_bit(*files, log_file(1), bit);
        const auto hit = static_cast<std::uint64_t>(std::ranges::upper_bound(offsets, bit / 8) - offsets.begin());
        CAPTURE(bit, hit);
        check_refused(*files, read_options(), "0000000001.seg: offset " + std::to_string(offsets[hit - 1]), hit);
        LogReadOptions salvage = read_options();
        salvage.salvage = true;
        std::uint64_t last = 0;
        const LogScan scan = require_scan(read_log(*files, salvage, &last));
        REQUIRE(last == hit - 1);
        REQUIRE(scan.end.lsn == hit - 1);
        REQUIRE(scan.lost == LsnRange{hit, 12});
        REQUIRE_FALSE(scan.damage.empty());
        flip_bit(*files, log_file(1), bit);
    }
}

TEST_CASE("a hole before frames that were never synced is a torn end after a power cut, and damage without one", "[wal][recovery]") {
    SimulatedFileSystem files;
    write_unsynced(files);
    const auto offsets = frame_offsets(files, 1);
    flip_bit(files, log_file(1), offsets[4] * 8 + 400);
    check_refused(files, read_options(), "0000000001.seg", 5);
    check_refused(*restarted(files), read_options(), "0000000001.seg", 5);
    const auto cut = rebooted(files);
    const LogScan scan = require_scan(read_log(*cut));
    CHECK(scan.end.lsn == 4);
    CHECK(scan.end.offset == offsets[4]);
    CHECK(scan.unsynced_lost == LsnRange{5, 8});
    CHECK(scan.torn_tail_bytes == offsets[8] - offsets[4]);
    check_refused(*cut, knowing_durable(5), "0000000001.seg", 5);
    CHECK(require_scan(read_log(*cut, knowing_durable(4))).end.lsn == 4);
}

TEST_CASE("a frame bears witness to what was durable even where the one behind the sync is lost too", "[wal][recovery]") {
    SimulatedFileSystem files;
    write_unsynced(files);
    const auto offsets = frame_offsets(files, 1);
    const auto cut = rebooted(files);
    flip_bit(*cut, log_file(1), offsets[3] * 8 + 400); // transaction 4, the first after the sync
    CHECK(require_scan(read_log(*cut)).unsynced_lost == LsnRange{4, 8});
    flip_bit(*cut, log_file(1), offsets[1] * 8 + 400);
    check_refused(*cut, read_options(), "0000000001.seg: offset " + std::to_string(offsets[1]), 2);
}

TEST_CASE("a note lost before synced frames is damage although no transaction is missing", "[wal][recovery]") {
    SimulatedFileSystem files;
    std::uint64_t note_at = 0;
    {
        LogWriter log = open_log(files);
        append(log, 1, 1);
        ByteBuffer note{system_allocator()};
        append_note(note, FrameType::Reserve, 0, std::uint64_t{64});
        REQUIRE(log.append(all_of(note)));
        REQUIRE(log.sync());
        note_at = frame_offsets(files, 1)[1];
        append(log, 2, 2);
    }
    const auto image = rebooted(files);
    CHECK(require_scan(read_log(*image)).reserve_mark == 64);
    flip_bit(*image, log_file(1), (note_at + 40) * 8);
    check_refused(*image, read_options(), "offset " + std::to_string(note_at));
}

TEST_CASE("a note of more indices than there are is damage", "[wal][recovery][hostile]") {
    SimulatedFileSystem files;
    {
        LogWriter log = open_log(files);
        append(log, 1, 1);
        for (const std::uint64_t mark : {std::uint64_t{1} << 32U, (std::uint64_t{1} << 32U) + 1}) {
            ByteBuffer note{system_allocator()};
            append_note(note, FrameType::Reserve, 0, mark);
            REQUIRE(log.append(all_of(note)));
            REQUIRE(log.sync());
            if (mark == std::uint64_t{1} << 32U) {
                CHECK(require_scan(read_log(*rebooted(files))).reserve_mark == mark);
            }
        }
        append(log, 2, 2);
    }
    check_refused(*rebooted(files), read_options(), "index mark is 4294967297");
}

TEST_CASE("a zeroed block in the middle of the log is refused", "[wal][recovery]") {
    SimulatedFileSystem original;
    {
        LogWriter log = open_log(original, log_options(1 << 20));
        for (std::uint64_t lsn = 1; lsn <= 600; ++lsn) {
            append(log, lsn, lsn);
            if (lsn % 5 == 0) {
                REQUIRE(log.sync());
            }
        }
    }
    const auto files = rebooted(original);
    const std::uint64_t end = frame_offsets(*files, 1).back();
    auto file = files->open(log_file(1), FileMode::ReadWrite);
    for (std::uint64_t block = 4096; block + 8192 < end; block += 4096) {
        Bytes saved(4096);
        REQUIRE((*file)->pread(saved, block));
        REQUIRE((*file)->pwrite(Bytes(4096), block));
        CAPTURE(block);
        check_refused(*files, read_options(), "0000000001.seg");
        REQUIRE((*file)->pwrite(saved, block));
    }
    CHECK(require_scan(read_log(*files)).end.lsn == 600);
}

TEST_CASE("a missing, short or damaged segment is refused", "[wal][recovery]") {
    SimulatedFileSystem files;
    std::uint64_t newest = 0;
    {
        LogWriter log = write_log(files, 60, true, small_segments());
        newest = log.segment_number();
    }
    REQUIRE(newest > 4);
    const auto with = [&](auto change) {
        auto image = rebooted(files);
        change(*image);
        return image;
    };
    LogReadOptions manifest = read_options();
    manifest.newest_segment = newest;
    manifest.newest_epoch = 1;
    for (std::uint64_t number = 1; number <= newest; ++number) {
        CAPTURE(number);
        const std::string name = segment_file_name(number);
        const bool last = number == newest;
        const auto missing = with([&](FileSystem& image) { REQUIRE(image.remove(log_file(number))); });
        check_refused(*missing, manifest, name);
        const auto cut = with([&](FileSystem& image) {
            const Bytes bytes = contents(image, log_file(number));
            replace(image, log_file(number), std::span{bytes}.first(segment_header_size + 64));
        });
        check_refused(*cut, last ? knowing_durable(60) : manifest, last ? "log" : name);
        const auto headless = with([&](FileSystem& image) { flip_bit(image, log_file(number), 8 * 300); });
        check_refused(*headless, manifest, name);
    }
    const auto emptied = with([&](FileSystem& image) {
        for (std::uint64_t number = 1; number <= newest; ++number) {
            REQUIRE(image.remove(log_file(number)));
        }
    });
    check_refused(*emptied, manifest, segment_file_name(newest), 1);
    check_refused(*emptied, knowing_durable(60), "log", 1);
    CHECK(require_scan(read_log(files, manifest)).end.lsn == 60);
}

TEST_CASE("a broken chain names the first transaction lost, and salvage gives all before it", "[wal][recovery]") {
    SimulatedFileSystem files;
    write_log(files, 60, true, small_segments());
    const auto third = SegmentReader::open(files, log_file(3), system_allocator());
    REQUIRE(third);
    const std::uint64_t first_lost = third->header().first_lsn;
    REQUIRE(files.remove(log_file(3)));
    check_refused(files, read_options(), "0000000003.seg: the segment is missing", first_lost);
    LogReadOptions salvage = knowing_durable(60);
    salvage.salvage = true;
    std::uint64_t last = 0;
    const LogScan scan = require_scan(read_log(files, salvage, &last));
    CHECK(last == first_lost - 1);
    CHECK(scan.end.segment == 2);
    CHECK(scan.lost == LsnRange{first_lost, 60});
    // The history given up stays behind; the new one leads around it.
    {
        LogWriter log = open_log(files, log_options(16384, scan.max_epoch + 1), scan.start());
        append(log, first_lost, first_lost + 2);
        REQUIRE(log.sync());
    }
    const LogScan after = require_scan(read_log(files));
    CHECK(after.end.lsn == first_lost + 2);
    CHECK(after.segments == std::vector<std::uint64_t>{1, 2, scan.next_segment});
}

TEST_CASE("a segment of another database, number or epoch is refused", "[wal][recovery]") {
    SimulatedFileSystem files;
    write_log(files, 40, true, small_segments());
    SimulatedFileSystem stranger;
    LogOptions other = small_segments();
    other.database = database_id(2);
    write_log(stranger, 40, true, other);
    SimulatedFileSystem older;
    LogOptions twin = small_segments();
    twin.salt_seed = 99; // the same database once more, as from a backup: the same transactions, but not the same log
    write_log(older, 40, true, twin);
    for (std::uint64_t number = 1; number <= 4; ++number) {
        CAPTURE(number);
        for (const auto* source : {&stranger, &older}) {
            const auto image = rebooted(files);
            replace(*image, log_file(number), contents(*rebooted(*source), log_file(number)));
            check_refused(*image, read_options(), ".seg");
        }
        const auto image = rebooted(files);
        replace(*image, log_file(number), contents(*image, log_file(number + 1)));
        check_refused(*image, read_options(), segment_file_name(number));
    }
    LogReadOptions manifest = read_options();
    manifest.newest_segment = 1;
    manifest.newest_epoch = 2;
    SimulatedFileSystem single;
    write_log(single, 3);
    check_refused(single, manifest, "0000000001.seg: the segment is of epoch 1 instead of 2");
}

TEST_CASE("zeros and garbage behind the end are not damage", "[wal][recovery]") {
    SimulatedFileSystem original;
    { LogWriter log = write_log(original, 9); }
    const std::uint64_t end = frame_offsets(original, 1).back();
    for (const std::size_t size : {std::size_t{1}, std::size_t{40}, std::size_t{4096}, std::size_t{65536}}) {
        for (const bool zeros : {true, false}) {
            for (const bool at_end : {true, false}) {
                const auto image = restarted(original);
                Bytes tail = zeros ? Bytes(size) : delta_of(77, size);
                auto file = image->open(log_file(1), FileMode::ReadWrite);
                REQUIRE((*file)->pwrite(tail, at_end ? 16384 : end));
                const LogScan scan = require_scan(read_log(*image, knowing_durable(9)));
                CHECK(scan.end.lsn == 9);
                CHECK((scan.torn_tail_bytes == 0) == zeros);
                CHECK_FALSE(scan.unsynced_lost);
            }
        }
    }
}

TEST_CASE("stale frames of a file used again are not taken for the log", "[wal][recovery]") {
    for (const std::uint32_t epoch : {1U, 2U}) {
        SimulatedFileSystem files;
        write_log(files, 40, true, log_options());
        REQUIRE(files.rename(log_file(1), "log/spare.tmp"));
        LogOptions options = log_options(16384, epoch);
        options.salt_seed = 1;
        {
            LogWriter log = open_log(files, options); // the same transactions in the same places, as far as they go
            append(log, 1, 1);
            append(log, 2, 2);
            REQUIRE(log.sync());
        }
        const LogScan scan = require_scan(read_log(files));
        CHECK(scan.end.lsn == 2);
        CHECK(scan.torn_tail_bytes == 0);
        CHECK_FALSE(scan.unsynced_lost);
        flip_bit(files, log_file(1), frame_offsets(files, 1)[1] * 8 + 99);
        CHECK(require_scan(read_log(files)).end.lsn == 1);
    }
}

TEST_CASE("a read that fails at any call is an error, and no file is changed", "[wal][recovery]") {
    SimulatedFileSystem disk;
    write_log(disk, 40, true, small_segments());
    flip_bit(disk, log_file(5), 4096 * 8); // so that the end is looked at closely too
    const auto before = rebooted(disk);
    std::uint64_t call = 1;
    for (;; ++call) {
        const std::size_t changes = before->changes();
        FaultFileSystem files{*before};
        files.inject({std::nullopt, call, ErrorCode::Io, false, 0, false, {}});
        LogReadOptions options = read_options();
        options.salvage = true; // not even then is a failed read taken for damage
        const auto scan = read_log(files, options);
        CHECK(before->changes() == changes);
        if (files.failures() == 0) {
            break;
        }
        CAPTURE(call);
        REQUIRE_FALSE(scan);
        CHECK(scan.error().code() == ErrorCode::Io);
    }
    CHECK(call > 20);
}

TEST_CASE("a frame that a live writer completes meanwhile is read, not taken for damage", "[wal]") {
    SimulatedFileSystem disk;
    write_log(disk, 6);
    struct LiveWriter {
        SimulatedFileSystem* disk;
        Bytes whole;
        int reads = 0;
    } writer{&disk, contents(disk, log_file(1))};
    flip_bit(disk, log_file(1), segment_header_size * 8 + 321);
    FaultFileSystem files{disk};
    files.set_hook(
        [](void* context, const FileCall& call) {
            auto& self = *static_cast<LiveWriter*>(context);
            if (call.operation == FileOperation::Read && call.offset == segment_header_size && ++self.reads == 2) {
                replace(*self.disk, log_file(1), self.whole);
            }
        },
        &writer);
    CHECK(require_scan(read_log(files)).end.lsn == 6);
    CHECK(writer.reads == 2);
}

TEST_CASE("a disk that lies about syncing is found out where a witness survived", "[wal][recovery]") {
    SimulatedFileSystem files;
    LogWriter log = write_log(files, 3);
    files.ignore_sync(true);
    append(log, 4, 9);
    REQUIRE(log.sync());
    const auto image = files.after_crash({});
    check_refused(*image, knowing_durable(log.durable_lsn()), "log", 4);
    CHECK(require_scan(read_log(*image, knowing_durable(3))).end.lsn == 3);
}

TEST_CASE("a transaction that takes several versions counts for all of them or for none", "[wal][recovery]") {
    struct Numbers final : LogVisitor {
        Result<void> transaction(std::uint64_t lsn, std::uint64_t, std::span<const std::byte>) override {
            seen.push_back(lsn);
            return {};
        }
        std::vector<std::uint64_t> seen;
    };
    SimulatedFileSystem files;
    const auto write = [&](std::uint64_t versions, std::size_t part_bytes) {
        LogWriter log = open_log(files, log_options(1 << 20));
        append(log, 1, 2);
        REQUIRE(log.sync());
        ByteBuffer leap{system_allocator()};
        append_parts(leap, delta_of(3, 500), 3, 0, versions, part_bytes);
        REQUIRE(log.append(all_of(leap)));
        CHECK(log.written_lsn() == 2 + versions);
        append(log, 3 + versions, 3 + versions);
        CHECK(log.written_lsn() == 3 + versions);
        CHECK(log.durable_lsn() == 2);
    };
    const std::uint64_t versions = GENERATE(as<std::uint64_t>{}, 2, 1000, max_versions);
    write(versions, GENERATE(as<std::size_t>{}, 100, 100000));
    const auto offsets = frame_offsets(files, 1);
    Numbers numbers;
    LogReader reader{files, log_directory, read_options(), system_allocator()};
    REQUIRE(require_scan(reader.read(numbers)).end.lsn == 3 + versions);
    CHECK(numbers.seen == std::vector<std::uint64_t>{1, 2, 2 + versions, 3 + versions});
    for (std::size_t frame = 1; frame + 2 < offsets.size(); ++frame) { // not the last whole frame
        const auto torn = rebooted(files);
        flip_bit(*torn, log_file(1), offsets[frame] * 8 + 400);
        const LogScan scan = require_scan(read_log(*torn));
        CHECK(scan.end.lsn == 2);
        CHECK(scan.unsynced_lost == LsnRange{3, 3 + versions}); // however far the numbers behind it leap
    }
}

TEST_CASE("a transaction in parts counts only when its last part is there", "[wal][recovery]") {
    SimulatedFileSystem original;
    const Bytes delta = delta_of(3, 2000);
    {
        LogWriter log = open_log(original, small_segments());
        append(log, 1, 2);
        REQUIRE(log.sync());
        ByteBuffer parts{system_allocator()};
        append_parts(parts, delta, 3, 0, 1, 150);
        auto rest = all_of(parts);
        while (!rest.empty()) { // one by one, so that they spread over segments
            const std::size_t size = frame_size(decode_frame_header(rest.data()).length);
            REQUIRE(log.append(rest.first(size)));
            rest = rest.subspan(size);
        }
        append(log, 4, 4);
        REQUIRE(log.sync());
        REQUIRE(log.segment_number() >= 4);
    }
    REQUIRE(require_scan(read_log(original)).end.lsn == 4);
    CHECK(require_scan(read_log(*original.after_crash({}), knowing_durable(4))).end.lsn == 4);

    // Cut the log at every part boundary and in the middle of every part, as though the segments behind had never been.
    const auto last = require_scan(read_log(original)).end.segment;
    std::size_t cuts = 0;
    for (std::uint64_t segment = 1; segment <= last; ++segment) {
        const auto offsets = frame_offsets(original, segment);
        for (std::size_t frame = 0; frame + 1 < offsets.size(); ++frame) {
            for (const std::uint64_t into : {0U, 8U, 100U}) {
                if (into >= offsets[frame + 1] - offsets[frame]) {
                    continue;
                }
                const auto image = rebooted(original);
                for (std::uint64_t later = segment + 1; later <= last; ++later) {
                    REQUIRE(image->remove(log_file(later)));
                }
                auto file = image->open(log_file(segment), FileMode::ReadWrite);
                REQUIRE((*file)->truncate(offsets[frame] + into));
                CAPTURE(segment, frame, into);
                const LogScan scan = require_scan(read_log(*image));
                const bool nothing = segment == 1 && frame == 0;
                const bool complete = segment == last && frame + 2 == offsets.size();
                REQUIRE(scan.end.lsn == (nothing ? 0 : complete ? 3 : 2));
                if (!nothing && !complete) {
                    REQUIRE((scan.torn_tail_bytes != 0 || (segment == 1 && frame == 1 && into == 0)));
                    REQUIRE(scan.end.segment == 1);
                }
                // The log goes on from the last whole transaction, around the segments that hold only parts.
                LogWriter log = open_log(*image, log_options(16384, 2), scan.start());
                append(log, scan.end.lsn + 1, scan.end.lsn + 2);
                REQUIRE(log.sync());
                REQUIRE(require_scan(read_log(*image)).end.lsn == scan.end.lsn + 2);
                ++cuts;
            }
        }
    }
    CHECK(cuts > 40);
    const std::uint64_t second_part = frame_offsets(original, 1)[2];
    const auto damaged = rebooted(original);
    flip_bit(*damaged, log_file(1), second_part * 8 + 500);
    check_refused(*damaged, read_options(), "0000000001.seg: offset " + std::to_string(second_part), 3);
}

TEST_CASE("frames whose order or contents make no sense are damage although their checksums are right", "[wal][recovery]") {
    SimulatedFileSystem original;
    write_log(original, 4);
    const auto at = frame_offsets(original, 1)[3];
    const auto forged = [&](void (*change)(FrameHeader&)) {
        auto image = rebooted(original);
        forge_frame(*image, 1, at, change);
        return read_log(*image);
    };
    const auto corrupt = [&](void (*change)(FrameHeader&)) {
        const auto scan = forged(change);
        return !scan && scan.error().code() == ErrorCode::Corrupt;
    };
    CHECK(corrupt([](FrameHeader& header) { header.lsn = 3; }));
    CHECK(corrupt([](FrameHeader& header) { header.lsn = 5; }));
    CHECK(corrupt([](FrameHeader& header) { header.type = FrameType::TransactionPart; }));
    CHECK(corrupt([](FrameHeader& header) {
        header.type = FrameType::Reserve;
        header.lsn = 3;
    }));
    const auto unknown = forged([](FrameHeader& header) {
        header.type = static_cast<FrameType>(0x33);
        header.lsn = 3;
    });
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code() == ErrorCode::Unsupported);
    const auto prepare = forged([](FrameHeader& header) {
        header.type = FrameType::Prepare;
        header.lsn = 3;
    });
    REQUIRE_FALSE(prepare);
    CHECK(prepare.error().code() == ErrorCode::Unsupported);
    CHECK(require_scan(forged([](FrameHeader& header) {
              header.type = static_cast<FrameType>(0xB3);
              header.lsn = 3;
          })).end.lsn == 3);
    // The frame is counted out of the log by its epoch: what follows is the end.
    CHECK(require_scan(forged([](FrameHeader& header) { header.epoch = 2; })).end.lsn == 3);
}

TEST_CASE("a frame written to the wrong place is noticed", "[wal][recovery]") {
    SimulatedFileSystem original;
    write_log(original, 12);
    const auto offsets = frame_offsets(original, 1);
    const Bytes whole = contents(original, log_file(1));
    for (std::size_t frame = 1; frame < 11; ++frame) {
        const std::size_t size = offsets[frame + 1] - offsets[frame];
        for (std::uint64_t wrong = offsets[0]; wrong + 64 < offsets[11]; wrong += 24) {
            if (wrong == offsets[frame]) {
                continue;
            }
            const auto image = rebooted(original);
            auto file = image->open(log_file(1), FileMode::ReadWrite);
            REQUIRE((*file)->pwrite(std::span{whole}.subspan(offsets[frame], size), wrong / 8 * 8));
            CAPTURE(frame, wrong);
            check_refused(*image, knowing_durable(12), "0000000001.seg");
        }
    }
}

TEST_CASE("replay starts behind the snapshot, and a gap between the two is damage", "[wal][recovery]") {
    SimulatedFileSystem files;
    write_log(files, 60, true, small_segments());
    const auto third = SegmentReader::open(files, log_file(3), system_allocator());
    REQUIRE(third);
    const std::uint64_t before_third = third->header().previous.lsn;
    LogReadOptions options = read_options();
    options.first_needed_segment = 3;
    options.after_lsn = before_third + 1;
    const LogScan scan = require_scan(read_log(files, options));
    CHECK(scan.transactions == 60 - options.after_lsn);
    CHECK(scan.segments.front() == 3);
    for (const std::uint64_t number : {1U, 2U}) {
        REQUIRE(files.remove(log_file(number)));
    }
    CHECK(require_scan(read_log(files, options)).end.lsn == 60);
    options.after_lsn = before_third - 1;
    check_refused(files, options, "0000000003.seg", before_third);
    options.after_lsn = 61;
    check_refused(files, options, "log", 61);
}

TEST_CASE("an empty log is one only if nobody knows better", "[wal][recovery]") {
    SimulatedFileSystem files;
    const auto nowhere = read_log(files);
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error().code() == ErrorCode::NotFound);
    REQUIRE(files.create_directory(log_directory));
    replace(files, "log/notes.txt", Bytes(10));
    LogReadOptions options = read_options();
    options.after_lsn = 7;
    const LogScan scan = require_scan(read_log(files, options));
    CHECK(scan.end.lsn == 7);
    CHECK(scan.next_segment == 1);
    CHECK(scan.segments.empty());
    options.durable_lsn = 8;
    check_refused(files, options, "log", 8);
}

TEST_CASE("what the visitor refuses ends the reading with its words", "[wal][recovery]") {
    struct Refusing final : LogVisitor {
        Result<void> transaction(std::uint64_t lsn, std::uint64_t, std::span<const std::byte>) override {
            return lsn < 3 ? Result<void>{} : Error{ErrorCode::Gap, "no more"};
        }
    } visitor;
    SimulatedFileSystem files;
    write_log(files, 5);
    LogReadOptions options = read_options();
    options.salvage = true;
    const auto scan = LogReader{files, log_directory, options, system_allocator()}.read(visitor);
    REQUIRE_FALSE(scan);
    CHECK(scan.error().code() == ErrorCode::Gap);
    CHECK_THAT(scan.error().message(), Contains("0000000001.seg: offset ") && Contains("no more"));
}

TEST_CASE("notes come back, in the order they were written", "[wal]") {
    SimulatedFileSystem files;
    LogWriter log = open_log(files);
    const auto note = [&](FrameType type, auto value) {
        ByteBuffer buffer{system_allocator()};
        append_note(buffer, type, 0, value);
        REQUIRE(log.append(all_of(buffer)));
    };
    const Bytes first_schema = delta_of(100);
    const Bytes second_schema = delta_of(101);
    note(FrameType::Schema, std::span<const std::byte>{first_schema});
    append(log, 1, 2);
    note(FrameType::Reserve, std::uint64_t{128});
    note(FrameType::Reserve, std::uint64_t{64});
    note(FrameType::Schema, std::span<const std::byte>{second_schema});
    append(log, 3, 3);
    note(FrameType::SnapshotTaken, std::uint64_t{2});
    REQUIRE(log.close(1000));
    CheckingVisitor visitor;
    const LogScan scan = require_scan(LogReader{files, log_directory, read_options(), system_allocator()}.read(visitor));
    CHECK(scan.end.lsn == 3);
    CHECK(scan.last_time == 1000);
    CHECK(scan.clean_close);
    CHECK(scan.reserve_mark == 128);
    CHECK(scan.snapshot_lsn == 2);
    CHECK(scan.schema == second_schema);
    CHECK(scan.schema_lsn == 2);
    CHECK(visitor.schemas == std::vector<std::pair<std::uint64_t, Bytes>>{{0, first_schema}, {2, second_schema}});
    // What was reserved comes back however late the replay starts.
    LogReadOptions options = read_options();
    options.after_lsn = 3;
    CHECK(require_scan(read_log(files, options)).reserve_mark == 128);
}

TEST_CASE("a log of several epochs reads as one, without what each left behind", "[wal][recovery]") {
    SimulatedFileSystem files;
    std::uint64_t lsn = 0;
    for (std::uint32_t epoch = 1; epoch <= 5; ++epoch) {
        LogStart start;
        if (epoch > 1) {
            const LogScan scan = require_scan(read_log(files));
            CHECK(scan.end.lsn == lsn);
            CHECK(scan.max_epoch == epoch - 1);
            CHECK(scan.clean_close == (epoch == 4));
            start = scan.start();
        }
        LogWriter log = open_log(files, log_options(16384, epoch), start);
        append(log, lsn + 1, lsn + 4);
        append(log, lsn + 5, lsn + 5);
        REQUIRE(log.sync());
        lsn += 5;
        if (epoch == 3) {
            REQUIRE(log.close(0));
        } else {
            // Torn off by a crash: the next epoch states an end before it.
            flip_bit(files, log_file(epoch), frame_offsets(files, epoch)[1] * 8);
            --lsn;
        }
    }
    const LogScan scan = require_scan(read_log(files));
    CHECK(scan.end.lsn == lsn);
    CHECK(scan.segments.size() == 5);
}

TEST_CASE("no mutation of a log yields a wrong transaction", "[wal][fuzz]") {
    SimulatedFileSystem original;
    write_log(original, 30, true, small_segments());
    std::vector<Bytes> whole;
    for (std::uint64_t number = 1; *original.exists(log_file(number)); ++number) {
        whole.push_back(contents(original, log_file(number)));
    }
    std::uint64_t random = 1;
    const auto next = [&random](std::uint64_t below) { return mix64(++random) % below; };
    std::size_t refused = 0;
    for (int round = 0; round < 3000; ++round) {
        SimulatedFileSystem files;
        REQUIRE(files.create_directory(log_directory));
        std::vector<Bytes> mutated = whole;
        for (std::uint64_t count = 1 + next(4); count > 0; --count) {
            Bytes& bytes = mutated[next(mutated.size())];
            const std::size_t at = next(2) == 0 ? next(200) : segment_header_size + next(bytes.size() - segment_header_size);
            const std::size_t length = std::min<std::size_t>(1 + next(16), bytes.size() - at);
            for (std::size_t index = 0; index < length; ++index) {
                bytes[at + index] = static_cast<std::byte>(next(256));
            }
        }
        for (std::size_t number = 0; number < mutated.size(); ++number) {
            replace(files, log_file(number + 1), mutated[number]);
        }
        const auto scan = read_log(files); // its visitor fails the test on any wrong byte
        refused += scan ? 0 : 1;
        if (!scan) {
            REQUIRE((scan.error().code() == ErrorCode::Corrupt || scan.error().code() == ErrorCode::Unsupported));
        }
    }
    CHECK(refused > 1000);
}

} // namespace log_reader_test
