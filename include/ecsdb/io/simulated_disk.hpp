/// @file
/// What a disk holds and what is only on its way there: the model below the simulated file system, with every way a crash can part the two.
#pragma once

#include "ecsdb/core/checksum.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// What becomes of changes that were not synced.
enum class KeepPending : std::uint8_t {
    None,   ///< Lost, all of them.
    All,    ///< They all made it.
    Subset, ///< Each for itself, by `seed`: later ones without earlier ones, too.
    Prefix, ///< The first `prefix` of them, and `torn_bytes` of the next if that is a write.
    Cached, ///< Only the process died: nothing is lost, nothing more is durable, the boot id stays.
};

/// How a simulated machine crashes.
struct CrashPlan {
    std::uint64_t seed = 0; ///< The same seed on the same history leaves the same image.
    KeepPending keep = KeepPending::None;
    /// Of `Subset`: 0 keeps a write whole or not at all, 1 keeps a random first part of it, anything else decides for each aligned block
    /// of that many bytes (512, 4096) by itself. Of a lost block, too, the file's growth may have survived: it then reads as zeros.
    std::size_t tear = 0;
    bool garbage = false; ///< Whether a lost block may hold random bytes. Only with a `tear` above 1.
    std::size_t prefix = 0;
    std::size_t torn_bytes = 0;
};

namespace detail {

/// One change to a simulated disk. They are all that ever changes one, so a list of them is a history.
struct DiskChange {
    enum class Kind : std::uint8_t { CreateFile, CreateDirectory, Move, Unlink, Write, Resize, SyncFile, DropPending, SyncNames };
    Kind kind;
    std::uint64_t node = 0; ///< The file; the directory, of changes to names.
    std::string name{};
    std::uint64_t target = 0; ///< The directory moved to.
    std::string target_name{};
    std::uint64_t offset = 0; ///< The new size, of a resize.
    std::shared_ptr<const std::vector<std::byte>> bytes{};
};

/// Files and directories as numbered nodes, each with a current and a durable state, and the ordered list of changes between the two.
/// A value: a copy goes its own way. Not safe for several threads.
class SimulatedDisk {
public:
    static constexpr std::uint64_t root = 1;

    struct Node {
        bool directory = false;
        std::vector<std::byte> bytes;
        std::vector<std::byte> durable_bytes;
        std::map<std::string, std::uint64_t> names;
        std::map<std::string, std::uint64_t> durable_names;
        std::size_t handles = 0;
    };

    SimulatedDisk() { nodes_[root].directory = true; }

    [[nodiscard]] Node* find(std::uint64_t id) noexcept {
        const auto found = nodes_.find(id);
        return found == nodes_.end() ? nullptr : &found->second;
    }
    /// The node of a name in a directory; 0 where there is none.
    [[nodiscard]] std::uint64_t lookup(std::uint64_t directory, const std::string& name) noexcept {
        const Node* const node = find(directory);
        const auto found = node == nullptr ? decltype(node->names.end()){} : node->names.find(name);
        return node == nullptr || found == node->names.end() ? 0 : found->second;
    }
    [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }

    /// The bytes of all files that can be reached by name or handle.
    [[nodiscard]] std::uint64_t bytes_in_use() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t id : reachable(false)) {
            sum += nodes_.at(id).bytes.size();
        }
        return sum;
    }

    /// Makes a change that must make sense here; one to a file that is gone does nothing.
    void apply(const DiskChange& change) {
        Node* const node = find(change.node);
        if (node == nullptr) {
            return;
        }
        switch (change.kind) {
        case DiskChange::Kind::CreateFile:
        case DiskChange::Kind::CreateDirectory:
            nodes_[next_node_].directory = change.kind == DiskChange::Kind::CreateDirectory;
            rename_in({change.node, {}, change.node, change.name, next_node_});
            ++next_node_;
            break;
        case DiskChange::Kind::Move:
            rename_in({change.node, change.name, change.target, change.target_name, lookup(change.node, change.name)});
            break;
        case DiskChange::Kind::Unlink:
            rename_in({change.node, change.name, change.node, {}, 0});
            break;
        case DiskChange::Kind::Write:
            overwrite(node->bytes, change.offset, *change.bytes, 0, change.bytes->size());
            pending_.push_back({change.node, change.offset, change.bytes, {}});
            break;
        case DiskChange::Kind::Resize:
            node->bytes.resize(static_cast<std::size_t>(change.offset));
            pending_.push_back({change.node, change.offset, nullptr, {}});
            break;
        case DiskChange::Kind::SyncFile:
            settle([&](const Pending& waiting) { return waiting.node == change.node; });
            break;
        case DiskChange::Kind::DropPending:
            std::erase_if(pending_, [&](const Pending& waiting) { return waiting.node == change.node; });
            break;
        case DiskChange::Kind::SyncNames:
            sync_names(change.node);
            collect();
            break;
        }
    }

    /// The disk after a crash: what `plan` let through is durable and current, nothing is pending, nobody has a file open.
    [[nodiscard]] SimulatedDisk survivors(const CrashPlan& plan) const {
        SimulatedDisk disk = *this;
        if (plan.keep != KeepPending::Cached) {
            disk.pending_.clear();
            std::uint64_t random = mix64(plan.seed ^ 0x5EEDULL);
            std::set<std::pair<std::uint64_t, std::string>> lost_names;
            for (std::size_t number = 0; number < pending_.size(); ++number) {
                disk.survive(pending_[number], number, plan, random, lost_names);
            }
        }
        for (auto& [id, node] : disk.nodes_) {
            node.handles = 0;
            if (plan.keep != KeepPending::Cached) {
                node.bytes = node.durable_bytes;
                node.names = node.durable_names;
            }
        }
        disk.collect();
        return disk;
    }

private:
    /// A name taken away and a name given, both or either, in one step that a crash does not part. An empty name is none.
    struct NameChange {
        std::uint64_t from = 0;
        std::string old_name;
        std::uint64_t to = 0;
        std::string new_name;
        std::uint64_t node = 0;
    };
    /// A write (with bytes), a resize (without), or a change of names (of no node).
    struct Pending {
        std::uint64_t node;
        std::uint64_t offset;
        std::shared_ptr<const std::vector<std::byte>> bytes;
        NameChange names;
    };
    using Names = std::map<std::string, std::uint64_t>;

    static std::uint64_t next_random(std::uint64_t& state) noexcept { return mix64(state += 0x9E3779B97F4A7C15ULL); }

    static void overwrite(std::vector<std::byte>& image, std::uint64_t offset, std::span<const std::byte> bytes, std::size_t first,
                          std::size_t last) {
        const auto begin = static_cast<std::size_t>(offset);
        if (first < last) {
            image.resize(std::max(image.size(), begin + last));
            std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(first), bytes.begin() + static_cast<std::ptrdiff_t>(last),
                      image.begin() + static_cast<std::ptrdiff_t>(begin + first));
        }
    }

    void rename(const NameChange& change, Names Node::*names) {
        Node* const from = find(change.from);
        Node* const to = find(change.to);
        if (from != nullptr && !change.old_name.empty()) {
            (from->*names).erase(change.old_name);
        }
        if (to != nullptr && !change.new_name.empty()) {
            (to->*names)[change.new_name] = change.node;
        }
    }
    void rename_in(NameChange change) {
        rename(change, &Node::names);
        pending_.push_back({0, 0, nullptr, std::move(change)});
    }

    void make_durable(const Pending& change) {
        if (change.node == 0) {
            rename(change.names, &Node::durable_names);
        } else if (Node* const node = find(change.node); node != nullptr && change.bytes != nullptr) {
            overwrite(node->durable_bytes, change.offset, *change.bytes, 0, change.bytes->size());
        } else if (node != nullptr) {
            node->durable_bytes.resize(static_cast<std::size_t>(change.offset));
        }
    }

    template <typename Chosen>
    void settle(Chosen chosen) {
        std::vector<Pending> left;
        for (Pending& change : pending_) {
            if (chosen(change)) {
                make_durable(change);
            } else {
                left.push_back(std::move(change));
            }
        }
        pending_ = std::move(left);
    }

    /// A directory's names become durable together with whatever earlier change of another directory they build upon, as in the
    /// journal of a real file system: a rename between two directories is never half durable.
    void sync_names(std::uint64_t directory) {
        std::set<std::uint64_t> directories{directory};
        std::set<const Pending*> chosen;
        for (auto change = pending_.rbegin(); change != pending_.rend(); ++change) {
            const NameChange& names = change->names;
            if (change->node == 0 && (directories.contains(names.from) || directories.contains(names.to))) {
                directories.insert(names.from);
                directories.insert(names.to);
                chosen.insert(&*change);
            }
        }
        settle([&](const Pending& change) { return chosen.contains(&change); });
    }

    void survive(const Pending& change, std::size_t number, const CrashPlan& plan, std::uint64_t& random,
                 std::set<std::pair<std::uint64_t, std::string>>& lost_names) {
        bool kept = plan.keep == KeepPending::All || (plan.keep == KeepPending::Prefix && number < plan.prefix);
        if (plan.keep == KeepPending::Subset) {
            kept = (next_random(random) & 1U) != 0;
        }
        if (change.node == 0) {
            // What builds on a lost change of the same name is lost with it.
            const std::pair<std::uint64_t, std::string> keys[] = {{change.names.from, change.names.old_name},
                                                                  {change.names.to, change.names.new_name}};
            for (const auto& key : keys) {
                kept = kept && (key.second.empty() || !lost_names.contains(key));
            }
            if (!kept) {
                lost_names.insert(std::begin(keys), std::end(keys));
                return;
            }
        } else if (change.bytes != nullptr) {
            if (plan.keep == KeepPending::Prefix && number == plan.prefix) {
                tear(change, std::min(plan.torn_bytes, change.bytes->size()));
                return;
            }
            if (plan.keep == KeepPending::Subset && plan.tear == 1 && kept) {
                tear(change, static_cast<std::size_t>(next_random(random) % (change.bytes->size() + 1)));
                return;
            }
            if (plan.keep == KeepPending::Subset && plan.tear > 1) {
                survive_in_blocks(change, plan, random);
                return;
            }
        }
        if (kept) {
            make_durable(change);
        }
    }

    void tear(const Pending& write, std::size_t kept) {
        if (Node* const node = find(write.node)) {
            overwrite(node->durable_bytes, write.offset, *write.bytes, 0, kept);
        }
    }

    /// Whether these bytes are on the disk anyway: writing them once more puts nothing at risk, as appending to a block does not either.
    static bool holds_already(const Node& node, std::span<const std::byte> bytes, std::size_t at, std::size_t first, std::size_t last) {
        return at + (last - first) <= node.durable_bytes.size() &&
               std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(first), bytes.begin() + static_cast<std::ptrdiff_t>(last),
                          node.durable_bytes.begin() + static_cast<std::ptrdiff_t>(at));
    }

    void survive_in_blocks(const Pending& write, const CrashPlan& plan, std::uint64_t& random) {
        Node* const node = find(write.node);
        if (node == nullptr) {
            return;
        }
        for (std::size_t first = 0; first < write.bytes->size();) {
            const auto at = static_cast<std::size_t>(write.offset) + first;
            const std::size_t last = std::min(write.bytes->size(), first + plan.tear - at % plan.tear);
            const std::uint64_t choice = holds_already(*node, *write.bytes, at, first, last) ? 0 : next_random(random) % 6;
            if (choice < 3) {
                overwrite(node->durable_bytes, write.offset, *write.bytes, first, last);
            } else if (choice == 3) {
                node->durable_bytes.resize(std::max(node->durable_bytes.size(), at + last - first));
            } else if (choice == 4 && plan.garbage) {
                std::vector<std::byte> noise(last - first);
                for (std::byte& byte : noise) {
                    byte = static_cast<std::byte>(next_random(random));
                }
                overwrite(node->durable_bytes, at, noise, 0, noise.size());
            }
            first = last;
        }
    }

    /// The nodes with a name, now or (if `durable`) possibly after a crash, and those somebody has open.
    [[nodiscard]] std::set<std::uint64_t> reachable(bool durable) const {
        std::set<std::uint64_t> found{root};
        std::vector<std::uint64_t> open{root};
        const auto add = [&](std::uint64_t id) {
            if (nodes_.contains(id) && found.insert(id).second) {
                open.push_back(id);
            }
        };
        for (const auto& [id, node] : nodes_) {
            if (node.handles != 0) {
                add(id);
            }
        }
        for (const Pending& change : pending_) {
            if (durable) {
                add(change.names.node);
            }
        }
        while (!open.empty()) {
            const Node& node = nodes_.at(open.back());
            open.pop_back();
            for (const auto& [name, id] : node.names) {
                add(id);
            }
            for (const auto& [name, id] : node.durable_names) {
                if (durable) {
                    add(id);
                }
            }
        }
        return found;
    }
    void collect() {
        const std::set<std::uint64_t> kept = reachable(true);
        std::erase_if(nodes_, [&](const auto& entry) { return !kept.contains(entry.first); });
        std::erase_if(pending_, [&](const Pending& change) { return change.node != 0 && !kept.contains(change.node); });
    }

    std::map<std::uint64_t, Node> nodes_;
    std::vector<Pending> pending_;
    std::uint64_t next_node_ = root + 1;
};

} // namespace detail

} // namespace ecsdb
