#include "ecsdb/transaction/apply_delta.hpp"

#include "ecsdb/delta/merge.hpp"
#include "transaction/random_program.hpp"

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ecsdb::test::apply_delta_test {
namespace {

using Bytes = std::vector<std::byte>;

/// A database whose deltas are kept.
struct Recorded {
    Recorder recorder; // outlives the writer
    World8 db = open_db(stepped());

    Recorded() { db.engine().pipeline().writer().join(recorder); }
};

/// A history of every form of transaction, with several to a batch.
void run_history(Recorded& recorded, std::uint64_t seed, int rounds) {
    RandomProgram program{recorded.db, seed};
    for (int round = 0; round < rounds; ++round) {
        for (std::uint64_t left = program.below(6); left != 0; --left) {
            program.submit(1 + program.below(12));
        }
        switch (program.below(5)) {
        case 0:
            program.column_update();
            break;
        case 1:
            program.function(15);
            break;
        case 2:
            program.create_many();
            break;
        default:
            break;
        }
        const std::string wrong = program.run();
        CAPTURE(round);
        REQUIRE(wrong.empty());
    }
}

Bytes encoded(const Schema& schema, delta::Header header, std::span<const Entity> created, std::span<const Entity> destroyed,
              std::span<const delta::RowChange> rows, TableId table, std::span<const delta::VersionIncrement> versions = {}) {
    SystemAllocator memory;
    ByteBuffer out{memory};
    delta::Encoder encoder{memory};
    encoder.begin(out, header);
    encoder.entities(created, destroyed);
    encoder.table(schema.table(table), rows);
    encoder.versions(versions);
    encoder.end();
    return {out.view().begin(), out.view().end()};
}

delta::Header step_from(std::uint64_t from, bool counted = true) {
    delta::Header header;
    header.from = from;
    header.to = from + 1;
    header.counted = counted;
    return header;
}

} // namespace

TEST_CASE("a delta that does not fit is refused and changes nothing", "[transaction][delta]") {
    Recorded recorded;
    Replica replica{recorded.db.schema()};
    const Schema& schema = recorded.db.schema();
    const std::vector<Entity> one{{7, 2, 0}};
    const Account money{5};
    const auto* const bytes = reinterpret_cast<const std::byte*>(&money);
    REQUIRE(replica.apply(encoded(schema, step_from(0), one, {}, {}, 0)).value_or(false));
    REQUIRE(replica
                .apply(encoded(schema, step_from(1), {}, {},
                               std::vector<delta::RowChange>{{7, delta::RowChangeKind::Added, nullptr, bytes}}, 2))
                .value_or(false));
    const std::uint64_t before = replica.hash();
    const std::uint64_t counts = replica.counts();
    const auto refused = [&](ErrorCode code, const Bytes& delta) {
        CHECK(code_of(replica.apply(delta)) == code);
        CHECK(replica.hash() == before);
        CHECK(replica.counts() == counts);
        CHECK(replica.world().published().version == 2);
    };
    using Rows = std::vector<delta::RowChange>;
    using Kind = delta::RowChangeKind;
    const std::vector<Entity> other{{9, 1, 0}};
    refused(ErrorCode::Corrupt, Bytes{});
    refused(ErrorCode::Unsupported, Bytes(20, std::byte{0xFF}));
    refused(ErrorCode::Gap, encoded(schema, step_from(3), other, {}, {}, 0));
    refused(ErrorCode::Corrupt, encoded(schema, step_from(2), one, {}, {}, 0));
    refused(ErrorCode::Corrupt, encoded(schema, step_from(2), {}, std::vector<Entity>{{7, 1, 0}}, {}, 0));
    refused(ErrorCode::Corrupt, encoded(schema, step_from(2), std::vector<Entity>{{9, 1, 3}}, {}, {}, 0));
    refused(ErrorCode::Corrupt, encoded(schema, step_from(2), other, {}, Rows{{7, Kind::Added, nullptr, bytes}}, 2));
    refused(ErrorCode::Corrupt, encoded(schema, step_from(2), other, {}, Rows{{8, Kind::Added, nullptr, bytes}}, 2));
    refused(ErrorCode::Corrupt, encoded(schema, step_from(2), other, {}, Rows{{7, Kind::Removed, bytes, nullptr}}, 3));
    const Level level{1};
    const Level next{2};
    refused(ErrorCode::Corrupt,
            encoded(schema, step_from(2), other, {},
                    Rows{{7, Kind::Changed, reinterpret_cast<const std::byte*>(&level), reinterpret_cast<const std::byte*>(&next)}}, 3));
    refused(ErrorCode::Corrupt, encoded(schema, step_from(2), {}, one, Rows{{7, Kind::Removed, bytes, nullptr}}, 2));
    // Counts of entities that are not there: no memory is taken on their word.
    const std::size_t held = replica.world().store().entity_versions().bytes();
    const std::vector<delta::VersionIncrement> ghosts{{7, 1}, {4'000'000'000U, 1}};
    refused(ErrorCode::Corrupt, encoded(schema, step_from(2, false), other, {}, {}, 0, ghosts));
    CHECK(replica.world().store().entity_versions().bytes() == held);

    // Known already: ignored.
    CHECK_FALSE(replica.apply(encoded(schema, step_from(1), other, {}, {}, 0)).value_or(true));
    CHECK_FALSE(replica.apply(encoded(schema, step_from(0), other, {}, {}, 0)).value_or(true));
    CHECK(replica.hash() == before);
}

TEST_CASE("a refused delta in the middle of a batch leaves the others", "[transaction][delta]") {
    Recorded recorded;
    Replica replica{recorded.db.schema()};
    const Schema& schema = recorded.db.schema();
    transaction::DeltaApplier applier{replica.world().buffer()};
    REQUIRE(replica.world().buffer().begin_batch());
    CHECK(applier.apply(encoded(schema, step_from(0), std::vector<Entity>{{1, 1, 0}, {2, 1, 0}}, {}, {}, 0), 10).value_or(false));
    CHECK(code_of(applier.apply(encoded(schema, step_from(1), std::vector<Entity>{{2, 1, 0}, {3, 1, 0}}, {}, {}, 0), 20)) ==
          ErrorCode::Corrupt);
    CHECK(applier.apply(encoded(schema, step_from(1), std::vector<Entity>{{4, 1, 0}}, std::vector<Entity>{{1, 1, 0}}, {}, 0), 30)
              .value_or(false));
    replica.world().publish();
    const storage::Root& root = replica.world().published();
    CHECK(root.version == 2);
    CHECK(root.time_ns == 30);
    CHECK(root.entity_count == 2);
    CHECK(root.find_living(Entity{2, 1, 0}) != nullptr);
    CHECK(root.find_living(Entity{4, 1, 0}) != nullptr);
}

TEST_CASE("a generation that came and went unseen is spent all the same", "[transaction][delta]") {
    Recorded recorded;
    Replica replica{recorded.db.schema()};
    const Schema& schema = recorded.db.schema();
    CHECK(replica.apply(encoded(schema, step_from(0), {}, std::vector<Entity>{{5, 1, 0}}, {}, 0)).value_or(false));
    CHECK(code_of(replica.apply(encoded(schema, step_from(1), std::vector<Entity>{{5, 1, 0}}, {}, {}, 0))) == ErrorCode::Corrupt);
    CHECK(replica.apply(encoded(schema, step_from(1), std::vector<Entity>{{5, 2, 0}}, {}, {}, 0)).value_or(false));
    // The next one, too, while the one before still lives here.
    CHECK(replica.apply(encoded(schema, step_from(2), {}, std::vector<Entity>{{5, 3, 0}}, {}, 0)).value_or(false));
    CHECK(replica.world().published().entity_count == 0);
    CHECK(replica.world().published().entities.find(5)->generation == 3);
}

TEST_CASE("without memory a delta is not applied, and says so", "[transaction][delta]") {
    Recorded recorded;
    run_history(recorded, 4, 20);
    // A replica that may take nothing more after some point refuses, keeps its state, and goes on once memory is there again.
    CountingAllocator allocator;
    {
        storage::PoolOptions pool;
        pool.first_block_bytes = 4096;
        pool.max_block_bytes = 8192;
        World world{allocator, std::make_shared<const Schema>(recorded.db.schema()), pool};
        transaction::DeltaApplier applier{world.buffer()};
        std::uint64_t refusals = 0;
        for (const Recorder::Step& step : recorded.recorder.steps) {
            for (std::uint64_t allowed = 0;; ++allowed) {
                const std::uint64_t before = storage::hash_of(world.published());
                const std::uint64_t counts = hash_of_counts(world.published(), world.store().entity_versions());
                allocator.refuse_from = allocator.calls + allowed;
                const bool begun = world.buffer().begin_batch();
                const Result<bool> applied = begun ? applier.apply(step.delta, 0) : Result<bool>{Error{ErrorCode::OutOfMemory, "batch"}};
                allocator.refuse_from = CountingAllocator::never;
                if (begun) {
                    world.publish();
                }
                if (applied) {
                    break;
                }
                ++refusals;
                REQUIRE(applied.error().code() == ErrorCode::OutOfMemory);
                REQUIRE(storage::hash_of(world.published()) == before);
                REQUIRE(hash_of_counts(world.published(), world.store().entity_versions()) == counts);
            }
            REQUIRE(storage::hash_of(world.published()) == step.hash);
            REQUIRE(hash_of_counts(world.published(), world.store().entity_versions()) == step.counts);
        }
        CHECK(refusals > 0);
    }
}

TEST_CASE("deltas lead a replica through every version of a random history", "[transaction][delta]") {
    const auto seed = GENERATE(range(1, 9));
    CAPTURE(seed);
    Recorded recorded;
    run_history(recorded, static_cast<std::uint64_t>(seed), 120);
    REQUIRE(recorded.recorder.steps.size() > 100);
    Replica replica{recorded.db.schema()};
    for (const Recorder::Step& step : recorded.recorder.steps) {
        CAPTURE(step.version);
        const Result<bool> applied = replica.apply(step.delta, step.time_ns);
        if (!applied) {
            FAIL(applied.error().to_string());
        }
        REQUIRE(*applied);
        REQUIRE(replica.world().published().version == step.version);
        REQUIRE(replica.world().published().time_ns == step.time_ns);
        REQUIRE(replica.hash() == step.hash);
        REQUIRE(replica.counts() == step.counts);
    }
    CHECK(replica.hash() == recorded.db.read().hash());
}

TEST_CASE("merged deltas lead to the same versions", "[transaction][delta]") {
    const auto seed = GENERATE(range(1, 7));
    CAPTURE(seed);
    Recorded recorded;
    run_history(recorded, static_cast<std::uint64_t>(100 + seed), 100);
    const std::vector<Recorder::Step>& steps = recorded.recorder.steps;
    const Schema& schema = recorded.db.schema();
    SystemAllocator memory;
    std::mt19937_64 random{static_cast<std::uint64_t>(seed)};
    Replica replica{schema};
    for (std::size_t first = 0; first < steps.size();) {
        const std::size_t count = std::min<std::size_t>(1 + random() % (seed == 1 ? 1000 : 20), steps.size() - first);
        std::vector<std::span<const std::byte>> parts;
        for (std::size_t i = first; i < first + count; ++i) {
            parts.emplace_back(steps[i].delta);
        }
        ByteBuffer merged{memory};
        const Result<void> done = delta::merge(schema, parts, merged, memory);
        if (!done) {
            FAIL(done.error().to_string());
        }
        first += count;
        const Recorder::Step& last = steps[first - 1];
        CAPTURE(last.version, count);
        const Result<bool> applied = replica.apply(merged.view(), last.time_ns);
        if (!applied) {
            FAIL(applied.error().to_string());
        }
        REQUIRE(*applied);
        REQUIRE(replica.world().published().version == last.version);
        REQUIRE(replica.hash() == last.hash);
        REQUIRE(replica.counts() == last.counts);
    }
}

TEST_CASE("a refused delta says which table and entity, and why", "[transaction][delta]") {
    Recorded recorded;
    Replica replica{recorded.db.schema()};
    const Schema& schema = recorded.db.schema();
    const Account money{5};
    const auto* const bytes = reinterpret_cast<const std::byte*>(&money);
    using Rows = std::vector<delta::RowChange>;
    using Kind = delta::RowChangeKind;
    REQUIRE(replica.apply(encoded(schema, step_from(0), std::vector<Entity>{{7, 2, 0}}, {}, Rows{{7, Kind::Added, nullptr, bytes}}, 2)));
    const auto message = [&](const Bytes& delta) { return replica.apply(delta).error().message(); };
    CHECK(message(encoded(schema, step_from(1), std::vector<Entity>{{5, 1, 0}, {7, 1, 0}}, {}, {}, 0)) ==
          "delta to version 2: entity 7 is to be created, and its generation has lived already");
    const Rows one_each{{5, Kind::Added, nullptr, bytes}, {6, Kind::Added, nullptr, bytes}, {7, Kind::Added, nullptr, bytes}};
    CHECK(message(encoded(schema, step_from(1), std::vector<Entity>{{5, 2, 0}, {6, 2, 0}, {7, 2, 0}}, {}, one_each, 2)) ==
          "delta to version 2: entity 7 is to be created, and its generation has lived already");
    CHECK(message(encoded(schema, step_from(1), {}, std::vector<Entity>{{7, 1, 0}}, {}, 0)) ==
          "delta to version 2: entity 7 is to be destroyed, and a later one has had its index");
    CHECK(message(encoded(schema, step_from(1), {}, {}, Rows{{7, Kind::Added, nullptr, bytes}}, 2)) ==
          "delta to version 2: table `Account`, entity 7 has the row that is to be added");
    CHECK(message(encoded(schema, step_from(1), {}, {}, Rows{{4'000'000'000U, Kind::Removed, bytes, nullptr}}, 2)) ==
          "delta to version 2: table `Account`, entity 4000000000 is not alive");
    CHECK(message(encoded(schema, step_from(1), {}, {}, Rows{{7, Kind::Removed, bytes, nullptr}}, 3)) ==
          "delta to version 2: table `Level`, entity 7 has no row to be removed");
    delta::Header far = step_from(1);
    far.to = ~std::uint64_t{0};
    CHECK(message(encoded(schema, far, std::vector<Entity>{{9, 1, 0}}, {}, {}, 0)) ==
          "delta to version 18446744073709551615: no history is that long");
    CHECK(replica.world().published().version == 1);
}

TEST_CASE("many entities are born with the rows that all of them have, and get those that some have", "[transaction][delta]") {
    const auto count = GENERATE(1U, 2U, 255U, 4096U, 10'007U);
    CAPTURE(count);
    Recorded recorded;
    std::vector<Account> accounts(count);
    std::vector<Level> levels(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        accounts[i].balance = static_cast<std::int64_t>(i) * 3 + 1;
        levels[i].number = static_cast<std::uint8_t>(i);
    }
    const auto create = [&](auto&& also) {
        REQUIRE(recorded.db.execute([&](World8::WriteState& state) {
            const Result<Entity> first = state.create_many(count, std::span<const Level>{levels}, std::span<const Account>{accounts});
            REQUIRE(first);
            for (std::uint32_t i = 0; i < count; ++i) {
                also(state, Entity{first->index() + i, first->generation(), 0}, i);
            }
        }));
    };
    create([](World8::WriteState&, Entity, std::uint32_t) {});
    create([](World8::WriteState& state, Entity entity, std::uint32_t i) {
        if (i % 3 == 1) {
            REQUIRE(state.remove<Level>(entity));
        }
    });
    Replica replica{recorded.db.schema()};
    for (const Recorder::Step& step : recorded.recorder.steps) {
        REQUIRE(replica.apply(step.delta, step.time_ns));
        REQUIRE(replica.hash() == step.hash);
        REQUIRE(replica.counts() == step.counts);
    }
}

TEST_CASE("a limit keeps a delta of few bytes from taking much memory", "[transaction][delta]") {
    Recorded recorded;
    CountingAllocator allocator;
    World world{allocator, std::make_shared<const Schema>(recorded.db.schema())};
    transaction::DeltaApplier applier{world.buffer(), 1000};
    const auto code = [&](const Bytes& delta) {
        REQUIRE(world.buffer().begin_batch());
        const Result<bool> applied = applier.apply(delta, 0);
        world.publish();
        return code_of(applied);
    };
    const Schema& schema = recorded.db.schema();
    std::vector<Entity> many;
    for (std::uint32_t i = 500; i < 1001; ++i) {
        many.push_back({i, 1, 0});
    }
    REQUIRE(world.buffer().begin_batch()); // what any batch takes the first time
    world.publish();
    const std::uint64_t calls = allocator.calls;
    CHECK(code(encoded(schema, step_from(0), std::vector<Entity>{{0xFFFFFFFEU, 1, 0}}, {}, {}, 0)) == ErrorCode::Corrupt);
    CHECK(code(encoded(schema, step_from(0), {}, std::vector<Entity>{{1000, 1, 0}}, {}, 0)) == ErrorCode::Corrupt);
    CHECK(code(encoded(schema, step_from(0), many, {}, {}, 0)) == ErrorCode::Corrupt);
    CHECK(allocator.calls == calls);
    many.pop_back();
    CHECK(code(encoded(schema, step_from(0), many, {}, {}, 0)) == success);
    CHECK(world.published().entity_count == 500);
}

TEST_CASE("entities for which there can be no memory are refused before any is taken", "[transaction][delta][hostile]") {
    Recorded recorded;
    CountingAllocator allocator;
    World world{allocator, std::make_shared<const Schema>(recorded.db.schema()), {.memory_limit = std::size_t{64} << 20U}};
    transaction::DeltaApplier applier{world.buffer()};
    // One range of entities, in some twenty bytes.
    const auto naming = [&](std::uint32_t first, std::uint64_t count, bool created) {
        SystemAllocator memory;
        ByteBuffer body{memory};
        body.append_varint(created ? 0 : 1);
        body.append_varint(first);
        body.append_varint(count - 1);
        body.append_varint(1);
        ByteBuffer out{memory};
        delta::Encoder encoder{memory};
        encoder.begin(out, step_from(0));
        encoder.end();
        out.append_le<delta::SectionKind>(delta::SectionKind::Entities);
        out.append_varint(0);
        out.append_varint(body.size());
        out.append(body.view());
        CHECK(out.size() < 30);
        return Bytes{out.view().begin(), out.view().end()};
    };
    REQUIRE(world.buffer().begin_batch()); // what any batch takes the first time
    world.publish();
    const std::uint64_t calls = allocator.calls;
    const auto apply = [&](const Bytes& delta) {
        REQUIRE(world.buffer().begin_batch());
        Result<bool> applied = applier.apply(delta, 0);
        world.publish();
        return applied;
    };
    for (const std::uint64_t count : {std::uint64_t{4} << 20U, std::uint64_t{0xFFFFFFFF}}) {
        for (const bool created : {true, false}) {
            const auto applied = apply(naming(1, std::min<std::uint64_t>(created ? count : 2 * count, 0xFFFFFFFF), created));
            REQUIRE_FALSE(applied);
            CAPTURE(applied.error().message());
            CHECK(applied.error().code() == ErrorCode::OutOfMemory);
            CHECK(applied.error().message().find("from index 1 on") != std::string::npos);
        }
    }
    CHECK(allocator.calls == calls);
    CHECK(world.published().version == 0);
    CHECK(apply(naming(1, 100'000, true)));
    CHECK(world.published().entity_count == 100'000);
}

TEST_CASE("entities may come in any order, each of several generations", "[transaction][delta]") {
    Recorded recorded;
    Replica replica{recorded.db.schema()};
    const Schema& schema = recorded.db.schema();
    using Rows = std::vector<delta::RowChange>;
    using Kind = delta::RowChangeKind;
    const Account money{5};
    const auto* const bytes = reinterpret_cast<const std::byte*>(&money);
    std::uint64_t version = 0;
    for (const std::uint32_t index : {100'000U, 3U, 70'000U, 0U, 4095U, 4096U}) {
        REQUIRE(replica.apply(
            encoded(schema, step_from(version++), std::vector<Entity>{{index, 4, 0}}, {}, Rows{{index, Kind::Added, nullptr, bytes}}, 2)));
    }
    // Ended and begun anew in one step, each with a row of its own again.
    const std::vector<Entity> old{{0, 4, 0}, {3, 4, 0}, {70'000, 4, 0}};
    const std::vector<Entity> young{{0, 5, 0}, {3, 9, 0}, {70'000, Entity::max_generation, 0}};
    REQUIRE(replica.apply(encoded(schema, step_from(version++), young, old, Rows{{3, Kind::Added, nullptr, bytes}}, 2)));
    const storage::Root& root = replica.world().published();
    CHECK(root.entity_count == 6);
    for (std::size_t i = 0; i < young.size(); ++i) {
        CHECK(root.find_living(old[i]) == nullptr);
        const storage::EntityRecord* const record = root.find_living(young[i]);
        REQUIRE(record != nullptr);
        CHECK((root.find_row(*record, young[i].index(), 2) != nullptr) == (young[i].index() == 3));
    }
}

TEST_CASE("a history passed on from replica to replica, merged anew each time, leads all to the same state", "[transaction][delta]") {
    const auto seed = GENERATE(range(1, 9));
    CAPTURE(seed);
    Recorded recorded;
    run_history(recorded, static_cast<std::uint64_t>(200 + seed), 60);
    SystemAllocator memory;
    std::mt19937_64 random{static_cast<std::uint64_t>(seed)};
    std::vector<Bytes> deltas;
    std::map<std::uint64_t, const Recorder::Step*> steps;
    for (const Recorder::Step& step : recorded.recorder.steps) {
        deltas.push_back(step.delta);
        steps[step.version] = &step;
    }
    for (int hop = 0; hop < 4; ++hop) {
        CAPTURE(hop);
        Replica replica{recorded.db.schema()};
        std::vector<Bytes> passed_on;
        for (std::size_t first = 0; first < deltas.size();) {
            const std::size_t count = std::min<std::size_t>(1 + random() % (1U << (2 * hop)), deltas.size() - first);
            const std::vector<std::span<const std::byte>> parts(deltas.begin() + static_cast<std::ptrdiff_t>(first),
                                                                deltas.begin() + static_cast<std::ptrdiff_t>(first + count));
            ByteBuffer merged{memory};
            REQUIRE(delta::merge(recorded.db.schema(), parts, merged, memory));
            passed_on.emplace_back(merged.view().begin(), merged.view().end());
            first += count;
            const Result<bool> applied = replica.apply(merged.view(), 0);
            if (!applied) {
                FAIL(applied.error().to_string());
            }
            const Recorder::Step& step = *steps.at(replica.world().published().version);
            CAPTURE(step.version, count);
            REQUIRE(replica.hash() == step.hash);
            REQUIRE(replica.counts() == step.counts);
        }
        CHECK(replica.hash() == recorded.db.read().hash());
        deltas = std::move(passed_on);
    }
}

TEST_CASE("a damaged delta is refused and changes nothing, or does something else, but no harm", "[transaction][delta]") {
    const auto seed = GENERATE(range(1, 5));
    CAPTURE(seed);
    Recorded recorded;
    run_history(recorded, static_cast<std::uint64_t>(300 + seed), 25);
    CountingAllocator allocator;
    struct Victim {
        World world;
        transaction::DeltaApplier applier;

        Victim(CountingAllocator& memory, const Schema& schema)
            : world{memory, std::make_shared<const Schema>(schema)}, applier{world.buffer(), 1U << 16U} {}
        Result<bool> apply(std::span<const std::byte> delta) {
            REQUIRE(world.buffer().begin_batch());
            Result<bool> applied = applier.apply(delta, 0);
            world.publish();
            return applied;
        }
        std::uint64_t hash() {
            return storage::hash_of(world.published()) ^ hash_of_counts(world.published(), world.store().entity_versions());
        }
    };
    std::mt19937_64 random{static_cast<std::uint64_t>(seed)};
    const std::vector<Recorder::Step>& steps = recorded.recorder.steps;
    auto victim = std::make_unique<Victim>(allocator, recorded.db.schema());
    std::uint64_t refused = 0;
    std::uint64_t applied = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        for (int round = 0; round < 12; ++round) {
            Bytes damaged = steps[i].delta;
            for (std::uint64_t left = 1 + random() % 2; left != 0; --left) {
                damaged[random() % damaged.size()] = static_cast<std::byte>(random() % 3 == 0 ? random() % 256 : random() % 8);
            }
            const std::uint64_t before = victim->hash();
            const Result<bool> result = victim->apply(damaged);
            if (!result || !*result) {
                ++refused;
                REQUIRE(victim->hash() == before);
                continue;
            }
            ++applied;
            static_cast<void>(victim->hash()); // all of it can be walked
            static_cast<void>(victim->apply(steps[std::min(i + 1, steps.size() - 1)].delta));
            victim = std::make_unique<Victim>(allocator, recorded.db.schema());
            for (std::size_t again = 0; again < i; ++again) {
                REQUIRE(victim->apply(steps[again].delta).value_or(false));
            }
        }
        REQUIRE(victim->apply(steps[i].delta).value_or(false));
    }
    CHECK(refused > 100);
    CHECK(applied > 10);
}

} // namespace ecsdb::test::apply_delta_test
