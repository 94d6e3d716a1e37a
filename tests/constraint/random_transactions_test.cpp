#include "constraint/constraint_fixture.hpp"
#include "constraint/judge.hpp"
#include "support/environment.hpp"
#include "transaction/transaction_fixture.hpp"

#include <deque>
#include <iterator>
#include <random>
#include <vector>

namespace ecsdb::test::random_transactions_test {
namespace {

using namespace judged;
using judged::Note; // not that of another test

/// Vetoes transactions and discards batches as it was told beforehand.
class Saboteur final : public transaction::Participant {
public:
    [[nodiscard]] bool wants_changes() const noexcept override { return false; }
    [[nodiscard]] Result<void> prepare(storage::WriteBuffer&) noexcept override {
        if (vetoes.empty()) {
            return {};
        }
        const bool veto = vetoes.front();
        vetoes.pop_front();
        return veto ? Result<void>{Error{ErrorCode::Io, "vetoed"}} : Result<void>{};
    }
    [[nodiscard]] Result<void> seal(const storage::Root&, storage::Root&) noexcept override {
        return discards ? Result<void>{Error{ErrorCode::Io, "discarded"}} : Result<void>{};
    }

    std::deque<bool> vetoes; ///< For the transactions that get past the constraints.
    bool discards = false;
};

/// Keeps the deltas of what was published.
class Keeper final : public transaction::Participant {
public:
    [[nodiscard]] bool wants_changes() const noexcept override { return true; }
    void accepted(const transaction::Accepted& transaction) noexcept override {
        batch_.push_back({transaction.version, {transaction.delta.begin(), transaction.delta.end()}});
    }
    void published(const storage::Root&) noexcept override {
        deltas.insert(deltas.end(), batch_.begin(), batch_.end());
        batch_.clear();
    }
    void discarded() noexcept override { batch_.clear(); }

    struct Delta {
        std::uint64_t version;
        std::vector<std::byte> bytes;
        friend bool operator==(const Delta&, const Delta&) = default;
    };
    std::vector<Delta> deltas;

private:
    std::vector<Delta> batch_;
};

/// One transaction, for the database under test and for its twin.
class Both {
public:
    Both(Database<>& database, Database<>& twin) : first_{database.begin()}, second_{twin.begin()} {}

    Entity create() {
        const Entity entity = first_.create();
        REQUIRE(second_.create() == entity); // the same ids are free in both
        return entity;
    }
    void destroy(Entity entity) {
        first_.destroy(entity);
        second_.destroy(entity);
    }
    void insert(Entity entity, const Row& row) {
        first_.insert(entity, row);
        second_.insert(entity, row);
    }
    void update(Entity entity, const Row& row) {
        first_.update(entity, row);
        second_.update(entity, row);
    }
    template <typename T>
    void update(Entity entity, FieldHandle<T> field, T value) {
        first_.update(entity, field, value);
        second_.update(entity, field, value);
    }
    void set(Entity entity, const Row& row) {
        first_.set(entity, row);
        second_.set(entity, row);
    }
    void remove_row(Entity entity, TableId table) {
        first_.remove_row(entity, table);
        second_.remove_row(entity, table);
    }
    [[nodiscard]] Ticket submit() { return first_.submit(); }
    [[nodiscard]] Ticket submit_to_twin() { return second_.submit(); }

private:
    Database<>::Transaction first_;
    Database<>::Transaction second_;
};

/// Plays random transactions on a database, and on a twin only those that stand: for it the others never were.
class Game {
public:
    explicit Game(std::uint64_t seed) : random_{seed} {
        scene_.db().engine().pipeline().writer().join(saboteur_);
        scene_.db().engine().pipeline().writer().join(seen_);
        twin_.db().engine().pipeline().writer().join(seen_by_twin_);
    }

    /// Some transactions in one batch, often only one, each foretold by the model; then everything compared, with the model and with the
    /// twin.
    void play_batch() {
        struct Played {
            Both transaction;
            Ticket ticket;
            bool foretold;
        };
        std::vector<Played> played;
        const State before = state_;
        saboteur_.vetoes.clear();
        saboteur_.discards = below(40) == 0;
        for (std::uint64_t count = below(3) == 0 ? 1 : 2 + below(7); count != 0; --count) {
            State after = state_;
            Both tx{scene_.db(), twin_.db()};
            bool stands = fill(tx, after);
            Judge judge{state_, after};
            if (stands && !(stands = judge.judge())) {
                ++violations;
            } else if (stands) {
                saboteur_.vetoes.push_back(below(40) == 0);
                stands = !saboteur_.vetoes.back();
            }
            Ticket ticket = tx.submit();
            played.push_back({std::move(tx), std::move(ticket), stands});
            ++(stands ? accepted : failed);
            if (stands) {
                followed += judge.followed;
                for (auto& [entity, rows] : after) {
                    rows.leaf_added = rows.bud_added = false;
                }
                state_ = std::move(after);
            }
        }
        step_all(scene_.db());
        for (Played& each : played) {
            const Result<void> result = each.ticket.wait();
            INFO((result ? "it stands" : result.error().to_string()));
            REQUIRE(result.has_value() == (each.foretold && !saboteur_.discards));
            if (result) {
                each.ticket = each.transaction.submit_to_twin();
            }
        }
        step_all(twin_.db());
        if (saboteur_.discards) {
            state_ = before;
        }
        compare_with_twin();
        compare_with_model();
        if (!saboteur_.discards && saboteur_.vetoes.empty() && played.back().foretold) {
            REQUIRE(scene_.key_count() == scene_.keys_there());
            REQUIRE(scene_.key_count() == twin_.key_count());
        }
    }

    int accepted = 0;
    int failed = 0;
    int violations = 0; ///< Of those, by what the constraints say at the end.
    int followed = 0;   ///< Rows and keys that went with others.

private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    Code some_code() { return below(2) == 0 ? Code{} : Code{static_cast<std::uint16_t>(below(12))}; }
    /// Null, perhaps dead, or (most of the time) somebody of whom `fits` holds.
    template <typename Fits>
    Entity some_entity(const State& state, Fits fits) {
        const std::uint64_t pick = below(24);
        if (pick == 0) {
            return Entity{static_cast<std::uint32_t>(below(20)), 1 + static_cast<std::uint32_t>(below(3)), 0};
        }
        std::vector<Entity> fitting;
        for (const auto& [entity, rows] : state) {
            if (pick == 1 || fits(rows)) {
                fitting.push_back(entity);
            }
        }
        return pick > 18 || fitting.empty() ? Entity{} : fitting[below(fitting.size())];
    }
    Entity some_node(const State& state) {
        return some_entity(state, [](const Rows& rows) { return rows.node.has_value(); });
    }
    /// Absent, or (most of the time) a value that a node or bud has.
    Code some_value(const State& state, bool of_bud) {
        const Entity holder =
            some_entity(state, [&](const Rows& rows) { return of_bud ? rows.bud && rows.bud->code : rows.node.has_value(); });
        const auto found = state.find(holder);
        if (found == state.end()) {
            return below(12) == 0 ? some_code() : Code{};
        }
        return of_bud ? (found->second.bud ? found->second.bud->code : Code{})
                      : (found->second.node ? Code{found->second.node->code} : Code{});
    }
    static void put_code(Row& row, std::string_view field, Code code) {
        if (code) {
            Scene::put(row, field, *code);
        }
    }

    /// Some operations, one of which may be one that cannot be done: then false.
    bool fill(Both& tx, State& state) {
        const std::uint64_t count = 1 + below(2) * below(6);
        const std::uint64_t failing = below(16) == 0 ? below(count) : count;
        for (std::uint64_t i = 0; i < count; ++i) {
            if (i == failing) {
                impossible_operation(tx, state);
            } else {
                operation(tx, state);
            }
        }
        return failing == count;
    }
    void impossible_operation(Both& tx, const State& state) {
        if (state.empty() || below(4) == 0) {
            const Entity dead{static_cast<std::uint32_t>(below(20)), Entity::max_generation, 0};
            below(2) == 0 ? tx.set(dead, scene_.row("leaf")) : tx.update(dead, small_, std::uint8_t{1});
            return;
        }
        const auto& [entity, rows] = *std::next(state.begin(), static_cast<std::ptrdiff_t>(below(state.size())));
        switch (below(4)) {
        case 0:
            tx.destroy(Entity{entity.index(), entity.generation(), 1}); // of another shard
            return;
        case 1:
            rows.node ? tx.insert(entity, scene_.row("node")) : tx.update(entity, scene_.row("node"));
            return;
        case 2:
            rows.bud ? tx.insert(entity, scene_.row("bud")) : tx.update(entity, scene_.row("bud"));
            return;
        default:
            rows.note ? tx.insert(entity, scene_.row("note")) : tx.update(entity, small_, std::uint8_t{1});
        }
    }
    void put(Both& tx, Entity entity, const Row& row, bool present) {
        if (below(2) == 0) {
            tx.set(entity, row);
        } else if (present) {
            tx.update(entity, row);
        } else {
            tx.insert(entity, row);
        }
    }

    void operation(Both& tx, State& state) {
        if (state.size() < 3 || (below(6) == 0 && state.size() < 14)) {
            state[tx.create()] = {};
            return;
        }
        const auto chosen = std::next(state.begin(), static_cast<std::ptrdiff_t>(below(state.size())));
        const Entity entity = chosen->first;
        Rows& rows = chosen->second;
        switch (below(12)) {
        case 0:
            tx.destroy(entity);
            state.erase(chosen);
            return;
        case 1:
            tx.remove_row(entity, scene_.table("node"));
            rows.node.reset();
            return;
        case 2:
            tx.remove_row(entity, scene_.table("leaf"));
            rows.leaf.reset();
            return;
        case 3:
            if (below(2) == 0) {
                tx.remove_row(entity, scene_.table("bud"));
                rows.bud.reset();
            } else {
                tx.remove_row(entity, scene_.table("note"));
                rows.note.reset();
            }
            return;
        case 4:
        case 5:
        case 6: {
            const Node node{static_cast<std::uint16_t>(below(6) == 0 || !rows.node ? below(40) : rows.node->code), some_node(state),
                            some_node(state)};
            Row row = scene_.row("node", "code", node.code);
            Scene::put(row, "next", node.next);
            Scene::put(row, "peer", node.peer);
            put(tx, entity, row, rows.node.has_value());
            rows.node = node;
            return;
        }
        case 7: {
            const Leaf leaf{below(2) == 0 ? Entity{} : some_node(state)};
            put(tx, entity, scene_.row("leaf", "owner", leaf.owner), rows.leaf.has_value());
            rows.leaf_added = rows.leaf_added || !rows.leaf;
            rows.leaf = leaf;
            return;
        }
        case 8: {
            const Bud bud{some_value(state, false)};
            Row row = scene_.row("bud");
            put_code(row, "code", bud.code);
            put(tx, entity, row, rows.bud.has_value());
            rows.bud_added = rows.bud_added || !rows.bud;
            rows.bud = bud;
            return;
        }
        case 9:
            if (rows.note) {
                rows.note->small = static_cast<std::uint8_t>(below(10));
                tx.update(entity, small_, rows.note->small);
            }
            return;
        default: {
            const Note note{some_value(state, false), some_value(state, true), below(4) == 0 ? some_value(state, false) : Code{},
                            static_cast<std::uint8_t>(below(20) == 0 ? 10 : below(10))};
            Row row = scene_.row("note", "small", note.small);
            put_code(row, "goes", note.goes);
            put_code(row, "forgets", note.forgets);
            put_code(row, "insists", note.insists);
            put(tx, entity, row, rows.note.has_value());
            rows.note = note;
        }
        }
    }

    template <typename T>
    T field(const std::byte* row, std::string_view table, std::string_view name) const {
        return find_field<T>(scene_.schema(), table, name)->in(row);
    }
    Code code_field(const std::byte* row, std::string_view table, std::string_view name) const {
        const bool present = row[scene_.schema().find_table(table)->find_field(name)->presence_offset] != std::byte{};
        return present ? Code{field<std::uint16_t>(row, table, name)} : Code{};
    }
    void compare_with_twin() {
        const auto view = scene_.db().read();
        const auto twin_view = twin_.db().read();
        REQUIRE(view.version() == twin_view.version());
        REQUIRE(view.hash() == twin_view.hash());
        REQUIRE(seen_.deltas == seen_by_twin_.deltas);
        seen_.deltas.clear();
        seen_by_twin_.deltas.clear();
        const storage::EntityVersions& counts = scene_.db().engine().store().entity_versions();
        const storage::EntityVersions& twin_counts = twin_.db().engine().store().entity_versions();
        REQUIRE(hash_of_counts(view.root(), counts) == hash_of_counts(twin_view.root(), twin_counts));
    }
    void compare_with_model() {
        const auto view = scene_.db().read();
        REQUIRE(view.entity_count() == state_.size());
        for (const auto& [entity, rows] : state_) {
            CAPTURE(entity.index(), entity.generation());
            REQUIRE(view.is_alive(entity));
            const std::byte* const node = view.find_row(entity, scene_.table("node"));
            const std::byte* const leaf = view.find_row(entity, scene_.table("leaf"));
            const std::byte* const bud = view.find_row(entity, scene_.table("bud"));
            const std::byte* const note = view.find_row(entity, scene_.table("note"));
            REQUIRE((node != nullptr) == rows.node.has_value());
            REQUIRE((leaf != nullptr) == rows.leaf.has_value());
            REQUIRE((bud != nullptr) == rows.bud.has_value());
            REQUIRE((note != nullptr) == rows.note.has_value());
            if (node != nullptr) {
                REQUIRE(*rows.node == Node{field<std::uint16_t>(node, "node", "code"), field<Entity>(node, "node", "next"),
                                           field<Entity>(node, "node", "peer")});
            }
            if (leaf != nullptr) {
                REQUIRE(*rows.leaf == Leaf{field<Entity>(leaf, "leaf", "owner")});
            }
            if (bud != nullptr) {
                REQUIRE(*rows.bud == Bud{code_field(bud, "bud", "code")});
            }
            if (note != nullptr) {
                REQUIRE(*rows.note == Note{code_field(note, "note", "goes"), code_field(note, "note", "forgets"),
                                           code_field(note, "note", "insists"), field<std::uint8_t>(note, "note", "small")});
            }
        }
    }

    std::mt19937_64 random_;
    // What takes part outlives the writer.
    Saboteur saboteur_;
    Keeper seen_;
    Keeper seen_by_twin_;
    Scene scene_{promising_world};
    Scene twin_{promising_world};
    FieldHandle<std::uint8_t> small_ = *find_field<std::uint8_t>(scene_.schema(), "note", "small");
    State state_;
};

} // namespace

TEST_CASE("a hundred thousand random transactions, a third of them failing, end as a plain model says, and a failed one leaves no trace",
          "[constraint][random]") {
    const std::uint64_t transactions = 100'000 * test_scale();
    const std::uint64_t seed = number_from("ECSDB_TEST_SEED", 1);
    std::uint64_t played = 0;
    std::uint64_t failed = 0;
    for (std::uint64_t game_number = 0; played < transactions; ++game_number) {
        CAPTURE(seed + game_number);
        Game game{seed + game_number};
        for (int batch = 0; batch < 500; ++batch) {
            CAPTURE(batch);
            game.play_batch();
        }
        CHECK(game.violations > 100);
        CHECK(game.followed > 50);
        played += static_cast<std::uint64_t>(game.accepted + game.failed);
        failed += static_cast<std::uint64_t>(game.failed);
    }
    CHECK(failed * 100 > played * 30);
    CHECK(failed * 100 < played * 45);
}

} // namespace ecsdb::test::random_transactions_test
