#include "ecsdb/formats/pecs_writer.hpp"

#include "ecsdb/formats/pecs.hpp"
#include "formats/formats_fixture.hpp"

#include <string>

namespace ecsdb::test::pecs_writer_test {

namespace {

struct Spot {
    std::uint8_t kind;
    std::uint32_t place;
};
ECSDB_COMPONENT(Spot, kind, place);

using Small = Database<Spot, Visible, Leader, Label, ImportedId>;

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

/// Written by hand from docs/format/pecs.md; the type ids and the checksum were computed by another program.
constexpr const char* golden = R"(
50454353                         # PECS
01000000                         # version 1
00000000                         # flags
0200000000000000                 # 2 entities
05000000                         # 5 types
E5D55D3657E906B8777275E8F9AE0969 04000000 53706F74 01000000 # Spot, version 1
61941512C0011B5F8DF74F3FCAA66993 07000000 56697369626C65 01000000
E46D7434B7167A6EBF643C558A2B8DEA 06000000 4C6561646572 01000000
9D66A8F635CB80704FD9835B27BD8145 05000000 4C6162656C 01000000
306AEC5C1578051E6840D35A221523FA 10000000 65637364622E7265666572656E636573 01000000

0200000000000000 0100000000000000 # the entity of stable id 0000...0001-...0002
03000000                          # 3 components
E5D55D3657E906B8777275E8F9AE0969 05000000 07 44332211 # kind 7, place 0x11223344, packed
61941512C0011B5F8DF74F3FCAA66993 00000000        # a tag
9D66A8F635CB80704FD9835B27BD8145 06000000 02000000 6869 # "hi"

0400000000000000 0300000000000000 # the second entity
02000000                          # 2 components
E46D7434B7167A6EBF643C558A2B8DEA 08000000 0000000001000000 # the first one, as the database calls it: index 0, generation 1
306AEC5C1578051E6840D35A221523FA 18000000 0000000001000000 0200000000000000 0100000000000000 # which is that of the stable id
30BE31E6832CB67F                 # CRC-64/XZ of all that
)";

Small small_world() {
    Small db = open_db<Small>(stepped());
    auto tx = db.begin();
    const Entity first = tx.create(ImportedId{StableId{1, 2}}, Spot{7, 0x11223344}, Visible{}, Label{tx.text("hi")});
    const Entity second = tx.create(ImportedId{StableId{3, 4}}, Leader{first});
    CHECK(first.index() == 0);
    static_cast<void>(second);
    require(tx.commit());
    return db;
}

} // namespace

TEST_CASE("a PECS file is what its format says, byte for byte", "[formats][pecs][golden]") {
    Small db = small_world();
    const std::string expected = bytes_of(golden);
    const std::string found = as_string(saved(db.read(), formats::PecsFormat{}));
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        REQUIRE(found[i] == expected[i]);
    }
}

TEST_CASE("the PECS file of the format's description is read", "[formats][pecs][golden]") {
    Small db = open_db<Small>(stepped());
    static_cast<void>(value_of(db.execute([](auto& state) { return state.create(); }))); // ids differ from those in the file
    const std::string file = bytes_of(golden);
    const auto report = value_of(formats::load(db, formats::PecsFormat{}, as_span(file)));
    REQUIRE(report.entities.size() == 2);
    const auto view = db.read();
    const Entity first = view.find(StableId{1, 2});
    CHECK(report.entities[0] == first);
    CHECK(view.get<Spot>(first)->place == 0x11223344);
    CHECK(view.has<Visible>(first));
    CHECK(view.text(view.get<Label>(first)->words) == "hi");
    CHECK(view.get<Leader>(report.entities[1])->entity == first);
}

} // namespace ecsdb::test::pecs_writer_test
