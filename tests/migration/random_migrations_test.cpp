#include "migration/migration_fixture.hpp"
#include "support/environment.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace random_migrations_test {

using namespace migration_test;
using ecsdb::FieldType;

namespace {

using Random = std::mt19937_64;
std::uint64_t below(Random& random, std::uint64_t end) {
    return random() % end;
}

/// A field of the model: an integer, of as many bits as both sides of it have, or a text.
struct ModelField {
    std::string name;
    FieldType type = FieldType::U8;
    bool nullable = false;
    std::int64_t by_default = 0;
};
struct ModelTable {
    std::string name;
    bool sparse = false;
    std::vector<ModelField> fields;
};
/// What a row holds, by field; nothing: null. A text is told by its number.
using ModelRow = std::map<std::string, std::optional<std::int64_t>>;

struct Model {
    std::vector<ModelTable> tables;
    std::map<std::uint64_t, std::map<std::string, ModelRow>> entities; ///< By id, by table.
    int next_name = 0;

    ModelField new_field(Random& random) {
        constexpr std::array types{FieldType::U8,  FieldType::I8,  FieldType::U16, FieldType::I16,
                                   FieldType::U32, FieldType::I32, FieldType::I64, FieldType::Text};
        ModelField field;
        field.name = "f" + std::to_string(next_name++);
        field.type = types[below(random, types.size())];
        field.nullable = below(random, 4) == 0;
        field.by_default = static_cast<std::int64_t>(below(random, 100));
        return field;
    }
    void add_table(Random& random) {
        ModelTable table{"t" + std::to_string(next_name++), below(random, 3) == 0, {}};
        for (std::uint64_t i = below(random, 4); i > 0; --i) {
            table.fields.push_back(new_field(random));
        }
        tables.push_back(std::move(table));
    }

    /// Changes the schema in ways that need no step, and the rows with it.
    void evolve(Random& random) {
        for (ModelTable& table : tables) {
            table.sparse = below(random, 4) == 0 ? !table.sparse : table.sparse;
            for (ModelField& field : table.fields) {
                widen(random, field);
            }
            if (below(random, 2) == 0) {
                const ModelField field = new_field(random);
                table.fields.push_back(field);
                for (auto& [entity, rows] : entities) {
                    if (const auto row = rows.find(table.name); row != rows.end()) {
                        row->second[field.name] = field.by_default;
                    }
                }
            }
            std::shuffle(table.fields.begin(), table.fields.end(), random);
        }
        if (below(random, 3) == 0) {
            add_table(random);
        }
        std::shuffle(tables.begin(), tables.end(), random);
    }

    static void widen(Random& random, ModelField& field) {
        field.nullable = field.nullable || below(random, 5) == 0;
        if (below(random, 3) != 0) {
            return;
        }
        switch (field.type) {
        case FieldType::U8:
            field.type = below(random, 2) == 0 ? FieldType::U16 : FieldType::I16;
            break;
        case FieldType::I8:
            field.type = FieldType::I32;
            break;
        case FieldType::U16:
            field.type = below(random, 2) == 0 ? FieldType::I64 : FieldType::U32;
            break;
        case FieldType::I16:
            field.type = FieldType::I32;
            break;
        case FieldType::U32:
        case FieldType::I32:
            field.type = FieldType::I64;
            break;
        default:
            break;
        }
    }

    [[nodiscard]] std::string toml() const {
        std::string text;
        for (const ModelTable& table : tables) {
            text += "[tables." + table.name + "]\n" + (table.sparse ? "storage = \"sparse\"\n" : "") + "fields = [\n";
            for (const ModelField& field : table.fields) {
                const std::string value = std::to_string(field.by_default);
                text += "    { name = \"" + field.name + "\", type = \"" + std::string{ecsdb::name_of(field.type)} +
                        "\", default = " + (field.type == FieldType::Text ? '"' + value + '"' : value) +
                        (field.nullable ? ", nullable = true" : "") + " },\n";
            }
            text += "]\n";
        }
        return text;
    }

    /// Some new entities, and some that go.
    void write(Random& random, Db& db) {
        for (int i = 0; i < 12; ++i) {
            auto tx = db.begin();
            const Entity entity = tx.create();
            auto& rows = entities[entity.to_bits()];
            for (const ModelTable& table : tables) {
                if (below(random, 2) == 0) {
                    continue;
                }
                ecsdb::Row row = required(ecsdb::Row::of(db.schema(), table.name));
                ModelRow& model = rows[table.name];
                for (const ModelField& field : table.fields) {
                    const auto value = static_cast<std::int64_t>(below(random, 128));
                    model[field.name] = value;
                    set(row, field, value, tx);
                }
                tx.insert_row(entity, row.table(), row.bytes());
            }
            require(tx.commit());
            if (below(random, 10) == 0) {
                require(db.destroy(entity).wait());
                entities.erase(entity.to_bits());
            }
        }
    }
    template <typename Tx>
    static void set(ecsdb::Row& row, const ModelField& field, std::int64_t value, Tx& tx) {
        const auto as = [&](auto zero) { require(row.set(field.name, static_cast<decltype(zero)>(value))); };
        switch (field.type) {
        case FieldType::U8:
            return as(std::uint8_t{});
        case FieldType::I8:
            return as(std::int8_t{});
        case FieldType::U16:
            return as(std::uint16_t{});
        case FieldType::I16:
            return as(std::int16_t{});
        case FieldType::U32:
            return as(std::uint32_t{});
        case FieldType::I32:
            return as(std::int32_t{});
        case FieldType::I64:
            return as(std::int64_t{});
        default:
            require(row.set(field.name, tx.text(std::to_string(value))));
        }
    }

    void check(Db& db) const {
        const ecsdb::View view = db.read();
        REQUIRE(view.entity_count() == entities.size());
        for (const auto& [bits, rows] : entities) {
            const Entity entity = ecsdb::Entity::from_bits(bits);
            for (const ModelTable& table : tables) {
                const ecsdb::Table* const stored = db.schema().find_table(table.name);
                REQUIRE(stored != nullptr);
                const std::byte* const row = view.find_row(entity, stored->id);
                const auto model = rows.find(table.name);
                REQUIRE((row != nullptr) == (model != rows.end()));
                for (std::size_t i = 0; row != nullptr && i < table.fields.size(); ++i) {
                    const ModelField& field = table.fields[i];
                    const ecsdb::Field& at = *stored->find_field(field.name);
                    if (at.type != field.type || model->second.at(field.name) != value_of(view, row, at)) {
                        FAIL(table.name << "." << field.name << " of " << entity.index());
                    }
                }
            }
        }
    }
    static std::optional<std::int64_t> value_of(const ecsdb::View& view, const std::byte* row, const ecsdb::Field& field) {
        if (field.has_presence_byte() && row[field.presence_offset] == std::byte{0}) {
            return std::nullopt;
        }
        if (field.type == FieldType::Text) {
            ecsdb::Text text;
            std::memcpy(static_cast<void*>(&text), row + field.offset, sizeof(text));
            return std::stoll(std::string{view.text(text)});
        }
        std::int64_t value = 0; // all values are small and positive: the low bytes are the value
        std::memcpy(&value, row + field.offset, field.size);
        return value;
    }
};

} // namespace

TEST_CASE("random schemas evolve, again and again, and no value is lost", "[migration][random]") {
    const std::uint64_t seed = ecsdb::test::test_seed("random migrations");
    for (std::uint64_t world = 0; world < 12 * ecsdb::test::test_scale(); ++world) {
        CAPTURE(seed, world);
        Random random{seed + world};
        SimulatedFileSystem files;
        Model model;
        model.add_table(random);
        model.add_table(random);
        for (int generation = 0; generation < 5; ++generation) {
            CAPTURE(generation, model.toml());
            {
                Db db = open(files, model.toml());
                model.check(db);
                model.write(random, db);
                model.check(db);
                if (below(random, 2) == 0) {
                    require(db.snapshot());
                }
            }
            if (below(random, 2) == 0) {
                files.crash({});
            }
            model.evolve(random);
        }
    }
}

} // namespace random_migrations_test
