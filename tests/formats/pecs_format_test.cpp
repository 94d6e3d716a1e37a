#include "ecsdb/formats/pecs_format.hpp"

#include "support/catch.hpp"

#include <array>

namespace ecsdb::test::pecs_format_test {

TEST_CASE("ids of 128 bits are little-endian as one number", "[formats][pecs]") {
    std::array<std::byte, 16> bytes;
    formats::pecs::store_id(bytes.data(), 0x0F0E0D0C0B0A0908, 0x0706050403020100);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        CHECK(bytes[i] == static_cast<std::byte>(i));
    }
    CHECK(formats::pecs::load_id(bytes.data()) == StableId{0x0F0E0D0C0B0A0908, 0x0706050403020100});
    CHECK(formats::pecs::load_type(bytes.data()) == Hash128{0x0F0E0D0C0B0A0908, 0x0706050403020100});
}

} // namespace ecsdb::test::pecs_format_test
