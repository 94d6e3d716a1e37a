#include "ecsdb/formats/native_writer.hpp"

#include "ecsdb/formats/native.hpp"
#include "formats/formats_fixture.hpp"

#include <string>

namespace ecsdb::test::native_writer_test {
namespace {

struct Spot {
    std::uint8_t kind;
    std::uint32_t place;
};
ECSDB_COMPONENT(Spot, kind, place);

using Small = Database<Spot, Visible, Leader, Label, ImportedId>;
const formats::NativeFormat format;

/// Hexadecimal digits to bytes; everything from `#` to the end of a line is left out.
std::string bytes_of(const std::string& hex) {
    std::string bytes;
    int high = -1;
    for (std::size_t i = 0; i < hex.size(); ++i) {
        if (hex[i] == '#') {
            i = hex.find('\n', i);
            continue;
        }
        const std::size_t digit = std::string{"0123456789ABCDEF"}.find(hex[i]);
        if (digit == std::string::npos) {
            continue;
        }
        if (high >= 0) {
            bytes += static_cast<char>(high * 16 + static_cast<int>(digit));
        }
        high = high >= 0 ? -1 : static_cast<int>(digit);
    }
    return bytes;
}

/// Written by hand from docs/format/native.md.
constexpr const char* golden = R"(
45435344424E4154                 # ECSDBNAT
01000000 00000000                # version 1, flags
0400000000000000                 # 4 entities
0100000000000000                 # 1 reference
04000000 02000000                # 4 tables, 2 groups
04000000 53706F74 01000000 05000000        # Spot, version 1, 5 bytes
07000000 56697369626C65 01000000 00000000  # Visible, a tag
06000000 4C6561646572 01000000 08000000    # Leader
05000000 4C6162656C 01000000 FFFFFFFF      # Label, of any length
03000000 02000000 00000000 01000000        # 3 entities with Spot and Visible
01000000000000000000000000000000 02000000000000000000000000000000 03000000000000000000000000000000
07 64000000  08 C8000000  09 2C010000      # Spots, side by side; Visible has no bytes
01000000 02000000 02000000 03000000        # 1 entity with Leader and Label
04000000000000000000000000000000
0000000001000000                           # names index 0, generation 1
06000000 02000000 6869                     # its label: a text of 2 bytes
0000000001000000 01000000000000000000000000000000  # index 0, generation 1 is the entity 1
)";

} // namespace

TEST_CASE("the native format is byte for byte as specified", "[formats][native]") {
    Small db = open_db<Small>(stepped());
    auto tx = db.begin();
    Entity first;
    for (std::uint32_t i = 1; i <= 3; ++i) {
        const Entity made = tx.create(Spot{static_cast<std::uint8_t>(6 + i), i * 100}, Visible{}, ImportedId{StableId{0, i}});
        first = i == 1 ? made : first;
    }
    tx.create(Leader{first}, Label{tx.text("hi")}, ImportedId{StableId{0, 4}});
    require(tx.commit());
    const std::vector<std::byte> bytes = saved(db.read(), format);
    const std::string wanted = bytes_of(golden);
    REQUIRE(bytes.size() == wanted.size() + 8);
    const std::string without_checksum = as_string(std::span{bytes}.first(wanted.size()));
    CHECK(without_checksum == wanted);
    CHECK(load_le<std::uint64_t>(bytes.data() + wanted.size()) == crc64_xz(as_span(wanted)));
}

TEST_CASE("only what was selected is in a native file", "[formats][native]") {
    Whole db = open_db<Whole>(stepped());
    const auto made = fill(db);
    Whole into = open_db<Whole>(stepped());
    value_of(formats::load(into, format, saved(db.read(), format, {.tables = {"Place"}, .not_having = {"Leader"}})));
    CHECK(into.read().count<Place>() == 3);
    CHECK(into.read().entity_count() == 3);
    Whole scratch = open_db<Whole>(stepped());
    value_of(formats::load(scratch, format, saved(db.read(), format, {.transient = true})));
    CHECK(content_of(scratch.read(), true) == content_of(db.read(), true));
    const auto one = saved(db.read(), format, {.entities = {made[0]}});
    CHECK(value_of(formats::load(into, format, one, {.existing = formats::ExistingEntity::Replace})).replaced == 1);
}

} // namespace ecsdb::test::native_writer_test
