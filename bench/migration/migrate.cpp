#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/migration.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bench::migrate_bench {
namespace {

using Db = ecsdb::Database<>;

ecsdb::Field field(const char* name, ecsdb::FieldType type) {
    ecsdb::Field made;
    made.name = name;
    made.type = type;
    return made;
}

/// One table of four numbers; in version 2 one of them is wider and a fifth is there.
ecsdb::Schema unit(std::uint32_t version) {
    ecsdb::Table table;
    table.name = "unit";
    table.version = version;
    table.fields = {field("x", ecsdb::FieldType::F32), field("y", ecsdb::FieldType::F32),
                    field("hp", version == 1 ? ecsdb::FieldType::U16 : ecsdb::FieldType::U32), field("owner", ecsdb::FieldType::Entity)};
    if (version == 2) {
        table.fields.push_back(field("mana", ecsdb::FieldType::U32));
    }
    return *ecsdb::finish_schema(ecsdb::Schema{"bench", {}, {table}, {}, {}});
}

ecsdb::Options in(ecsdb::FileSystem& files) {
    ecsdb::Options options;
    options.directory = "world";
    options.durability = ecsdb::Durability::Logged;
    options.file_system = &files;
    return options;
}

/// A database of so many rows in version 1, with everything in a snapshot.
std::unique_ptr<ecsdb::SimulatedFileSystem> stored(std::int64_t rows) {
    auto files = std::make_unique<ecsdb::SimulatedFileSystem>();
    Db db = *Db::open(in(*files), unit(1));
    const std::vector<std::byte> row = ecsdb::default_row(db.schema(), db.schema().table(0));
    for (std::int64_t done = 0; done < rows;) {
        auto tx = db.begin();
        for (int i = 0; i < 10'000 && done < rows; ++i, ++done) {
            tx.insert_row(tx.create(), 0, row);
        }
        static_cast<void>(tx.commit());
    }
    static_cast<void>(db.snapshot());
    static_cast<void>(db.close());
    return files;
}

void run(benchmark::State& state, const ecsdb::Migrations& migrations, std::uint32_t version) {
    const auto original = stored(state.range(0));
    const ecsdb::Schema wanted = unit(version);
    for (auto _ : state) {
        state.PauseTiming();
        const auto files = original->after_crash({.keep = ecsdb::KeepPending::All});
        state.ResumeTiming();
        if (version == 1) {
            const auto opened = Db::open(in(*files), wanted);
            if (!opened) {
                state.SkipWithError("the database was not opened");
            }
        } else if (auto migrated = ecsdb::migrate(in(*files), wanted, migrations); !migrated || !migrated->migrated) {
            state.SkipWithError("the database was not migrated");
        }
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// The floor: opening (and closing) the same database without a migration, which is part of each. Files in memory.
void migrate_floor_open(benchmark::State& state) {
    run(state, {}, 1);
}
/// Rows widened, one field added: no step.
void migrate_widen(benchmark::State& state) {
    run(state, {}, 2);
}
/// The same, every row through a step by names.
void migrate_step_by_name(benchmark::State& state) {
    ecsdb::Migrations migrations;
    migrations.step("unit", 1, 2, [](ecsdb::MigratingRow& row) {
        const auto hp = row.get<std::uint32_t>("hp");
        row.set("mana", hp ? *hp * 2 : 0);
    });
    run(state, migrations, 2);
}

} // namespace

BENCHMARK(migrate_floor_open)->Arg(200'000)->Unit(benchmark::kMillisecond);
BENCHMARK(migrate_widen)->Arg(200'000)->Unit(benchmark::kMillisecond);
BENCHMARK(migrate_step_by_name)->Arg(200'000)->Unit(benchmark::kMillisecond);

} // namespace bench::migrate_bench
