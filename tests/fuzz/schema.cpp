// Any bytes as an encoded schema: refused, or the same bytes when it is encoded again.
#include "ecsdb/schema/encode.hpp"
#include "fuzz/fuzz.hpp"

using namespace ecsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto schema = decode_schema(std::as_bytes(std::span{data, size}));
    if (!schema) {
        return 0;
    }
    SystemAllocator allocator;
    ByteBuffer once{allocator};
    encode_schema(*schema, once);
    const auto again = decode_schema(once.view());
    fuzz::require(again && again->hash() == schema->hash(), "a schema encoded again is the same");
    ByteBuffer twice{allocator};
    encode_schema(*again, twice);
    fuzz::require(std::ranges::equal(once.view(), twice.view()), "a schema has one encoding");
    return 0;
}
