// Any bytes as a manifest, with size and checksum made right: refused, or it says the same when it is written again.
#include "ecsdb/recovery/manifest.hpp"
#include "fuzz/fuzz.hpp"

using namespace ecsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::byte> bytes{reinterpret_cast<const std::byte*>(data), reinterpret_cast<const std::byte*>(data) + size};
    if (size >= 24) {
        store_le<std::uint64_t>(bytes.data(), recovery::manifest_magic);
        store_le<std::uint64_t>(bytes.data() + 16, size);
        store_le<std::uint32_t>(bytes.data() + 8, mask_crc(crc32c(std::span{bytes}.subspan(12))));
    }
    const auto manifest = recovery::decode_manifest(bytes);
    if (!manifest) {
        fuzz::require(fuzz::is_refusal(manifest.error()), "a manifest is refused as such");
        return 0;
    }
    SystemAllocator allocator;
    ByteBuffer once{allocator};
    recovery::encode_manifest(*manifest, once);
    const auto again = recovery::decode_manifest(once.view());
    fuzz::require(again.has_value(), "what was decoded can be encoded and decoded");
    ByteBuffer twice{allocator};
    recovery::encode_manifest(*again, twice);
    fuzz::require(std::ranges::equal(once.view(), twice.view()), "a manifest written again is the same");
    return 0;
}
