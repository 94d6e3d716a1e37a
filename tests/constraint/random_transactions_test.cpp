#include "constraint/constraint_fixture.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace ecsdb::test::random_transactions_test {
namespace {

// Keys in circles, a parent with a grandchild, and one unique value named in all three ways.
constexpr std::string_view world = R"(
[tables.node]
fields = [ { name = "code", type = "u16", constraint = "unique" },
           { name = "next", type = "entity", foreign_key = "node.entity_id", on_delete = "cascade" },
           { name = "peer", type = "entity", foreign_key = "node.entity_id", on_delete = "set_null" } ]
[tables.leaf]
parent_table = "node"
fields = [ { name = "owner", type = "entity", foreign_key = "entities.id" } ]
[tables.bud]
parent_table = "leaf"
storage = "sparse"
fields = [ { name = "code", type = "u16", nullable = true, constraint = "unique", foreign_key = "node.code", on_delete = "set_null" } ]
[tables.note]
storage = "sparse"
fields = [ { name = "goes", type = "u16", nullable = true, foreign_key = "node.code", on_delete = "cascade" },
           { name = "forgets", type = "u16", nullable = true, foreign_key = "bud.code", on_delete = "set_null" },
           { name = "insists", type = "u16", nullable = true, foreign_key = "node.code" },
           { name = "small", type = "u8", max = 9 } ]
)";

using Code = std::optional<std::uint16_t>;

struct Node {
    std::uint16_t code = 0;
    Entity next;
    Entity peer;
    friend bool operator==(const Node&, const Node&) = default;
};
struct Leaf {
    Entity owner;
    friend bool operator==(const Leaf&, const Leaf&) = default;
};
struct Bud {
    Code code;
    friend bool operator==(const Bud&, const Bud&) = default;
};
struct Note {
    Code goes;
    Code forgets;
    Code insists;
    std::uint8_t small = 0;
    friend bool operator==(const Note&, const Note&) = default;
};
struct Rows {
    std::optional<Node> node;
    std::optional<Leaf> leaf;
    std::optional<Bud> bud;
    std::optional<Note> note;
    bool leaf_added = false; ///< By the transaction at hand.
    bool bud_added = false;
};
using State = std::map<Entity, Rows>;

/// What the constraints make of a transaction, said as plainly as possible: over the whole state, again and again.
class Judge {
public:
    Judge(const State& before, State& after) : before_{before}, after_{after} {}

    int followed = 0; ///< Rows and keys that went with others.

    /// Follows what was removed, then says whether the state is allowed.
    bool judge() {
        do {
            again_ = false;
            for (auto& [entity, rows] : after_) {
                follow(entity, rows);
            }
        } while (again_);
        return std::all_of(after_.begin(), after_.end(), [&](const auto& each) { return allowed(each.second); });
    }

private:
    bool has_node(Entity entity) const {
        const auto found = after_.find(entity);
        return found != after_.end() && found->second.node;
    }
    template <typename HasCode>
    static Entity holder(const State& state, HasCode has_code) {
        const auto found = std::find_if(state.begin(), state.end(), [&](const auto& each) { return has_code(each.second); });
        return found == state.end() ? Entity{} : found->first;
    }
    static auto node_code(std::uint16_t code) {
        return [code](const Rows& rows) { return rows.node && rows.node->code == code; };
    }
    static auto bud_code(std::uint16_t code) {
        return [code](const Rows& rows) { return rows.bud && rows.bud->code == code; };
    }
    bool node_value_exists(Code code) const { return !code || holder(after_, node_code(*code)); }
    bool bud_value_exists(Code code) const { return !code || holder(after_, bud_code(*code)); }
    /// Gone with its row, not renamed.
    bool node_value_removed(Code code) const {
        const Entity had = node_value_exists(code) ? Entity{} : holder(before_, node_code(*code));
        return had && !has_node(had);
    }
    bool bud_value_removed(Code code) const {
        const Entity had = bud_value_exists(code) ? Entity{} : holder(before_, bud_code(*code));
        return had && (after_.count(had) == 0 || !after_.at(had).bud);
    }
    template <typename T>
    void clear(std::optional<T>& value) {
        again_ = true;
        ++followed;
        value.reset();
    }

    void follow(Entity entity, Rows& rows) {
        const auto found = before_.find(entity);
        const Rows& was = found == before_.end() ? nothing_ : found->second;
        if (rows.leaf && !rows.node && !rows.leaf_added) {
            clear(rows.leaf);
        }
        if (rows.bud && !rows.leaf && !rows.bud_added) {
            clear(rows.bud);
        }
        if (rows.node && was.node && rows.node->peer && rows.node->peer == was.node->peer && !has_node(rows.node->peer)) {
            rows.node->peer = {};
            again_ = true;
            ++followed;
        }
        if (rows.node && was.node && rows.node->next && rows.node->next == was.node->next && !has_node(rows.node->next)) {
            clear(rows.node);
        }
        if (rows.bud && was.bud && rows.bud->code == was.bud->code && node_value_removed(rows.bud->code)) {
            clear(rows.bud->code);
        }
        if (rows.note && was.note && rows.note->forgets == was.note->forgets && bud_value_removed(rows.note->forgets)) {
            clear(rows.note->forgets);
        }
        if (rows.note && was.note && rows.note->goes == was.note->goes && node_value_removed(rows.note->goes)) {
            clear(rows.note);
        }
    }

    bool allowed(const Rows& rows) const {
        if ((rows.leaf && !rows.node) || (rows.bud && !rows.leaf)) {
            return false;
        }
        if (rows.node) {
            const Node& node = *rows.node;
            if ((node.next && !has_node(node.next)) || (node.peer && !has_node(node.peer)) || holders(node_code(node.code)) != 1) {
                return false;
            }
        }
        if (rows.leaf && rows.leaf->owner && after_.count(rows.leaf->owner) == 0) {
            return false;
        }
        if (rows.bud && rows.bud->code && (holders(bud_code(*rows.bud->code)) != 1 || !node_value_exists(rows.bud->code))) {
            return false;
        }
        return !rows.note || (rows.note->small <= 9 && node_value_exists(rows.note->goes) && bud_value_exists(rows.note->forgets) &&
                              node_value_exists(rows.note->insists));
    }
    template <typename HasCode>
    std::ptrdiff_t holders(HasCode has_code) const {
        return std::count_if(after_.begin(), after_.end(), [&](const auto& each) { return has_code(each.second); });
    }

    const State& before_;
    State& after_;
    const Rows nothing_{};
    bool again_ = false;
};

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

class Game {
public:
    explicit Game(std::uint64_t seed) : random_{seed} { scene_.db().engine().pipeline().writer().join(saboteur_); }

    /// Some transactions in one batch, each foretold by the model; then the whole state compared.
    void play_batch() {
        struct Played {
            Ticket ticket;
            bool foretold;
        };
        std::vector<Played> played;
        const State before = state_;
        saboteur_.vetoes.clear();
        saboteur_.discards = below(12) == 0;
        bool any = false;
        for (std::uint64_t count = 1 + below(4); count != 0; --count) {
            State after = state_;
            auto tx = scene_.db().begin();
            for (std::uint64_t operations = 1 + below(2) * below(5); operations != 0; --operations) {
                operation(tx, after);
            }
            Judge judge{state_, after};
            bool stands = judge.judge();
            if (stands) {
                saboteur_.vetoes.push_back(below(10) == 0);
                stands = !saboteur_.vetoes.back();
            } else {
                ++violations;
            }
            played.push_back({tx.submit(), stands});
            if (stands) {
                any = true;
                ++accepted;
                followed += judge.followed;
                for (auto& [entity, rows] : after) {
                    rows.leaf_added = rows.bud_added = false;
                }
                state_ = std::move(after);
            }
        }
        for (Played& each : played) {
            const Result<void> result = each.ticket.wait();
            if (!result) {
                INFO(result.error().to_string());
                REQUIRE((!each.foretold || saboteur_.discards));
            } else {
                REQUIRE((each.foretold && !saboteur_.discards));
            }
        }
        if (saboteur_.discards) {
            state_ = before;
        }
        compare();
        if (any && !saboteur_.discards && saboteur_.vetoes.empty() && played.back().foretold) {
            REQUIRE(scene_.key_count() == scene_.keys_there());
        }
    }

    int accepted = 0;
    int violations = 0;
    int followed = 0;

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

    template <typename Tx>
    void operation(Tx& tx, State& state) {
        if (state.size() < 3 || (below(6) == 0 && state.size() < 14)) {
            state[tx.create()] = {};
            return;
        }
        const auto chosen = std::next(state.begin(), static_cast<std::ptrdiff_t>(below(state.size())));
        const Entity entity = chosen->first;
        Rows& rows = chosen->second;
        switch (below(11)) {
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
            tx.set(entity, row);
            rows.node = node;
            return;
        }
        case 7: {
            const Leaf leaf{below(2) == 0 ? Entity{} : some_node(state)};
            tx.set(entity, scene_.row("leaf", "owner", leaf.owner));
            rows.leaf_added = rows.leaf_added || !rows.leaf;
            rows.leaf = leaf;
            return;
        }
        case 8: {
            const Bud bud{some_value(state, false)};
            Row row = scene_.row("bud");
            put_code(row, "code", bud.code);
            tx.set(entity, row);
            rows.bud_added = rows.bud_added || !rows.bud;
            rows.bud = bud;
            return;
        }
        default: {
            const Note note{some_value(state, false), some_value(state, true), below(4) == 0 ? some_value(state, false) : Code{},
                            static_cast<std::uint8_t>(below(20) == 0 ? 10 : below(10))};
            Row row = scene_.row("note", "small", note.small);
            put_code(row, "goes", note.goes);
            put_code(row, "forgets", note.forgets);
            put_code(row, "insists", note.insists);
            tx.set(entity, row);
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
    void compare() {
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
    Saboteur saboteur_; // outlives the writer
    Scene scene_{world};
    State state_;
};

} // namespace

TEST_CASE("random transactions end as a plain model of the constraints says, or leave no trace", "[constraint][random]") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        Game game{seed};
        for (int batch = 0; batch < 400; ++batch) {
            CAPTURE(batch);
            game.play_batch();
        }
        CHECK(game.accepted > 100);
        CHECK(game.violations > 100);
        CHECK(game.followed > 50);
    }
}

} // namespace ecsdb::test::random_transactions_test
