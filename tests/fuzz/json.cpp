// Any text as JSON, after a byte that says how to load it.
#include "ecsdb/formats/json.hpp"
#include "fuzz/formats.hpp"

using namespace ecsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size != 0) {
        fuzz::load_anything(formats::JsonFormat{}, std::as_bytes(std::span{data + 1, size - 1}), fuzz::options_from(data[0]));
    }
    return 0;
}
