#include "delta/delta_fixture.hpp"
#include "ecsdb/delta/merge.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace merge_test {

using namespace delta_test;

namespace {

/// A database as plain as can be: what applying a delta must come to.
struct Model {
    struct Life {
        std::uint32_t generation = 0;
        std::uint32_t version = 0;
        friend bool operator==(const Life&, const Life&) = default;
    };
    std::map<std::uint32_t, Life> entities;
    std::map<std::uint32_t, std::uint32_t> spent; ///< The last generation that ended, by index.
    std::vector<std::map<std::uint32_t, Bytes>> tables{test_schema().tables().size()};
    friend bool operator==(const Model&, const Model&) = default;

    void destroy(std::uint32_t index) { destroy(index, entities.at(index).generation); }
    void destroy(std::uint32_t index, std::uint32_t generation) {
        spent[index] = generation;
        entities.erase(index);
        for (auto& rows : tables) {
            rows.erase(index);
        }
    }
};

/// Applies deltas strictly: whatever cannot be is a failed test.
struct Applier {
    Model& model;
    std::set<std::uint32_t> touched{};

    void destroyed(Entity entity) {
        // It may have come and gone unseen, but never again.
        const auto alive = model.entities.find(entity.index());
        REQUIRE((alive == model.entities.end() || alive->second.generation <= entity.generation()));
        const auto spent = model.spent.find(entity.index());
        REQUIRE((spent == model.spent.end() || spent->second < entity.generation()));
        model.destroy(entity.index(), entity.generation());
    }
    void created(Entity entity) {
        REQUIRE(model.entities.emplace(entity.index(), Model::Life{entity.generation(), 0}).second);
        touched.insert(entity.index());
    }
    void run(const Run& run) {
        const Table& table = test_schema().table(run.table);
        auto& rows = model.tables[run.table];
        run.for_each_row([&](std::uint32_t index, const std::byte* values) {
            REQUIRE(model.entities.count(index) == 1);
            REQUIRE((rows.count(index) == 1) == (run.kind != RowChangeKind::Added));
            touched.insert(index);
            if (run.kind == RowChangeKind::Removed) {
                rows.erase(index);
                return;
            }
            Bytes& row = rows[index];
            row.resize(table.size);
            apply_fields(table, run.mask, values, row.data());
        });
    }
    void version(std::uint32_t index, std::uint32_t increment) {
        REQUIRE(model.entities.count(index) == 1);
        model.entities[index].version += increment;
    }
};

void replay(Model& model, std::span<const std::byte> bytes) {
    const DeltaView view = parsed(bytes);
    Applier applier{model};
    view.visit(applier);
    if (view.header().counted) {
        for (const std::uint32_t index : applier.touched) {
            ++model.entities.at(index).version;
        }
    }
}

Bytes merged(std::span<const Bytes> deltas) {
    std::vector<std::span<const std::byte>> views(deltas.begin(), deltas.end());
    ByteBuffer out{memory()};
    if (const Result<void> result = merge(test_schema(), views, out, memory()); !result) {
        FAIL(result.error().message());
    }
    return copy_of(out);
}

ErrorCode merge_error(std::span<const Bytes> deltas) {
    std::vector<std::span<const std::byte>> views(deltas.begin(), deltas.end());
    ByteBuffer out{memory()};
    const Result<void> result = merge(test_schema(), views, out, memory());
    return result ? ErrorCode{} : result.error().code();
}

/// What a transaction did, as effects: compares a state before with one after. Versions are left to whoever applies the delta.
class Difference {
public:
    using Written = std::set<std::pair<TableId, std::uint32_t>>;

    Difference(const Model& before, const Model& after, const Written& written) {
        for (const auto& [index, life] : before.entities) {
            const auto now = after.entities.find(index);
            if (now == after.entities.end() || now->second.generation != life.generation) {
                destroyed.emplace_back(index, life.generation, 0U);
            }
        }
        for (const auto& [index, life] : after.entities) {
            if (!survives(before, after, index)) {
                created.emplace_back(index, life.generation, 0U);
            }
        }
        changes.resize(test_schema().tables().size());
        for (TableId table = 0; table < changes.size(); ++table) {
            for (const auto& [index, row] : before.tables[table]) {
                if (survives(before, after, index) && after.tables[table].count(index) == 0) {
                    changes[table].push_back({index, RowChangeKind::Removed, row.data(), nullptr});
                }
            }
            for (const auto& [index, row] : after.tables[table]) {
                const auto old = before.tables[table].find(index);
                if (old == before.tables[table].end() || !survives(before, after, index)) {
                    changes[table].push_back({index, RowChangeKind::Added, nullptr, row.data()});
                } else if (old->second != row || written.count({table, index}) != 0) {
                    changes[table].push_back({index, RowChangeKind::Changed, old->second.data(), row.data()});
                }
            }
            std::sort(changes[table].begin(), changes[table].end(),
                      [](const RowChange& a, const RowChange& b) { return a.index < b.index; });
        }
    }

    std::vector<Entity> created;
    std::vector<Entity> destroyed;
    std::vector<std::vector<RowChange>> changes;

private:
    static bool survives(const Model& before, const Model& after, std::uint32_t index) {
        const auto old = before.entities.find(index);
        const auto now = after.entities.find(index);
        return old != before.entities.end() && now != after.entities.end() && old->second.generation == now->second.generation;
    }
};

/// Makes random transactions on a state of its own.
class History {
public:
    explicit History(unsigned seed) : random_{seed} {}

    Model state;

    /// Runs one transaction and returns its delta.
    Bytes step() {
        Header header;
        header.from = next_version_;
        header.to = ++next_version_;
        header.tick = next_version_ * 10;
        Bytes delta = random_() % 5 == 0 ? column_update(header) : transaction(header);
        replay(state, delta);
        return delta;
    }

private:
    std::uint32_t pick(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

    Bytes transaction(Header header) {
        Model after = state;
        Difference::Written written;
        for (std::uint32_t i = pick(12); i-- > 0;) {
            operate(after, written);
        }
        const Difference difference{state, after, written};
        header.counted = random_() % 4 != 0;
        ByteBuffer out{memory()};
        Encoder encoder{memory()};
        encoder.begin(out, header);
        encoder.entities(difference.created, difference.destroyed);
        for (const Table& table : test_schema().tables()) {
            encoder.table(table, difference.changes[table.id]);
        }
        if (!header.counted) {
            std::vector<VersionIncrement> versions;
            for (const auto& [index, life] : after.entities) {
                if (random_() % 4 == 0) {
                    versions.push_back({index, 1 + pick(3)});
                }
            }
            encoder.versions(versions);
        }
        encoder.end();
        return copy_of(out);
    }

    void operate(Model& after, Difference::Written& written) {
        const std::uint32_t index = pick(12);
        const bool living = after.entities.count(index) != 0;
        const std::uint32_t what = pick(8);
        if (!living) {
            after.entities[index] = {++generations_[index], 0};
            return;
        }
        if (what == 0) {
            after.destroy(index);
            return;
        }
        const auto table = static_cast<TableId>(pick(static_cast<std::uint32_t>(after.tables.size())));
        auto& rows = after.tables[table];
        if (what == 1) {
            rows.erase(index);
            return;
        }
        const bool replaces = rows.count(index) != 0;
        Bytes row = random_row(test_schema().table(table), random_);
        if (replaces && what < 5) {
            const Bytes fresh = std::exchange(row, rows[index]);
            if (what < 4 && !row.empty()) {
                const std::vector<Field>& fields = test_schema().table(table).fields;
                const Field& field = fields[pick(static_cast<std::uint32_t>(fields.size()))];
                std::copy_n(fresh.begin() + field.offset, field.size, row.begin() + field.offset);
            }
        }
        rows[index] = row;
        written.insert({table, index});
    }

    Bytes column_update(const Header& header) {
        const Table& table = test_schema().table(static_cast<TableId>(pick(2) == 0 ? position : kit));
        std::vector<std::uint32_t> indices;
        for (const auto& [index, row] : state.tables[table.id]) {
            indices.push_back(index);
        }
        std::shuffle(indices.begin(), indices.end(), random_);
        Bytes before;
        Bytes after;
        for (const std::uint32_t index : indices) {
            const Bytes& row = state.tables[table.id][index];
            const Bytes other = random_() % 3 == 0 ? row : random_row(table, random_);
            before.insert(before.end(), row.begin(), row.end());
            after.insert(after.end(), other.begin(), other.end());
        }
        ColumnEncoder columns{memory(), table};
        columns.page(indices, before.data(), after.data());
        ByteBuffer out{memory()};
        Encoder encoder{memory()};
        encoder.begin(out, header);
        const std::array bodies{columns.body()};
        encoder.columns(table, bodies);
        encoder.end();
        return copy_of(out);
    }

    std::mt19937 random_;
    std::map<std::uint32_t, std::uint32_t> generations_;
    std::uint64_t next_version_ = 0;
};

/// A delta from `from` to the version after it.
template <typename Fill>
Bytes step_from(std::uint64_t from, Fill&& fill, bool counted = true) {
    Header header;
    header.from = from;
    header.to = from + 1;
    header.counted = counted;
    ByteBuffer out{memory()};
    Encoder encoder{memory()};
    encoder.begin(out, header);
    fill(encoder);
    encoder.end();
    return copy_of(out);
}

const std::vector<Entity> one{{7, 1, 0}};
const std::vector<Entity> again{{7, 2, 0}};
const Bytes row_a = row_of(1.0F, 2.0F, 3.0F);
const Bytes row_b = row_of(1.0F, 5.0F, 3.0F);
const Bytes row_c = row_of(9.0F, 5.0F, 3.0F);

Bytes entities_step(std::uint64_t from, const std::vector<Entity>& created, const std::vector<Entity>& destroyed) {
    return step_from(from, [&](Encoder& encoder) { encoder.entities(created, destroyed); });
}
Bytes row_step(std::uint64_t from, RowChangeKind kind, const Bytes& before, const Bytes& after) {
    return step_from(from, [&](Encoder& encoder) {
        encoder.table(test_schema().table(position), std::array{RowChange{7, kind, before.data(), after.data()}});
    });
}

} // namespace

TEST_CASE("deltas that do not follow one another are not merged", "[delta]") {
    const std::array deltas{row_step(4, RowChangeKind::Changed, row_a, row_b), row_step(6, RowChangeKind::Changed, row_b, row_c)};
    CHECK(merge_error(deltas) == ErrorCode::Gap);
    CHECK(merge_error({}) == ErrorCode::InvalidArgument);
    CHECK(merge_error(std::array{bytes_of({1, 2, 3})}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{bytes_of({1, 0, 0, 1, 2, 99, 2, 0, 5})}) == ErrorCode::Corrupt);
}

TEST_CASE("deltas that contradict each other are not merged", "[delta]") {
    const auto added = [](std::uint64_t from) { return row_step(from, RowChangeKind::Added, row_a, row_a); };
    const auto removed = [](std::uint64_t from) { return row_step(from, RowChangeKind::Removed, row_a, row_a); };
    const auto changed = [](std::uint64_t from) { return row_step(from, RowChangeKind::Changed, row_a, row_b); };
    CHECK(merge_error(std::array{added(0), added(1)}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{removed(0), removed(1)}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{removed(0), changed(1)}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{changed(0), added(1)}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{entities_step(0, one, {}), changed(1)}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{entities_step(0, {}, one), changed(1)}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{entities_step(0, one, {}), entities_step(1, again, {})}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{entities_step(0, {}, again), entities_step(1, {}, one)}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{entities_step(0, {}, again), entities_step(1, one, {})}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{entities_step(0, again, {}), entities_step(1, {}, one)}) == ErrorCode::Corrupt);
    CHECK(merge_error(std::array{entities_step(0, {}, one), entities_step(1, one, {})}) == ErrorCode::Corrupt);
}

TEST_CASE("a few bytes that name billions of entities are not expanded", "[delta]") {
    const Bytes hostile = bytes_of({1, 0, 0, 1, 1, 0, 8, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 1});
    REQUIRE(DeltaView::parse(hostile).has_value());
    CHECK(merge_error(std::array{hostile}) == ErrorCode::InvalidArgument);
    const Bytes tags = bytes_of({1, 0, 0, 1, 2, alive, 7, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0});
    REQUIRE(DeltaView::parse(tags).has_value());
    CHECK(merge_error(std::array{tags}) == ErrorCode::InvalidArgument);
}

TEST_CASE("without memory a merge says so", "[delta]") {
    const Bytes delta = row_step(0, RowChangeKind::Changed, row_a, row_b);
    const std::array<std::span<const std::byte>, 1> deltas{delta};
    ScarceAllocator scarce{0};
    ByteBuffer out{scarce};
    const Result<void> result = merge(test_schema(), deltas, out, scarce);
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == ErrorCode::OutOfMemory);
}

TEST_CASE("deltas that name entities of several shards are not merged", "[delta]") {
    const Bytes here = entities_step(0, one, {});
    CHECK(merge_error(std::array{here, bytes_of({1, 0, 1, 1, 1, 0, 4, 0, 8, 0, 1})}) == ErrorCode{});
    CHECK(merge_error(std::array{here, bytes_of({1, 0, 1, 1, 1, 5, 4, 0, 8, 0, 1})}) == ErrorCode::WrongShard);
}

TEST_CASE("created and destroyed leaves a spent generation, and no rows or versions", "[delta]") {
    const Bytes result = merged(std::array{entities_step(0, one, {}), row_step(1, RowChangeKind::Added, row_a, row_a),
                                           row_step(2, RowChangeKind::Changed, row_a, row_b), entities_step(3, {}, one)});
    CHECK(result == bytes_of({1, flag_merged, 0, 4, 1, 0, 4, 1, 7, 0, 1}));
    // The next generation may have come and gone within one delta: of both, the last is listed.
    CHECK(seen(merged(std::array{result, entities_step(4, {}, again)})).destroyed_entities == again);
    CHECK(seen(merged(std::array{entities_step(0, one, {}), entities_step(1, {}, again)})).destroyed_entities == again);
}

TEST_CASE("an index destroyed and created again is both, with the new entity's rows only", "[delta]") {
    const Bytes result = merged(std::array{row_step(0, RowChangeKind::Changed, row_a, row_b), entities_step(1, {}, one),
                                           entities_step(2, again, {}), row_step(3, RowChangeKind::Added, row_c, row_c)});
    const Seen seen_result = seen(result);
    CHECK(seen_result.destroyed_entities == one);
    CHECK(seen_result.created_entities == again);
    CHECK(seen_result.rows == std::vector<SeenRow>{{position, RowChangeKind::Added, 7, {}, row_c}});
    CHECK(seen_result.versions == std::vector<VersionIncrement>{{7, 2}});
}

TEST_CASE("what happens to one row adds up", "[delta]") {
    const auto rows = [](std::initializer_list<Bytes> deltas) { return seen(merged(std::vector<Bytes>{deltas})).rows; };
    const auto add = [](std::uint64_t from) { return row_step(from, RowChangeKind::Added, row_a, row_a); };
    const auto remove = [](std::uint64_t from) { return row_step(from, RowChangeKind::Removed, row_a, row_a); };
    const auto y = [](std::uint64_t from) { return row_step(from, RowChangeKind::Changed, row_a, row_b); };
    const auto x = [](std::uint64_t from) { return row_step(from, RowChangeKind::Changed, row_b, row_c); };
    const auto touch = [](std::uint64_t from) { return row_step(from, RowChangeKind::Changed, row_a, row_a); };
    using Rows = std::vector<SeenRow>;
    CHECK(rows({add(0), remove(1)}).empty());
    CHECK(rows({add(0), y(1)}) == Rows{{position, RowChangeKind::Added, 7, {}, row_b}});
    CHECK(rows({y(0), x(1)}) == Rows{{position, RowChangeKind::Changed, 7, {0, 1}, row_of(9.0F, 5.0F)}});
    CHECK(rows({y(0), remove(1)}) == Rows{{position, RowChangeKind::Removed, 7, {}, {}}});
    CHECK(rows({remove(0), add(1)}) == Rows{{position, RowChangeKind::Changed, 7, {0, 1, 2}, row_a}});
    CHECK(rows({remove(0), add(1), remove(2)}) == Rows{{position, RowChangeKind::Removed, 7, {}, {}}});
    CHECK(rows({add(0), remove(1), add(2)}) == Rows{{position, RowChangeKind::Added, 7, {}, row_a}});
    CHECK(rows({touch(0), touch(1)}) == Rows{{position, RowChangeKind::Changed, 7, {}, {}}});
}

TEST_CASE("the header spans all, keeps the last of what is last, and the origin all share", "[delta]") {
    std::vector<Bytes> deltas;
    for (std::uint64_t i = 0; i < 3; ++i) {
        Header header;
        header.from = 10 + i;
        header.to = 11 + i;
        header.time = 100 + i;
        header.tick = 7 + i;
        header.origin = {1, 2, 5};
        deltas.push_back(delta_of(header, position, {}));
    }
    const Bytes same = merged(deltas);
    CHECK(parsed(same).header().from == 10);
    CHECK(parsed(same).header().to == 13);
    CHECK(parsed(same).header().time == 102);
    CHECK(parsed(same).header().tick == 9);
    CHECK(parsed(same).header().merged);
    CHECK(parsed(same).header().origin == Origin{1, 2, 5});
    Header other;
    other.from = 13;
    other.to = 14;
    other.origin = {1, 2, 6};
    deltas.push_back(delta_of(other, position, {}));
    const Bytes mixed = merged(deltas);
    CHECK(parsed(mixed).header().origin.is_empty());
}

TEST_CASE("a merged delta counts by itself where that says the same", "[delta]") {
    const Bytes once = merged(std::array{entities_step(0, one, {}), entities_step(1, {{8, 1, 0}}, {})});
    CHECK(parsed(once).header().counted);
    CHECK(seen(once).versions.empty());
    const Bytes twice =
        merged(std::array{row_step(0, RowChangeKind::Changed, row_a, row_b), row_step(1, RowChangeKind::Changed, row_b, row_c)});
    CHECK_FALSE(parsed(twice).header().counted);
    CHECK(seen(twice).versions == std::vector<VersionIncrement>{{7, 2}});
}

TEST_CASE("the same changes are the same bytes, whatever the order of the operations", "[delta]") {
    std::mt19937 random{5};
    std::vector<RowChange> changes;
    std::vector<Bytes> rows;
    for (std::uint32_t i = 0; i < 60; ++i) {
        rows.push_back(random_row(test_schema().table(health), random));
    }
    for (std::uint32_t i = 1; i < 60; ++i) {
        changes.push_back({i * i, static_cast<RowChangeKind>(random() % 3), rows[i - 1].data(), rows[i].data()});
    }
    std::set<Bytes> results;
    for (int order = 0; order < 20; ++order) {
        std::shuffle(changes.begin(), changes.end(), random);
        std::vector<Bytes> deltas;
        for (const RowChange& change : changes) {
            deltas.push_back(
                step_from(deltas.size(), [&](Encoder& encoder) { encoder.table(test_schema().table(health), std::array{change}); }));
        }
        results.insert(merged(deltas));
    }
    REQUIRE(results.size() == 1);

    // And the same as if one transaction had done it all.
    std::sort(changes.begin(), changes.end(), [](const RowChange& a, const RowChange& b) { return a.index < b.index; });
    const Bytes at_once = step_from(0, [&](Encoder& encoder) { encoder.table(test_schema().table(health), changes); });
    const Bytes merged_bytes = *results.begin();
    const auto sections_of = [](const Bytes& bytes) {
        const std::size_t header = parsed(bytes).header_bytes().size();
        return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
    };
    CHECK(sections_of(merged_bytes) == sections_of(at_once));
}

TEST_CASE("applying a merged delta is applying its parts one by one", "[delta]") {
    for (unsigned seed = 0; seed < 150; ++seed) {
        CAPTURE(seed);
        History history{seed};
        for (std::uint64_t skipped = seed % 7; skipped-- > 0;) {
            history.step();
        }
        Model replica = history.state;
        std::vector<Bytes> deltas;
        for (unsigned i = 0; i < 1 + seed % 12; ++i) {
            deltas.push_back(history.step());
        }
        const Bytes whole = merged(deltas);
        replay(replica, whole);
        REQUIRE(replica == history.state);

        // Merging in two steps, cut anywhere, is merging in one; and merging a result again changes nothing.
        const std::size_t cut = seed % deltas.size();
        if (cut != 0) {
            const std::array halves{merged(std::span{deltas}.first(cut)), merged(std::span{deltas}.subspan(cut))};
            REQUIRE(merged(halves) == whole);
        }
        REQUIRE(merged(std::array{whole}) == whole);
    }
}

} // namespace merge_test
