/// @file
/// A schema with every kind of promise, and a plain model that says of any transaction whether it may stand, and what follows.
#pragma once

#include "ecsdb/core/entity.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

/// Of its own: its words are also those of storage.
namespace ecsdb::test::judged {

/// Keys in circles, a parent with a grandchild, and one unique value named in all three ways.
inline constexpr std::string_view promising_world = R"(
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

} // namespace ecsdb::test::judged
