#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/toml_reader.hpp"
#include "ecsdb/schema/toml_writer.hpp"

#include <limits>
#include <random>

namespace toml_writer_test {

using ecsdb::Field;
using ecsdb::FieldType;
using ecsdb::SchemaValue;
using namespace sample;

namespace {

void check_round_trip(const ecsdb::Schema& schema) {
    const std::string text = ecsdb::to_toml(schema);
    INFO(text);
    const auto back = ecsdb::parse_schema(text, "written.toml");
    INFO(complaint(back));
    REQUIRE(back);
    CHECK(back->hash() == schema.hash());
    CHECK(back->name() == schema.name());
    CHECK(back->database_version() == schema.database_version());
    CHECK(back->entity_names().key == schema.entity_names().key);
    CHECK(back->entity_names().version == schema.entity_names().version);
    REQUIRE(back->tables().size() == schema.tables().size());
    for (std::size_t i = 0; i < schema.tables().size(); ++i) {
        CHECK(back->tables()[i].capacity == schema.tables()[i].capacity);
        CHECK(back->tables()[i].key_name == schema.tables()[i].key_name);
    }
    CHECK(ecsdb::to_toml(*back) == text);
}

} // namespace

TEST_CASE("names that need escapes come back", "[schema][toml_writer]") {
    const auto schema = ecsdb::finish_schema(ecsdb::Schema{"a \"b\" \\ \n\t\x7F é", "\x01", {}, {}, {}, {"uid", "revision"}});
    REQUIRE(schema);
    check_round_trip(*schema);
}

TEST_CASE("numbers at the ends of their types come back", "[schema][toml_writer]") {
    Field largest = field("largest", FieldType::U64);
    largest.default_value = largest.max = std::numeric_limits<std::uint64_t>::max();
    Field least = field("least", FieldType::I64);
    least.default_value = least.min = std::numeric_limits<std::int64_t>::min();
    Field tiny = field("tiny", FieldType::F64);
    tiny.default_value = std::numeric_limits<double>::denorm_min();
    tiny.min = -std::numeric_limits<double>::max();
    tiny.max = 0.1;
    const auto schema = finish({table("t", {largest, least, tiny})});
    INFO(complaint(schema));
    REQUIRE(schema);
    check_round_trip(*schema);
}

TEST_CASE("a dropped table comes back in its place, even when its name was given away", "[schema][toml_writer]") {
    auto dropped = table("gone", {field("x", FieldType::U8)});
    dropped.dropped = true;
    const auto schema = finish({dropped, dropped, table("gone", {field("x", FieldType::U8)}), table("dropped_0")});
    INFO(complaint(schema));
    REQUIRE(schema);
    check_round_trip(*schema);
}

TEST_CASE("a schema made from structs comes back", "[schema][toml_writer]") {
    const auto schema = ecsdb::schema_of<Everything, Position, Tag>("structs");
    REQUIRE(schema);
    check_round_trip(*schema);
}

TEST_CASE("random schemas come back", "[schema][toml_writer]") {
    for (unsigned seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        std::mt19937 random{seed};
        const auto pick = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
        std::vector<ecsdb::EnumType> enums{{"E", FieldType::I16, {{"a", -3}, {"b", 300}}}};
        ecsdb::StructType inner;
        inner.name = "S";
        inner.fields = {field("u", FieldType::U8), field("v", FieldType::F64)};
        std::vector<ecsdb::Table> tables;
        for (unsigned t = 0; t < 1 + pick(4); ++t) {
            ecsdb::Table made = table("t" + std::to_string(t));
            made.storage = static_cast<ecsdb::Storage>(pick(2));
            made.persist = static_cast<ecsdb::Persist>(t == 0 ? 0 : pick(3));
            made.capacity = pick(2) * pick(1000);
            made.version = 1 + pick(3);
            made.deprecated = pick(4) == 0;
            made.key_name = pick(2) == 0 ? "me" : "";
            made.parent_name = t != 0 && pick(2) == 0 ? "t0" : "";
            for (unsigned f = 0; f < pick(8); ++f) {
                Field one = field("f" + std::to_string(f), static_cast<FieldType>(1 + pick(15)));
                one.capacity = one.type == FieldType::String ? 1 + pick(20) : 0;
                for (unsigned d = pick(3); d > 0; --d) {
                    one.extents.push_back(1 + pick(4));
                }
                one.nullable = pick(3) == 0;
                one.not_null = !one.nullable && pick(2) == 0;
                one.unique = pick(2) == 0 && !ecsdb::is_floating(one.type) && one.type != FieldType::Struct;
                one.indexed = pick(2) == 0 && one.extents.empty() && one.type != FieldType::Struct;
                one.deprecated = pick(5) == 0;
                if (ecsdb::is_integer(one.type)) {
                    one.min = std::int64_t{1};
                    one.default_value = std::int64_t{5 + pick(50)};
                    one.max = std::int64_t{100};
                } else if (one.type == FieldType::F32) {
                    one.default_value = static_cast<double>(random()) / 7.0;
                } else if (one.type == FieldType::Enum && pick(2) == 0) {
                    one.default_value = std::string{"b"};
                } else if (one.type == FieldType::Entity && one.extents.empty()) {
                    one.foreign_key = key_to("", pick(2) == 0 ? "entities" : "t0", "id").foreign_key;
                    one.foreign_key->on_delete = one.not_null ? ecsdb::OnDelete::Restrict : ecsdb::OnDelete::SetNull;
                    if (one.foreign_key->table == "t0") {
                        one.foreign_key->field =
                            t == 0 ? (made.key_name.empty() ? "entity_id" : "me") : (tables[0].key_name.empty() ? "entity_id" : "me");
                    }
                }
                made.fields.push_back(one);
            }
            tables.push_back(std::move(made));
        }
        const auto schema = finish(std::move(tables), std::move(enums), {inner});
        INFO(complaint(schema));
        REQUIRE(schema);
        check_round_trip(*schema);
    }
}

} // namespace toml_writer_test
