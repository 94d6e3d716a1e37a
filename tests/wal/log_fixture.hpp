/// @file
/// Logs for tests: transactions whose bytes follow from their number, a visitor that insists on them, and files to damage.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/wal/log_reader.hpp"
#include "ecsdb/wal/log_writer.hpp"

#include "support/catch.hpp"

#include <memory>
#include <string>
#include <vector>

namespace ecsdb::test {

using Bytes = std::vector<std::byte>;

inline SystemAllocator& system_allocator() {
    static SystemAllocator allocator;
    return allocator;
}

/// A number that identifies.
inline wal::DatabaseId database_id(unsigned char last = 1) {
    wal::DatabaseId id{};
    id.back() = std::byte{last};
    return id;
}

/// What transaction `lsn` of a test log holds: 1 to 60 bytes, or `size`.
inline Bytes delta_of(std::uint64_t lsn, std::size_t size = 0) {
    Bytes bytes(size != 0 ? size : 1 + mix64(lsn) % 60);
    for (std::size_t index = 0; index < bytes.size(); ++index) {
        bytes[index] = static_cast<std::byte>(mix64(lsn * 1000003 + index));
    }
    return bytes;
}

/// A group frame of transactions `from` to `to`.
inline ByteBuffer group_of(std::uint64_t from, std::uint64_t to, std::uint64_t time = 0) {
    ByteBuffer buffer{system_allocator()};
    const std::size_t frame = wal::begin_frame(buffer);
    for (std::uint64_t lsn = from; lsn <= to; ++lsn) {
        wal::append_record(buffer, delta_of(lsn));
    }
    wal::FrameHeader header;
    header.lsn = from;
    header.time = time == 0 ? from * 10 : time;
    wal::finish_frame(buffer, frame, header);
    return buffer;
}

inline std::span<std::byte> all_of(ByteBuffer& buffer) {
    return {buffer.data(), buffer.size()};
}

/// Counts what a log hands out, and fails the test where a transaction is not the next one or not what was written.
class CheckingVisitor final : public wal::LogVisitor {
public:
    explicit CheckingVisitor(std::uint64_t after = 0) : last_{after} {}

    Result<void> transaction(std::uint64_t lsn, std::uint64_t time, std::span<const std::byte> delta) override {
        static_cast<void>(time);
        const Bytes expected = delta_of(lsn, delta.size() > 60 ? delta.size() : 0);
        if (lsn != last_ + 1 || !std::ranges::equal(delta, expected)) {
            FAIL("transaction " << lsn << " after " << last_ << " is out of order or wrong");
        }
        last_ = lsn;
        return {};
    }
    Result<void> schema(std::uint64_t lsn, std::span<const std::byte> encoded) override {
        schemas.push_back({lsn, Bytes(encoded.begin(), encoded.end())});
        return {};
    }
    [[nodiscard]] std::uint64_t last() const { return last_; }

    std::vector<std::pair<std::uint64_t, Bytes>> schemas;

private:
    std::uint64_t last_;
};

inline const std::string log_directory = "log";

inline std::string log_file(std::uint64_t number) {
    return wal::segment_path(log_directory, number);
}

inline wal::LogOptions log_options(std::uint64_t segment_bytes = 16384, std::uint32_t epoch = 1) {
    wal::LogOptions options;
    options.database = database_id();
    options.epoch = epoch;
    options.salt_seed = 4711 + epoch;
    options.segment.bytes = segment_bytes;
    options.segment.zero_ahead = 0;
    return options;
}

inline wal::LogWriter open_log(FileSystem& files, const wal::LogOptions& options = log_options(), const wal::LogStart& start = {}) {
    auto log = wal::LogWriter::open(files, log_directory, options, start);
    INFO((log ? "" : log.error().to_string()));
    REQUIRE(log);
    return std::move(*log);
}

inline void append(wal::LogWriter& log, std::uint64_t from, std::uint64_t to) {
    ByteBuffer group = group_of(from, to);
    const auto appended = log.append(all_of(group));
    INFO((appended ? "" : appended.error().to_string()));
    REQUIRE(appended);
    REQUIRE(appended->last_lsn == to);
}

/// Transactions 1 to `count` in groups of one, every one synced if `sync`, all at the end otherwise.
inline wal::LogWriter write_log(FileSystem& files, std::uint64_t count, bool sync = true, const wal::LogOptions& options = log_options()) {
    wal::LogWriter log = open_log(files, options);
    for (std::uint64_t lsn = 1; lsn <= count; ++lsn) {
        append(log, lsn, lsn);
        if (sync) {
            REQUIRE(log.sync());
        }
    }
    REQUIRE(log.sync());
    return log;
}

inline wal::LogReadOptions read_options() {
    wal::LogReadOptions options;
    options.database = database_id();
    return options;
}

/// Reads the log; the number of the last transaction handed out goes to `last`.
inline Result<wal::LogScan> read_log(FileSystem& files, const wal::LogReadOptions& options = read_options(),
                                     std::uint64_t* last = nullptr) {
    CheckingVisitor visitor{options.after_lsn};
    auto scan = wal::LogReader{files, log_directory, options, system_allocator()}.read(visitor);
    if (scan && !options.salvage) {
        CHECK(visitor.last() == scan->end.lsn);
    }
    if (last != nullptr) {
        *last = visitor.last();
    }
    return scan;
}

inline Bytes contents(FileSystem& files, const std::string& path) {
    auto bytes = read_all(files, path, std::uint64_t{1} << 30U);
    REQUIRE(bytes);
    return std::move(*bytes);
}

/// Makes `path` hold exactly `bytes`.
inline void replace(FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
    auto file = files.open(path, FileMode::ReadWrite);
    if (!file) {
        file = files.open(path, FileMode::CreateNew);
    }
    REQUIRE(file);
    REQUIRE((*file)->truncate(bytes.size()));
    REQUIRE((*file)->pwrite(bytes, 0));
}

inline void flip_bit(FileSystem& files, const std::string& path, std::uint64_t bit) {
    auto file = files.open(path, FileMode::ReadWrite);
    REQUIRE(file);
    std::byte byte{};
    REQUIRE(*(*file)->pread({&byte, 1}, bit / 8) == 1);
    byte ^= static_cast<std::byte>(1U << (bit % 8));
    REQUIRE((*file)->pwrite({&byte, 1}, bit / 8));
}

/// The same files on a machine that has booted since.
inline std::unique_ptr<SimulatedFileSystem> rebooted(const SimulatedFileSystem& files) {
    CrashPlan plan;
    plan.keep = KeepPending::All;
    return files.after_crash(plan);
}

/// The same files after only the process died.
inline std::unique_ptr<SimulatedFileSystem> restarted(const SimulatedFileSystem& files) {
    CrashPlan plan;
    plan.keep = KeepPending::Cached;
    return files.after_crash(plan);
}

/// Where the frames of segment `number` start, and where the last one ends.
inline std::vector<std::uint64_t> frame_offsets(FileSystem& files, std::uint64_t number) {
    auto reader = wal::SegmentReader::open(files, log_file(number), system_allocator());
    REQUIRE(reader);
    std::vector<std::uint64_t> offsets{wal::segment_header_size};
    for (;;) {
        const auto frame = reader->frame_at(offsets.back(), reader->size());
        REQUIRE(frame);
        if (!*frame) {
            return offsets;
        }
        offsets.push_back(offsets.back() + (*frame)->size);
    }
}

} // namespace ecsdb::test
