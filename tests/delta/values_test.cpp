#include "ecsdb/delta/values.hpp"

#include "delta/delta_fixture.hpp"

#include <cmath>
#include <cstring>
#include <limits>

namespace values_test {

using namespace delta_test;

namespace {

/// A table with every type of field that not any bytes may stand in, among some that take any.
struct Scene {
    Schema schema;

    Scene() {
        EnumType mood{"mood", FieldType::U8, {{"calm", 3}, {"cross", 4}, {"gone", 200}}};
        EnumType side{"side", FieldType::I16, {{"right", 7}, {"left", -7}}};
        Field kind = field("kind", FieldType::Enum);
        kind.type_index = 1;
        kind.nullable = true;
        StructType part;
        part.name = "part";
        part.fields = {field("flag", FieldType::Bool), kind, field("size", FieldType::U32)};
        Field feeling = field("feeling", FieldType::Enum);
        feeling.type_index = 0;
        Field label = field("label", FieldType::String);
        label.capacity = 17;
        Field shield = field("shield", FieldType::U32);
        shield.nullable = true;
        Field parts = field("parts", FieldType::Struct);
        parts.extents = {2};
        Field flags = field("flags", FieldType::Bool);
        flags.extents = {2, 2};
        Field motto = label;
        motto.name = "motto";
        motto.nullable = true;
        std::vector<Table> tables{table("thing", {field("weight", FieldType::F32), field("on", FieldType::Bool), feeling, label, shield,
                                                  parts, flags, field("maker", FieldType::Entity), motto}),
                                  table("plain", {field("x", FieldType::F64), field("maker", FieldType::Entity)})};
        Result<Schema> finished = finish_schema(Schema{"test", "1.0", std::move(tables), {mood, side}, {part}});
        if (!finished) {
            FAIL(finished.error().message());
        }
        schema = *std::move(finished);
    }
    const Table& thing() const { return schema.table(0); }
    const Field& at(std::string_view name) const { return *thing().find_field(name); }

    /// A row without a fault, and what each test makes of it.
    Bytes row() const {
        Bytes row(thing().size);
        row[at("feeling").offset] = std::byte{3};
        return row;
    }
    void text(Bytes& row, std::string_view name, std::uint16_t length, std::string_view bytes) const {
        std::byte* const place = row.data() + at(name).offset;
        std::memcpy(place, &length, sizeof length);
        std::memcpy(place + 2, bytes.data(), bytes.size());
    }
    /// What a row's check and that of a delta with the row, whole or by the field alone, say; all must be the same.
    std::string fault(const Bytes& row) const {
        const ValueCheck check{schema, thing()};
        const ValueFault fault = check.row(row.data());
        const std::string said = fault ? fault.describe() : "";
        const Bytes good = this->row();
        for (const RowChangeKind kind : {RowChangeKind::Added, RowChangeKind::Changed}) {
            const std::vector<RowChange> rows{{6, kind, row.data(), good.data()}, {7, kind, good.data(), row.data()}};
            ByteBuffer out{memory()};
            Encoder encoder{memory()};
            encoder.begin(out, Header{.from = 0, .to = 1, .origin = {}, .clock = {}});
            encoder.table(thing(), rows);
            encoder.end();
            const Bytes bytes = copy_of(out);
            const Result<DeltaView> view = DeltaView::parse(bytes);
            REQUIRE(view);
            const Result<void> valid = validate(*view, schema);
            CHECK(valid.has_value() == said.empty());
            if (!valid) {
                CHECK(valid.error().code() == ErrorCode::Corrupt);
                CHECK(valid.error().message() == "delta: table 0 (`thing`), entity 7, " + said);
            }
        }
        return said;
    }
};

} // namespace

TEST_CASE("bytes that are no value of their field are named, with table, entity and field", "[delta]") {
    const Scene scene;
    Bytes row = scene.row();
    SECTION("a bool of 2") {
        row[scene.at("on").offset] = std::byte{2};
        CHECK(scene.fault(row) == "field `on` is neither false (0) nor true (1)");
    }
    SECTION("a bool in an array") {
        row[scene.at("flags").offset + 3] = std::byte{255};
        CHECK(scene.fault(row) == "field `flags` is neither false (0) nor true (1)");
    }
    SECTION("a number without a name in the enum") {
        for (const int number : {0, 2, 5, 199, 201, 255}) {
            row[scene.at("feeling").offset] = static_cast<std::byte>(number);
            CHECK(scene.fault(row) == "field `feeling` is no value of its enum");
        }
    }
    SECTION("text that says it is longer than its field") {
        scene.text(row, "label", 18, "");
        CHECK(scene.fault(row) == "field `label` says it is longer than the text it holds");
        scene.text(row, "label", 65535, "");
        CHECK(scene.fault(row) == "field `label` says it is longer than the text it holds");
    }
    SECTION("text that is not UTF-8") {
        scene.text(row, "label", 17, "0123456789abcdef\x80");
        CHECK(scene.fault(row) == "field `label` is not UTF-8");
        scene.text(row, "label", 2, "\xC0\x80");
        CHECK(scene.fault(row).find("not UTF-8") != std::string::npos);
    }
    SECTION("text that goes on after its end") {
        scene.text(row, "label", 3, "abc\x01");
        CHECK(scene.fault(row) == "field `label` has bytes other than zero after its text");
        row = scene.row();
        row[scene.at("label").offset + 2 + 16] = std::byte{1};
        CHECK(scene.fault(row) == "field `label` has bytes other than zero after its text");
    }
    SECTION("a presence byte of 7") {
        row[scene.at("shield").presence_offset] = std::byte{7};
        CHECK(scene.fault(row) == "field `shield` has a presence byte that is neither 0 nor 1");
    }
    SECTION("within a struct") {
        const StructType& part = scene.schema.structs()[0];
        std::byte* const second = row.data() + scene.at("parts").offset + part.size;
        second[part.fields[0].offset] = std::byte{2};
        CHECK(scene.fault(row) == "field `parts`, `flag` is neither false (0) nor true (1)");
        second[part.fields[0].offset] = std::byte{1};
        second[part.fields[1].presence_offset] = std::byte{1};
        CHECK(scene.fault(row) == "field `parts`, `kind` is no value of its enum");
        second[part.fields[1].offset] = std::byte{7};
        CHECK(scene.fault(row).empty());
        second[part.fields[1].presence_offset] = std::byte{2};
        CHECK(scene.fault(row) == "field `parts`, `kind` has a presence byte that is neither 0 nor 1");
    }
}

TEST_CASE("every value of a field passes, and so do any bytes where any are one", "[delta]") {
    const Scene scene;
    Bytes row = scene.row();
    CHECK(scene.fault(row).empty());
    for (const int number : {3, 4, 200}) {
        row[scene.at("feeling").offset] = static_cast<std::byte>(number);
        CHECK(scene.fault(row).empty());
    }
    scene.text(row, "label", 17, "0123456789abcd\xE2\x82\xAC");
    CHECK(scene.fault(row).empty());
    for (const float weight : {-0.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::signaling_NaN(),
                               -std::numeric_limits<float>::infinity()}) {
        std::memcpy(row.data() + scene.at("weight").offset, &weight, sizeof weight);
        CHECK(scene.fault(row).empty());
    }
    std::memset(row.data() + scene.at("maker").offset, 0xFF, sizeof(Entity)); // any id may be kept
    CHECK(scene.fault(row).empty());
    std::memset(row.data() + scene.at("motto").offset, 0xFF, scene.at("motto").size); // absent: not a value
    CHECK(scene.fault(row).empty());
    row[scene.at("motto").presence_offset] = std::byte{1};
    CHECK_FALSE(scene.fault(row).empty());
}

TEST_CASE("a table in which any bytes are a row has nothing to check", "[delta]") {
    const Scene scene;
    CHECK(ValueCheck{scene.schema, scene.schema.table(1)}.empty());
    CHECK_FALSE(ValueCheck{scene.schema, scene.schema.table(0)}.empty());
    CHECK(ValueCheck{test_schema(), test_schema().table(position)}.empty());
    CHECK_FALSE(ValueCheck{test_schema(), test_schema().table(health)}.empty());
    CHECK_FALSE(ValueCheck{test_schema(), test_schema().table(kit)}.empty());
}

} // namespace values_test
