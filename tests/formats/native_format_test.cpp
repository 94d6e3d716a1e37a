#include "ecsdb/formats/native_format.hpp"

#include "support/catch.hpp"

#include <array>

namespace ecsdb::test::native_format_test {

TEST_CASE("stable ids of the native format are little-endian as one number", "[formats][native]") {
    std::array<std::byte, 16> bytes;
    const StableId id{0x0F0E0D0C0B0A0908, 0x0706050403020100};
    formats::native::store_id(bytes.data(), id);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        CHECK(bytes[i] == static_cast<std::byte>(i));
    }
    CHECK(formats::native::load_id(bytes.data()) == id);
}

} // namespace ecsdb::test::native_format_test
