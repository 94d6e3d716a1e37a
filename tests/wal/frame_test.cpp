#include "ecsdb/wal/frame.hpp"

#include "wal/log_fixture.hpp"

namespace frame_test {

using namespace ecsdb;
using namespace ecsdb::test;
using namespace ecsdb::wal;

namespace {

constexpr std::uint64_t salt = 0x5EED5EED5EED5EED;

/// One group frame of transactions 7 to 9, sealed.
Bytes some_frame() {
    ByteBuffer buffer{system_allocator()};
    const std::size_t frame = begin_frame(buffer);
    for (std::uint64_t lsn = 7; lsn <= 9; ++lsn) {
        append_record(buffer, delta_of(lsn));
    }
    FrameHeader header;
    header.lsn = 7;
    header.time = 123;
    header.epoch = 2;
    header.prev_durable = 6;
    finish_frame(buffer, frame, header);
    REQUIRE_FALSE(buffer.failed());
    seal_frame({buffer.data(), buffer.size()}, decode_frame_header(buffer.data()), salt);
    return {buffer.view().begin(), buffer.view().end()};
}

} // namespace

TEST_CASE("a frame with any bit flipped, its padding included, is refused", "[wal]") {
    const Bytes whole = some_frame();
    REQUIRE(whole.size() % frame_alignment == 0);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        Bytes bytes = whole;
        bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        const auto frame = read_frame(bytes, salt);
        CAPTURE(bit);
        REQUIRE_FALSE(frame);
        REQUIRE(frame.error().code() == ErrorCode::Corrupt);
    }
}

TEST_CASE("a frame cut short anywhere is refused", "[wal]") {
    const Bytes whole = some_frame();
    for (std::size_t kept = 0; kept < whole.size(); ++kept) {
        const Bytes bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kept)); // of its own, so that overruns show
        CAPTURE(kept);
        REQUIRE_FALSE(read_frame(bytes, salt));
    }
}

TEST_CASE("a frame of another segment, or of zeros, is none", "[wal]") {
    CHECK_FALSE(read_frame(some_frame(), salt + 1));
    CHECK_FALSE(read_frame(Bytes(4096), salt));
    Bytes huge(64);
    store_le<std::uint32_t>(huge.data(), 0xFFFFFFFF);
    CHECK_FALSE(read_frame(huge, salt));
}

TEST_CASE("a frame comes back as it was built", "[wal]") {
    const Bytes bytes = some_frame();
    const auto frame = read_frame(bytes, salt);
    REQUIRE(frame);
    CHECK(frame->size == bytes.size());
    CHECK(frame->header.type == FrameType::Group);
    CHECK(frame->header.lsn == 7);
    CHECK(frame->header.prev_durable == 6);
    CHECK(frame->header.time == 123);
    CHECK(frame->header.epoch == 2);
    CHECK(count_records(frame->payload) == 3);
    std::uint64_t lsn = 7;
    REQUIRE(for_each_record(frame->payload, [&](std::span<const std::byte> delta) -> Result<void> {
        CHECK(std::ranges::equal(delta, delta_of(lsn)));
        ++lsn;
        return {};
    }));
    CHECK(lsn == 10);
}

TEST_CASE("a frame lies on disk as the format document says", "[wal]") {
    const Bytes bytes = some_frame();
    const std::byte* const at = bytes.data();
    CHECK(load_le<std::uint32_t>(at) == 3 + delta_of(7).size() + delta_of(8).size() + delta_of(9).size());
    CHECK(load_le<std::uint64_t>(at + 8) == 7);
    CHECK(load_le<std::uint64_t>(at + 16) == 6);
    CHECK(load_le<std::uint64_t>(at + 24) == 123);
    CHECK(load_le<std::uint32_t>(at + 32) == 2);
    CHECK(load_le<std::uint16_t>(at + 36) == 1);
    CHECK(load_le<std::uint16_t>(at + 38) == 0);
    Bytes checked(12);
    store_le<std::uint64_t>(checked.data(), salt);
    store_le<std::uint32_t>(checked.data() + 8, load_le<std::uint32_t>(at));
    checked.insert(checked.end(), bytes.begin() + 8, bytes.end());
    CHECK(load_le<std::uint32_t>(at + 4) == mask_crc(crc32c(checked)));
}

TEST_CASE("records whose lengths do not add up are noticed before any byte beyond them is read", "[wal]") {
    const auto use = [](std::span<const std::byte>) { return Result<void>{}; };
    for (const Bytes& payload : {Bytes{}, Bytes{std::byte{1}}, Bytes{std::byte{0x80}}, Bytes{std::byte{0}, std::byte{2}, std::byte{9}},
                                 Bytes(11, std::byte{0xFF})}) {
        CHECK(count_records(payload) == 0);
        const auto walked = for_each_record(payload, use);
        REQUIRE_FALSE(walked);
        CHECK(walked.error().code() == ErrorCode::Corrupt);
    }
}

TEST_CASE("a record encoded in place reads like a copied one", "[wal]") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{127}, std::size_t{128}, std::size_t{70000}}) {
        ByteBuffer buffer{system_allocator()};
        const std::size_t start = begin_record(buffer);
        const Bytes delta = size == 0 ? Bytes{} : delta_of(1, size);
        buffer.append(delta);
        finish_record(buffer, start);
        append_record(buffer, delta);
        CHECK(count_records(buffer.view()) == 2);
        CHECK(for_each_record(buffer.view(), [&](std::span<const std::byte> read) -> Result<void> {
            CHECK(std::ranges::equal(read, delta));
            return {};
        }));
    }
}

TEST_CASE("the visitor's error ends the walk over records", "[wal]") {
    ByteBuffer buffer{system_allocator()};
    append_record(buffer, delta_of(1));
    append_record(buffer, delta_of(2));
    int calls = 0;
    const auto walked = for_each_record(buffer.view(), [&](std::span<const std::byte>) -> Result<void> {
        ++calls;
        return Error{ErrorCode::Gap, "enough"};
    });
    REQUIRE_FALSE(walked);
    CHECK(walked.error().code() == ErrorCode::Gap);
    CHECK(calls == 1);
}

TEST_CASE("without memory a frame fails quietly until the end", "[wal]") {
    struct NoMemory final : Allocator {
        void* allocate(std::size_t, std::size_t) noexcept override { return nullptr; }
        void deallocate(void*, std::size_t, std::size_t) noexcept override {}
    } none;
    ByteBuffer buffer{none};
    const std::size_t frame = begin_frame(buffer);
    const std::size_t record = begin_record(buffer);
    buffer.append(delta_of(1));
    finish_record(buffer, record);
    finish_frame(buffer, frame, {});
    append_parts(buffer, delta_of(2), 2, 0);
    append_note(buffer, FrameType::Reserve, 0, std::uint64_t{5});
    CHECK(buffer.failed());
    CHECK(buffer.empty());
}

TEST_CASE("a long transaction is cut into parts that say which they are", "[wal]") {
    ByteBuffer buffer{system_allocator()};
    const Bytes delta = delta_of(5, 250);
    append_parts(buffer, delta, 5, 77, 1, 100);
    Bytes joined;
    std::size_t offset = 0;
    for (std::uint32_t part = 0; part < 3; ++part) {
        const FrameHeader header = decode_frame_header(buffer.data() + offset);
        seal_frame({buffer.data() + offset, frame_size(header.length)}, header, salt);
        const auto frame = read_frame(buffer.view().subspan(offset), salt);
        REQUIRE(frame);
        CHECK(frame->header.type == FrameType::TransactionPart);
        CHECK(frame->header.lsn == 5);
        CHECK(((frame->header.flags & flag_last_part) != 0) == (part == 2));
        CHECK(load_le<std::uint32_t>(frame->payload.data()) == part);
        CHECK(load_le<std::uint32_t>(frame->payload.data() + 4) == 3);
        joined.insert(joined.end(), frame->payload.begin() + part_header_size, frame->payload.end());
        offset += frame->size;
    }
    CHECK(offset == buffer.size());
    CHECK(joined == delta);
}

TEST_CASE("the largest frame is a whole number of alignments below the limit", "[wal]") {
    STATIC_REQUIRE(frame_size(max_payload_size) == max_frame_size);
    STATIC_REQUIRE(frame_size(0) == frame_header_size);
    STATIC_REQUIRE(max_record_size + varint_size(max_record_size) <= max_payload_size);
}

} // namespace frame_test
