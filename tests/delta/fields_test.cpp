#include "delta/delta_fixture.hpp"
#include "ecsdb/delta/fields.hpp"

namespace fields_test {

using namespace delta_test;

namespace {

std::vector<FieldId> differing(const Table& table, const Bytes& before, const Bytes& after) {
    std::vector<std::uint64_t> words(ecsdb::delta::detail::mask_words(table), ~std::uint64_t{0});
    ecsdb::delta::detail::RowComparison{table}(before.data(), after.data(), words.data());
    std::vector<FieldId> fields;
    for (std::size_t i = 0; i < words.size() * 64; ++i) {
        if (ecsdb::delta::detail::FieldBits{words.data()}.test(static_cast<FieldId>(i))) {
            fields.push_back(static_cast<FieldId>(i));
        }
    }
    return fields;
}

} // namespace

TEST_CASE("an empty mask names no field, and the mask of all names every one", "[delta]") {
    const Bytes empty = bytes_of({0});
    CHECK_FALSE(FieldMask{}.test(0));
    CHECK_FALSE(FieldMask{empty}.test(0));
    CHECK(FieldMask{empty}.limit() == 0);
    CHECK(FieldMask::all().test(0));
    CHECK(FieldMask::all().test(9999));
}

TEST_CASE("a mask holds seven fields a byte", "[delta]") {
    const Bytes bytes = bytes_of({0x80 | 0x41, 0x02});
    const FieldMask mask{bytes};
    CHECK(mask.test(0));
    CHECK_FALSE(mask.test(1));
    CHECK(mask.test(6));
    CHECK_FALSE(mask.test(7));
    CHECK(mask.test(8));
    CHECK_FALSE(mask.test(9));
    CHECK_FALSE(mask.test(60000));
    CHECK(mask.limit() == 9);
}

TEST_CASE("padding never makes a field differ", "[delta]") {
    std::mt19937 random{2};
    for (const Table& table : test_schema().tables()) {
        CAPTURE(table.name);
        const Bytes before = random_row(table, random);
        Bytes after = before;
        scribble_padding(table, after, std::byte{0x5A});
        CHECK(differing(table, before, after).empty());
    }
}

TEST_CASE("every byte of a value makes its field, and only it, differ", "[delta]") {
    std::mt19937 random{3};
    for (const Table& table : test_schema().tables()) {
        for (const Field& field : table.fields) {
            std::size_t run = 0;
            std::uint32_t covered = 0;
            ecsdb::delta::detail::for_each_piece(table, field, run, [&](std::uint32_t offset, std::uint32_t size) {
                covered += size;
                for (std::uint32_t i = 0; i < size; ++i) {
                    const Bytes before = random_row(table, random);
                    Bytes after = before;
                    after[offset + i] ^= std::byte{1};
                    CAPTURE(table.name, field.name, offset + i);
                    REQUIRE(differing(table, before, after) == std::vector<FieldId>{field.id});
                    REQUIRE(ecsdb::delta::detail::field_differs(table, field, before.data(), after.data()));
                }
            });
            CHECK(covered == field.packed_size);
        }
    }
}

TEST_CASE("fields go from row to values and back, and leave the rest alone", "[delta]") {
    std::mt19937 random{4};
    for (const Table& table : test_schema().tables()) {
        for (int round = 0; round < 50; ++round) {
            const Bytes row = random_row(table, random);
            Bytes septets;
            for (std::size_t i = 0; i < table.fields.size(); i += 7) {
                septets.push_back(static_cast<std::byte>(random() % 0x80 | 0x80));
            }
            const FieldMask mask{septets};
            const FieldCopy copy{table, mask};
            Bytes values(copy.packed_size());
            REQUIRE(copy.pack(row.data(), values.data()) == values.data() + values.size());

            Bytes whole(table.packed_size);
            pack_row(table.runs, row.data(), whole.data());
            Bytes expected;
            for (const Field& field : table.fields) {
                if (mask.test(field.id)) {
                    expected.insert(expected.end(), whole.begin() + field.packed_offset,
                                    whole.begin() + field.packed_offset + field.packed_size);
                }
            }
            CAPTURE(table.name, round);
            REQUIRE(values == expected);

            Bytes other(table.size, std::byte{0x77});
            Bytes again = other;
            copy.unpack(values.data(), other.data());
            apply_fields(table, mask, values.data(), again.data());
            REQUIRE(other == again);
            for (const Field& field : table.fields) {
                std::size_t run = 0;
                ecsdb::delta::detail::for_each_piece(table, field, run, [&](std::uint32_t offset, std::uint32_t size) {
                    for (std::uint32_t i = offset; i < offset + size; ++i) {
                        REQUIRE(other[i] == (mask.test(field.id) ? row[i] : std::byte{0x77}));
                    }
                });
            }
        }
    }
}

TEST_CASE("all fields packed are the packed row", "[delta]") {
    std::mt19937 random{5};
    for (const Table& table : test_schema().tables()) {
        const Bytes row = random_row(table, random);
        Bytes expected(table.packed_size);
        Bytes values(table.packed_size);
        pack_row(table.runs, row.data(), expected.data());
        FieldCopy{table, FieldMask::all()}.pack(row.data(), values.data());
        CAPTURE(table.name);
        CHECK(values == expected);
    }
}

} // namespace fields_test
