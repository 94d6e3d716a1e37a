// Any text as a schema: refused with a reason, or the same schema when it is written out and read again, as text and as bytes.
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "ecsdb/schema/toml_writer.hpp"
#include "fuzz/fuzz.hpp"

using namespace ecsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto schema = parse_schema({reinterpret_cast<const char*>(data), size}, "fuzzed.toml");
    if (!schema) {
        fuzz::require(!schema.error().message().empty(), "a refusal has a reason");
        return 0;
    }
    const std::string text = to_toml(*schema);
    const auto again = parse_schema(text, "written.toml");
    if (!again) {
        std::fprintf(stderr, "%s\n%s\n", text.c_str(), again.error().to_string().c_str());
    }
    fuzz::require(again && again->hash() == schema->hash(), "a schema written as text is the same when it is read");
    SystemAllocator allocator;
    ByteBuffer bytes{allocator};
    encode_schema(*schema, bytes);
    const auto decoded = decode_schema(bytes.view());
    fuzz::require(decoded && decoded->hash() == schema->hash(), "a schema written as bytes is the same when it is read");
    return 0;
}
