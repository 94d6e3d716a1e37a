#include "ecsdb/delta/envelope.hpp"

#include "support/catch.hpp"

#include <cstddef>
#include <vector>

namespace envelope_test {

using namespace ecsdb;
using namespace ecsdb::delta;

namespace {

const Envelope of_mine{{std::byte{1}, std::byte{2}}, 5, 0x1122334455667788};

std::vector<std::byte> sealed(const Envelope& envelope, std::span<const std::byte> delta) {
    SystemAllocator memory;
    ByteBuffer out{memory};
    const std::size_t at = begin_envelope(out);
    out.append(delta);
    seal_envelope(out, at, envelope);
    return {out.view().begin(), out.view().end()};
}
std::vector<std::byte> some_bytes() {
    std::vector<std::byte> bytes(100);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(i * 7);
    }
    return bytes;
}
ErrorCode refusal(std::span<const std::byte> bytes) {
    const auto opened = open_envelope(bytes);
    REQUIRE_FALSE(opened);
    return opened.error().code();
}
/// A header with one value changed on purpose, and its checksum made right.
std::vector<std::byte> with(std::size_t at, std::byte value) {
    auto bytes = sealed(of_mine, some_bytes());
    bytes[at] = value;
    store_le<std::uint32_t>(bytes.data() + 8, mask_crc(crc32c(std::span{bytes}.subspan(12, envelope_size - 12))));
    return bytes;
}

} // namespace

TEST_CASE("a sealed delta comes out as it went in, also behind other bytes and where it is empty", "[delta]") {
    const auto inner = some_bytes();
    const auto bytes = sealed(of_mine, inner);
    CHECK(bytes.size() == envelope_size + inner.size());
    const auto opened = open_envelope(bytes);
    REQUIRE(opened);
    CHECK(opened->envelope == of_mine);
    CHECK(std::vector<std::byte>{opened->delta.begin(), opened->delta.end()} == inner);
    CHECK(open_envelope(sealed(of_mine, {}))->delta.empty());

    SystemAllocator memory;
    ByteBuffer out{memory};
    out.append(inner);
    const std::size_t at = begin_envelope(out);
    CHECK(at == inner.size());
    out.append(inner);
    seal_envelope(out, at, of_mine);
    CHECK(open_envelope(out.view().subspan(at)));
}

TEST_CASE("no flipped bit of a saved delta, and no other length, gets through", "[delta][fault]") {
    auto bytes = sealed(of_mine, some_bytes());
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        CAPTURE(bit);
        const std::byte flip{static_cast<unsigned char>(1U << (bit % 8))};
        bytes[bit / 8] ^= flip;
        CHECK(refusal(bytes) == ErrorCode::Corrupt);
        bytes[bit / 8] ^= flip;
    }
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CAPTURE(size);
        CHECK(refusal(std::span{bytes}.first(size)) == ErrorCode::Corrupt);
    }
    bytes.push_back(std::byte{});
    CHECK(refusal(bytes) == ErrorCode::Corrupt);
}

TEST_CASE("a later version is unsupported, and what must be zero is", "[delta]") {
    CHECK(refusal(with(12, std::byte{2})) == ErrorCode::Unsupported);
    CHECK(refusal(with(14, std::byte{1})) == ErrorCode::Corrupt);
    CHECK(refusal(with(35, std::byte{1})) == ErrorCode::Corrupt); // a shard that cannot be
    CHECK(refusal(with(48, std::byte{1})) == ErrorCode::Corrupt); // another length
    CHECK(refusal(with(63, std::byte{1})) == ErrorCode::Corrupt);
}

TEST_CASE("where memory is refused there is no envelope, and nothing else happens", "[delta]") {
    class Refusing final : public Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t, std::size_t) noexcept override { return nullptr; }
        void deallocate(void*, std::size_t, std::size_t) noexcept override {}
    };
    Refusing memory;
    ByteBuffer out{memory};
    const std::size_t at = begin_envelope(out);
    seal_envelope(out, at, of_mine);
    CHECK(out.failed());
}

} // namespace envelope_test
