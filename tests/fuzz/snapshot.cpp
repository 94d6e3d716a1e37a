// Any bytes as a snapshot, with its checksums and index made right: refused, or the state comes back from a snapshot taken of it.
#include "fuzz/snapshots.hpp"

using namespace ecsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::MemoryFiles files;
    const std::string path = "fuzzed";
    std::vector<std::byte>& file = files.contents[path];
    file.assign(reinterpret_cast<const std::byte*>(data), reinterpret_cast<const std::byte*>(data) + size);
    fuzz::seal(file);
    fuzz::load_and_save(files, std::span{&path, 1});
    return 0;
}
