#include "ecsdb/io/read_only_file.hpp"

#include "support/catch.hpp"

#include <array>

namespace read_only_file_test {

namespace {

class Ones final : public ecsdb::ReadOnlyFile {
public:
    [[nodiscard]] ecsdb::Result<std::uint64_t> size() noexcept override { return std::uint64_t{3}; }

protected:
    [[nodiscard]] ecsdb::Result<std::size_t> fill(std::span<std::byte> out, std::uint64_t offset) noexcept override {
        std::size_t filled = 0;
        while (filled < out.size() && offset + filled < 3) {
            out[filled++] = std::byte{1};
        }
        return filled;
    }
};

} // namespace

TEST_CASE("a file that is only read refuses every change", "[io]") {
    Ones ones;
    std::array<std::byte, 8> bytes{};
    CHECK(*ones.pread(bytes, 1) == 2);
    CHECK(bytes[1] == std::byte{1});
    CHECK(bytes[2] == std::byte{0});
    CHECK(ones.pwrite(bytes, 0).error().code() == ecsdb::ErrorCode::Io);
    CHECK_FALSE(ones.sync());
    CHECK_FALSE(ones.truncate(0));
    CHECK_FALSE(ones.preallocate(9));
}

} // namespace read_only_file_test
