/// @file
/// Finds where reading the log has to begin for an older state than the one it is usually replayed onto.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/wal/format.hpp"
#include "ecsdb/wal/segment_reader.hpp"

#include <cstdint>
#include <string>

namespace ecsdb::wal {

/// The first segment needed to replay the log in `directory` onto a state that ends with transaction `lsn`: from segment `from` back, each
/// naming its predecessor, to one that starts no later. Where a segment on the way is missing or damaged it is that one, and reading the
/// log from there says what is wrong. 0 (the log's first) stays 0. `Io` where a read failed. Cost: one header per segment.
[[nodiscard]] inline Result<std::uint64_t> first_needed_segment(FileSystem& files, const std::string& directory, std::uint64_t from,
                                                                std::uint64_t lsn, Allocator& allocator) {
    for (std::uint64_t number = from; number != 0;) {
        const auto reader = SegmentReader::open(files, segment_path(directory, number), allocator);
        if (!reader) {
            const ErrorCode code = reader.error().code();
            const bool damaged = code == ErrorCode::Corrupt || code == ErrorCode::NotFound || code == ErrorCode::Unsupported;
            return damaged ? Result<std::uint64_t>{number} : Result<std::uint64_t>{reader.error().clone()};
        }
        const LogPosition& previous = reader->header().previous;
        if (reader->header().number != number || previous.lsn <= lsn || previous.segment == 0) {
            return number;
        }
        number = previous.segment;
    }
    return std::uint64_t{0};
}

} // namespace ecsdb::wal
