// Any bytes as a PECS file, after one that says how to load it: with its checksum made right, unless that byte's top bit is set.
#include "ecsdb/formats/pecs.hpp"
#include "fuzz/formats.hpp"

using namespace ecsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const auto bytes = std::as_bytes(std::span{data + 1, size - 1});
    std::vector<std::byte> file{bytes.begin(), bytes.end()};
    if (file.size() >= formats::pecs::footer_size && (data[0] & 0x80U) == 0) {
        const std::size_t end = file.size() - formats::pecs::footer_size;
        store_le<std::uint64_t>(file.data() + end, crc64_xz(std::span{file}.first(end)));
    }
    fuzz::load_anything(formats::PecsFormat{}, file, fuzz::options_from(data[0]));
    return 0;
}
