/// No C++ types at all: the schema is a text, tables and fields are reached by name.
#include <ecsdb/ecsdb.hpp>

#include <cstdio>

namespace {

constexpr std::string_view schema_text = R"(
[database]
name = "tavern"

[tables.guest]
parent_table = "entities"
[[tables.guest.fields]]
name = "name"
type = "string[16]"
[[tables.guest.fields]]
name = "coins"
type = "u32"
default = 5
)";

ecsdb::Result<void> run() {
    auto schema = ecsdb::parse_schema(schema_text, "tavern.toml");
    if (!schema) {
        return std::move(schema).error();
    }
    auto opened = ecsdb::Database<>::open({}, std::move(*schema));
    if (!opened) {
        return std::move(opened).error();
    }
    auto& tavern = *opened;
    const auto coins = ecsdb::find_field<std::uint32_t>(tavern.schema(), "guest", "coins");
    if (!coins) {
        return coins.error().clone();
    }

    auto row = ecsdb::Row::of(tavern.schema(), "guest");
    if (!row) {
        return std::move(row).error();
    }
    if (auto set = row->set_text("name", "Ada"); !set) {
        return set;
    }
    auto tx = tavern.begin();
    const ecsdb::Entity ada = tx.create();
    tx.insert(ada, *row);
    tx.update(ada, *coins, 7U);
    if (auto committed = tx.commit(); !committed) {
        return committed;
    }

    const auto view = tavern.read();
    std::printf("%llu guest(s), Ada has %u coins\n", static_cast<unsigned long long>(view.count_rows(coins->table)),
                *view.get(ada, *coins));

    // A wrong type is told, not reinterpreted.
    if (const auto wrong = ecsdb::find_field<float>(tavern.schema(), "guest", "coins"); !wrong) {
        std::printf("%s\n", wrong.error().to_string().c_str());
    }
    return {};
}

} // namespace

int main() {
    if (auto result = run(); !result) {
        std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
        return 1;
    }
    return 0;
}
