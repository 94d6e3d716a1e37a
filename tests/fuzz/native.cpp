// Any bytes as a file of the native format, after one that says how to load it: with its checksum made right, unless that byte's top bit is
// set.
#include "ecsdb/formats/native.hpp"
#include "fuzz/formats.hpp"

using namespace ecsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size != 0) {
        fuzz::load_anything(formats::NativeFormat{}, fuzz::sealed(std::as_bytes(std::span{data, size})), fuzz::options_from(data[0]));
    }
    return 0;
}
