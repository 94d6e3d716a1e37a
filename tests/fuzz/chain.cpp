// Any bytes as a chain of snapshots, each file behind its length (u32): with checksums and indices made right, and each file building on
// the one before, refused; or the state comes back from a full snapshot taken of it.
#include "fuzz/snapshots.hpp"

using namespace ecsdb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t most_files = 5;
    fuzz::MemoryFiles files;
    std::vector<std::string> paths;
    snapshot::BaseSnapshot base;
    ByteReader in{std::as_bytes(std::span{data, size})};
    while (in.remaining() > sizeof(std::uint32_t) && paths.size() < most_files) {
        const auto length = in.read_le<std::uint32_t>();
        const auto bytes = in.read_bytes(std::min<std::size_t>(length, in.remaining()));
        std::vector<std::byte>& file = files.contents[paths.emplace_back("fuzzed-" + std::to_string(paths.size()))];
        file.assign(bytes.begin(), bytes.end());
        base = fuzz::seal(file, paths.size() == 1 ? nullptr : &base);
    }
    if (!paths.empty()) {
        fuzz::load_and_save(files, paths);
    }
    return 0;
}
