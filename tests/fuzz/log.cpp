// Any bytes as the frames of a segment, with their checksums made right: refused, or read; and salvage takes what reading does.
#include "ecsdb/wal/log_reader.hpp"
#include "fuzz/fuzz.hpp"

using namespace ecsdb;

namespace {

/// Makes the frames' checksums and epochs right as far as their lengths lead; where a frame's flags have the top bit, only the epoch.
void seal_frames(std::span<std::byte> frames, const wal::SegmentHeader& header) {
    while (frames.size() >= wal::frame_header_size) {
        wal::FrameHeader frame = wal::decode_frame_header(frames.data());
        if (frame.length > frames.size() - wal::frame_header_size || wal::frame_size(frame.length) > frames.size()) {
            return;
        }
        const auto whole = frames.first(wal::frame_size(frame.length));
        const bool broken = (frame.flags & 0x8000U) != 0;
        frame.epoch = header.epoch;
        wal::seal_frame(whole, frame, header.salt + (broken ? 1 : 0));
        frames = frames.subspan(whole.size());
    }
}

class Counting final : public wal::LogVisitor {
public:
    Result<void> transaction(std::uint64_t lsn, std::uint64_t, std::span<const std::byte> delta) override {
        fuzz::require(last == 0 || lsn == last + 1, "transactions come without a gap");
        last = lsn;
        digest = mix64(digest ^ crc32c(delta)) + 1;
        ++count;
        return {};
    }
    std::uint64_t last = 0;
    std::uint64_t digest = 0;
    std::uint64_t count = 0;
};

} // namespace

/// The first byte says what the manifest bears witness to, the rest are the frames: of one segment, or, from a length that the second and
/// third byte give, of two.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) {
        return 0;
    }
    const auto bytes = std::as_bytes(std::span{data, size});
    const auto split = std::min<std::size_t>((static_cast<std::size_t>(data[1]) * 256 + data[2]) / 8 * 8, size - 3);
    fuzz::MemoryFiles files;
    wal::SegmentHeader header;
    header.database[0] = std::byte{7};
    header.epoch = 1;
    header.number = 1;
    header.first_lsn = 1;
    header.salt = 0x5A17;
    std::size_t from = 3;
    for (const std::size_t length : {split, size - 3 - split}) {
        std::vector<std::byte> segment(wal::segment_header_size);
        wal::encode_segment_header(header, std::span{segment}.first<wal::segment_header_size>());
        segment.insert(segment.end(), bytes.begin() + static_cast<std::ptrdiff_t>(from),
                       bytes.begin() + static_cast<std::ptrdiff_t>(from + length));
        seal_frames(std::span{segment}.subspan(wal::segment_header_size), header);
        const auto read = [&] {
            wal::LogPosition end{header.number, wal::segment_header_size, header.previous.lsn,
                                 wal::stored_header_crc(std::span{segment}.first<wal::segment_header_size>()), header.epoch};
            // How the next header would name the end, if these frames are good.
            SystemAllocator allocator;
            Counting visitor;
            fuzz::MemoryFiles alone;
            alone.contents["log/" + wal::segment_file_name(header.number)] = segment;
            wal::LogReadOptions options;
            options.database = header.database;
            options.salvage = true;
            options.after_lsn = header.previous.lsn;
            options.first_needed_segment = header.number;
            wal::LogReader reader{alone, "log", options, allocator};
            const auto scan = reader.read(visitor);
            return scan && scan->end.segment == header.number ? scan->end : end;
        };
        files.contents["log/" + wal::segment_file_name(header.number)] = segment;
        if (from == 3 && split != size - 3) {
            header.previous = read();
            header.number = 2;
            header.first_lsn = header.previous.lsn + 1;
            header.salt = 0x5A18;
            from += length;
        } else {
            break;
        }
    }
    SystemAllocator allocator;
    wal::LogReadOptions options;
    options.database = header.database;
    options.durable_lsn = data[0] < 128 ? 0 : data[0] - 128U;
    Counting visitor;
    wal::LogReader strict{files, "log", options, allocator};
    const auto scan = strict.read(visitor);
    if (!scan) {
        fuzz::require(fuzz::is_refusal(scan.error()), "a log is refused as such");
    }
    options.salvage = true;
    Counting salvaged;
    wal::LogReader salvage{files, "log", options, allocator};
    const auto rest = salvage.read(salvaged);
    fuzz::require(rest || rest.error().code() == ErrorCode::Unsupported, "salvage takes any log of this format");
    if (scan && rest) {
        fuzz::require(salvaged.count == visitor.count && salvaged.digest == visitor.digest, "salvage takes what there is");
        fuzz::require(rest->damage.empty(), "salvage finds no damage where there is none");
    }
    return 0;
}
