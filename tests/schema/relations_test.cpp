#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/relations.hpp"

namespace relations_test {

using ecsdb::FieldType;
using ecsdb::OnDelete;
using namespace sample;

TEST_CASE("a circle of cascades that meets a restrict anywhere is refused", "[schema][relations]") {
    const auto circle = [](OnDelete a, OnDelete b, OnDelete c) {
        return complaint(finish({table("a", {key_to("k", "b", "entity_id", a)}), table("b", {key_to("k", "c", "entity_id", b)}),
                                 table("c", {key_to("k", "a", "entity_id", c)})}));
    };
    CHECK_THAT(circle(OnDelete::Cascade, OnDelete::Cascade, OnDelete::Restrict), Catch::Matchers::Contains("closes a circle"));
    CHECK_THAT(circle(OnDelete::Restrict, OnDelete::Restrict, OnDelete::Cascade), Catch::Matchers::Contains("closes a circle"));
    CHECK(circle(OnDelete::Cascade, OnDelete::Cascade, OnDelete::Cascade).empty());
    CHECK(circle(OnDelete::Restrict, OnDelete::Restrict, OnDelete::Restrict).empty());
    CHECK(circle(OnDelete::Cascade, OnDelete::SetNull, OnDelete::Restrict).empty()); // set_null breaks the circle.
}

TEST_CASE("a table that refers to itself both ways is refused", "[schema][relations]") {
    CHECK_THAT(complaint(finish({table("a", {key_to("boss", "a", "entity_id", OnDelete::Cascade), key_to("heir", "a", "entity_id")})})),
               Catch::Matchers::Contains("closes a circle"));
    CHECK(finish({table("a", {key_to("boss", "a", "entity_id", OnDelete::Cascade)})}));
}

TEST_CASE("cascade and restrict may meet where there is no circle", "[schema][relations]") {
    CHECK(finish({table("a", {key_to("k", "b", "entity_id", OnDelete::Cascade), key_to("m", "c", "entity_id")}),
                  table("b", {key_to("k", "c", "entity_id")}), table("c")}));
}

TEST_CASE("long chains of tables are walked without recursion", "[schema][relations]") {
    std::vector<ecsdb::Table> tables;
    for (int i = 0; i < 20000; ++i) {
        ecsdb::Table made = table("t" + std::to_string(i));
        if (i > 0) {
            made.parent_name = "t" + std::to_string(i - 1);
            made.fields = {key_to("k", made.parent_name, "entity_id")};
        }
        tables.push_back(std::move(made));
    }
    CHECK(finish(tables));
    tables.front().parent_name = "t19999";
    CHECK_THAT(complaint(finish(tables)), Catch::Matchers::Contains("is also its child"));
}

TEST_CASE("a dropped table is no target, and refers to nothing itself", "[schema][relations]") {
    auto gone = table("gone", {key_to("k", "nowhere", "entity_id")});
    gone.dropped = true;
    gone.parent_name = "nowhere";
    const auto schema = finish({gone});
    REQUIRE(schema);
    CHECK_FALSE(schema->table(0).fields[0].foreign_key);
    CHECK(schema->table(0).parent == ecsdb::no_table);
    CHECK_THAT(complaint(finish({gone, table("t", {key_to("k", "gone", "entity_id")})})),
               Catch::Matchers::Contains("is not in the schema"));
}

TEST_CASE("rows may refer to what is kept as well as they are, or better", "[schema][relations]") {
    const auto refers = [](ecsdb::Persist from, ecsdb::Persist to) {
        auto source = table("source", {key_to("k", "target", "entity_id")});
        auto target = table("target");
        source.persist = from;
        target.persist = to;
        return finish({source, target}).has_value();
    };
    using ecsdb::Persist;
    CHECK_FALSE(refers(Persist::Wal, Persist::Snapshot));
    CHECK_FALSE(refers(Persist::Wal, Persist::Transient));
    CHECK_FALSE(refers(Persist::Snapshot, Persist::Transient));
    CHECK(refers(Persist::Wal, Persist::Wal));
    CHECK(refers(Persist::Transient, Persist::Wal));
    CHECK(refers(Persist::Snapshot, Persist::Wal));
}

TEST_CASE("names are found by an index, and the first repetition is named", "[schema][relations]") {
    using ecsdb::detail::NameIndex;
    const std::vector<std::string_view> words{"c", "a", "b", "a", "c"};
    CHECK(NameIndex{words}.first_duplicate() == 3);
    CHECK(NameIndex{words}.find("b") == 2);
    CHECK(NameIndex{words}.find("a") == 1);
    CHECK(NameIndex{words}.find("d") == NameIndex::none);
    CHECK(NameIndex{std::vector<std::string_view>{}}.first_duplicate() == NameIndex::none);
}

} // namespace relations_test
