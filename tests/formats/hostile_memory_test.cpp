// What a file that nobody vouches for can make a reader take: watched by counting every allocation of the program.
#include "ecsdb/formats/pecs.hpp"
#if __has_include(<nlohmann/json.hpp>)
#include "ecsdb/formats/json.hpp"
#endif
#include "formats/formats_fixture.hpp"

#include <atomic>
#include <cstdlib>
#include <malloc.h>
#include <new>

// Under a sanitizer, which has its own and checks that they go together, only the refusals are looked at.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ECSDB_TEST_COUNTS_BYTES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ECSDB_TEST_COUNTS_BYTES 0
#endif
#endif
#if !defined(ECSDB_TEST_COUNTS_BYTES)
#define ECSDB_TEST_COUNTS_BYTES 1
#endif

namespace {

std::atomic<std::size_t> heap_bytes{0};
std::atomic<std::size_t> most_heap_bytes{0};

} // namespace

#if ECSDB_TEST_COUNTS_BYTES
// GCC takes the two for strangers to each other.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif
void* operator new(std::size_t size) {
    void* const memory = std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) {
        std::abort();
    }
    const std::size_t now = heap_bytes += malloc_usable_size(memory);
    for (std::size_t most = most_heap_bytes; now > most && !most_heap_bytes.compare_exchange_weak(most, now);) {
    }
    return memory;
}
void operator delete(void* memory) noexcept {
    heap_bytes -= memory == nullptr ? 0 : malloc_usable_size(memory);
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    operator delete(memory);
}
#endif

namespace ecsdb::test::hostile_memory_test {

namespace {

using Two = Database<Place, Note, Visible, ImportedId>;

/// Refused for `what`, with no more than 1 MiB taken at any time.
void refuses(Two& into, const formats::Format& format, std::span<const std::byte> bytes, const std::string& what) {
    const std::size_t before = heap_bytes;
    most_heap_bytes = before;
    const auto loaded = formats::load(into, format, bytes);
    const std::size_t taken = most_heap_bytes - before;
    REQUIRE_FALSE(loaded);
    CAPTURE(loaded.error().message());
    CHECK(loaded.error().code() == ErrorCode::Corrupt);
    CHECK(contains(loaded.error().message(), what));
    CHECK(taken < (std::size_t{1} << 20U));
}
std::vector<std::byte> two_entities(const formats::Format& format) {
    Two db = open_db<Two>(stepped());
    auto tx = db.begin();
    static_cast<void>(tx.create(Place{1, 2}, Note{}));
    static_cast<void>(tx.create(Place{3, 4}));
    require(tx.commit());
    return saved(db.read(), format);
}

} // namespace

TEST_CASE("a PECS file takes no memory for what it only claims", "[formats][pecs][hostile]") {
    const formats::PecsFormat format;
    Two into = open_db<Two>(stepped());
    const auto with = [file = two_entities(format)](std::size_t offset, auto value, std::size_t more = 0) {
        std::vector<std::byte> bytes = file;
        store_le<decltype(value)>(bytes.data() + offset, value);
        bytes.resize(bytes.size() + more);
        store_le<std::uint64_t>(bytes.data() + bytes.size() - 8, crc64_xz(std::span{bytes}.first(bytes.size() - 8)));
        return bytes;
    };
    refuses(into, format, with(12, ~std::uint64_t{0}), "byte ");
    refuses(into, format, with(12, ~std::uint64_t{0}, std::size_t{64} << 20U), "byte ");
    refuses(into, format, with(12, std::uint64_t{3'000'000}, std::size_t{64} << 20U), "byte ");
    refuses(into, format, with(20, ~std::uint32_t{0}), "byte ");
    refuses(into, format, with(20, std::uint32_t{2'000'000}, std::size_t{64} << 20U), "byte ");
}

#if __has_include(<nlohmann/json.hpp>)

TEST_CASE("JSON takes no memory for what it only claims, nor for more than a row can be made of", "[formats][json][hostile]") {
    const formats::JsonFormat format;
    Two into = open_db<Two>(stepped());
    const std::string file = as_string(two_entities(format));
    std::string many = "[0";
    for (int i = 0; i < 1'000'000; ++i) {
        many += ",0";
    }
    many += "]";
    const auto with = [&](const std::string& what, const std::string& instead) {
        std::string text = file;
        const std::size_t at = text.find(what);
        REQUIRE(at != std::string::npos);
        return text.replace(at, what.size(), instead);
    };
    const std::string too_many = "has more values than the schema has a place for";
    refuses(into, format, as_span(with("\"x\":1", "\"x\":" + many)), too_many);
    refuses(into, format, as_span(with("\"types\":[", "\"types\":[" + many + ",")), too_many);
    refuses(into, format, as_span(with("\"version\":1", "\"version\":" + many)), too_many);
    refuses(into, format, as_span(with("\"entity_count\":2", "\"entity_count\":18446744073709551615")), "is 18446744073709551615");
    refuses(into, format, as_span("{\"entities\":" + many + "}"), "is missing");
    refuses(into, format, as_span(with("\"entities\":[", "\"entities\":[" + many + ",")), too_many);
    refuses(into, format, as_span(std::string(10'000'000, '[')), "nested more than 256 deep");
    refuses(into, format, as_span(with("\"x\":1", "\"x\":" + std::string(10'000'000, '['))), too_many);
}

#endif

} // namespace ecsdb::test::hostile_memory_test
