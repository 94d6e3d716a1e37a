#include "delta/delta_fixture.hpp"
#include "ecsdb/delta/format.hpp"

namespace format_test {

using namespace delta_test;

TEST_CASE("the example in the format document is what the encoder writes", "[delta]") {
    const Bytes example = bytes_of({0x01, 0x09, 0x29, 0x01, 0x07,                                                       //
                                    0x01, 0x00, 0x08, 0x01, 0xAC, 0x02, 0x00, 0x02, 0x05, 0x00, 0x01,                   //
                                    0x02, 0x00, 0x17, 0x01, 0x08, 0x05, 0x00, 0x00, 0x80, 0x3F, 0x00, 0x00, 0x00, 0x40, //
                                    0x36, 0x02, 0x0A, 0x01, 0x00, 0x00, 0x00, 0x3F, 0x00, 0x00, 0x00, 0x3F});
    Table point = test_schema().table(velocity);
    point.id = 0;
    const Bytes added = row_of(1.0F, 2.0F);
    const Bytes before = row_of(3.0F, 4.0F);
    const Bytes after = row_of(3.0F, 0.5F);
    const std::array<RowChange, 3> changes{RowChange{5, RowChangeKind::Added, nullptr, added.data()},
                                           RowChange{10, RowChangeKind::Changed, before.data(), after.data()},
                                           RowChange{12, RowChangeKind::Changed, before.data(), after.data()}};
    const std::array created{Entity{5, 1, 0}};
    const std::array destroyed{Entity{300, 2, 0}};
    Header header;
    header.from = 41;
    header.to = 42;
    header.tick = 7;
    header.counted = true;
    ByteBuffer out{memory()};
    Encoder encoder{memory()};
    encoder.begin(out, header);
    encoder.entities(created, destroyed);
    encoder.table(point, changes);
    encoder.end();
    CHECK(copy_of(out) == example);
    CHECK(DeltaView::parse(example).has_value());
}

TEST_CASE("the numbers of the format never change", "[delta]") {
    CHECK(format_version == 1);
    CHECK(flag_counted == 1);
    CHECK(flag_clock == 32);
    CHECK(static_cast<int>(SectionKind::Entities) == 1);
    CHECK(static_cast<int>(SectionKind::Versions) == 4);
    CHECK(static_cast<int>(RowChangeKind::Changed) == 2);
    CHECK(static_cast<int>(IdForm::PageOrder) == 3);
}

} // namespace format_test
