/// @file
/// Random transactions of every form against a database that is stepped by hand, with a plain model that foretells each outcome.
#pragma once

#include "ecsdb/transaction/apply_delta.hpp"
#include "support/storage_fixture.hpp"
#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace ecsdb::test {

/// Submits transactions to one database and says what must come of them.
class RandomProgram {
public:
    RandomProgram(World8& db, std::uint64_t seed, std::size_t population = 60) : db_{&db}, random_{seed}, population_{population} {}

    [[nodiscard]] const Model& model() const noexcept { return model_; }
    [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }

    /// Queues a command transaction of 1 to `most` operations. About a third have one in them that must fail.
    void submit(std::uint64_t most) {
        Scratch scratch{model_, {}, success};
        auto tx = db_->begin();
        const std::uint64_t count = 1 + below(most);
        const std::uint64_t failing = below(3) == 0 ? below(count) : count;
        for (std::uint64_t i = 0; i < count; ++i) {
            if (i == failing) {
                add_failure(tx, scratch);
            } else {
                add_operation(tx, scratch);
            }
        }
        tickets_.push_back({tx.submit(), scratch.code});
        settle(scratch);
    }

    /// Runs what is queued and compares each outcome, then the whole state. Empty, or what is wrong.
    [[nodiscard]] std::string run() {
        step_all(*db_);
        for (Submitted& submitted : tickets_) {
            if (const ErrorCode code = code_of(submitted.ticket.wait()); code != submitted.code) {
                return "a transaction ended with " + std::string{name_of(code)} + ", not " + std::string{name_of(submitted.code)};
            }
        }
        tickets_.clear();
        return check();
    }
    [[nodiscard]] std::string check() {
        const auto view = db_->read();
        for (const auto& [index, living] : model_.living) {
            const auto counted = model_.counts.find(index);
            const std::uint32_t count = counted == model_.counts.end() ? 0 : counted->second;
            if (view.entity_version(Entity{index, living.generation, 0}) != count) {
                return "the change count of index " + std::to_string(index) + " is not " + std::to_string(count);
            }
        }
        return difference(view.root(), view.schema(), model_);
    }

    /// Every account with a level gains: computed before what is queued has run, put in place after it.
    void column_update() {
        const Result<void> updated = db_->update<Account, const Level>([](Account& account, const Level& level) {
            account.balance = static_cast<std::int64_t>(static_cast<std::uint64_t>(account.balance) * 3 + level.number);
        });
        CHECK(updated);
        for (auto& [index, living] : model_.living) {
            const auto account = living.rows.find(2);
            const auto level = living.rows.find(3);
            if (account != living.rows.end() && level != living.rows.end()) {
                std::uint64_t balance = 0;
                std::memcpy(&balance, account->second->data(), sizeof(balance));
                balance = balance * 3 + static_cast<std::uint8_t>((*level->second)[0]);
                auto row = std::make_shared<std::string>(sizeof(balance), '\0');
                std::memcpy(row->data(), &balance, sizeof(balance));
                account->second = std::move(row);
            }
        }
    }

    /// A function transaction that ignores its failed operations, and in the end succeeds or not.
    void function(std::uint64_t most) {
        Scratch scratch{model_, {}, success};
        const bool gives_up = below(3) == 0;
        const Result<void> result = db_->execute([&](World8::WriteState& state) -> Result<void> {
            for (std::uint64_t left = 1 + below(most); left != 0; --left) {
                change(state, scratch);
            }
            if (gives_up) {
                return Error{ErrorCode::Aborted, "changed its mind"};
            }
            return {};
        });
        CHECK(code_of(result) == (gives_up ? ErrorCode::Aborted : success));
        scratch.code = code_of(result);
        settle(scratch);
    }

    /// Many at once, in a function.
    void create_many() {
        const auto count = static_cast<std::uint32_t>(below(20));
        std::vector<Account> accounts(count);
        std::vector<Level> levels(count);
        for (std::uint32_t i = 0; i < count; ++i) {
            accounts[i].balance = static_cast<std::int64_t>(below(1000));
            levels[i].number = static_cast<std::uint8_t>(below(256));
        }
        Scratch scratch{model_, {}, success};
        const Result<Entity> first = db_->execute([&](World8::WriteState& state) {
            return state.create_many(count, std::span<const Level>{levels}, std::span<const Account>{accounts});
        });
        REQUIRE(first);
        for (std::uint32_t i = 0; i < count; ++i) {
            const Entity entity{first->index() + i, first->generation(), 0};
            born(scratch, entity);
            Model::Living& living = scratch.model.living[entity.index()];
            living.rows[2] = bytes(&accounts[i], sizeof(Account));
            living.rows[3] = bytes(&levels[i], sizeof(Level));
        }
        settle(scratch);
    }

private:
    struct Submitted {
        Ticket ticket;
        ErrorCode code;
    };
    struct Scratch {
        Model model;
        std::set<std::uint32_t> touched;
        ErrorCode code;
    };

    static RowBytes bytes(const void* data, std::size_t size) {
        return std::make_shared<std::string>(static_cast<const char*>(data), size);
    }
    static std::span<const std::byte> span_of(const RowBytes& row) { return {bytes_of(row), row->size()}; }

    void settle(Scratch& scratch) {
        if (scratch.code != success) {
            ++failures_;
            return;
        }
        for (const std::uint32_t index : scratch.touched) {
            ++scratch.model.counts[index];
        }
        model_ = std::move(scratch.model);
    }

    void born(Scratch& scratch, Entity entity) {
        REQUIRE(given_.insert(entity.to_bits()).second); // no id is ever handed out twice
        scratch.model.living[entity.index()] = {entity.generation(), {}};
        scratch.model.generations[entity.index()] = entity.generation();
        scratch.model.counts[entity.index()] = 0;
        scratch.touched.insert(entity.index());
        known_.push_back(entity);
    }

    /// Mostly somebody alive.
    Entity somebody(const Model& model) {
        if (!model.living.empty() && below(12) != 0) {
            auto chosen = model.living.lower_bound(static_cast<std::uint32_t>(below(model.living.rbegin()->first + 1U)));
            return model.entity(chosen->first);
        }
        return known_.empty() ? Entity{} : known_[below(known_.size())];
    }
    [[nodiscard]] static Model::Living* find(Model& model, Entity entity) {
        const auto found = model.living.find(entity.index());
        return found == model.living.end() || found->second.generation != entity.generation() ? nullptr : &found->second;
    }
    const Table& random_table() { return db_->schema().table(static_cast<TableId>(below(db_->schema().tables().size()))); }
    RowBytes random_row(const Table& table) {
        // Few values, so that writing what is there already happens too.
        return row_from(table.size, below(4));
    }

    template <typename Tx>
    Entity create(Tx& tx, Scratch& scratch) {
        const Entity entity = tx.create();
        born(scratch, entity);
        return entity;
    }

    /// An operation that the model says will not fail.
    void add_operation(World8::Transaction& tx, Scratch& scratch) {
        const std::uint64_t choice = below(100);
        if (choice < (scratch.model.living.size() < population_ ? 30U : 5U)) {
            create(tx, scratch);
            Entity entity = known_.back();
            for (std::uint64_t rows = below(4); rows != 0; --rows) {
                put(tx, scratch, entity, random_table(), 40 + below(60));
            }
            return;
        }
        const Entity entity = somebody(scratch.model);
        if (choice < 40) {
            tx.destroy(entity);
            if (find(scratch.model, entity) != nullptr) {
                scratch.model.living.erase(entity.index());
                scratch.touched.insert(entity.index());
            }
            return;
        }
        put(tx, scratch, entity, random_table(), choice);
    }
    void put(World8::Transaction& tx, Scratch& scratch, Entity entity, const Table& table, std::uint64_t choice) {
        Model::Living* const living = find(scratch.model, entity);
        if (choice < 55) {
            tx.remove_row(entity, table.id);
            if (living != nullptr && living->rows.erase(table.id) != 0) {
                scratch.touched.insert(entity.index());
            }
            return;
        }
        if (living == nullptr) {
            return;
        }
        const RowBytes row = random_row(table);
        const bool present = living->rows.count(table.id) != 0;
        RowBytes result = row;
        if (present && choice < 70 && table.size != 0) {
            const std::uint32_t offset = static_cast<std::uint32_t>(below(table.size));
            const std::uint32_t count = 1 + static_cast<std::uint32_t>(below(table.size - offset));
            tx.update_part(entity, table.id, offset, span_of(row).first(count));
            auto changed = std::make_shared<std::string>(*living->rows[table.id]);
            std::copy_n(row->begin(), count, changed->begin() + offset);
            result = std::move(changed);
        } else if (choice < 80) {
            tx.set_row(entity, table.id, span_of(row));
        } else if (present) {
            tx.update_row(entity, table.id, span_of(row));
        } else {
            tx.insert_row(entity, table.id, span_of(row));
        }
        living->rows[table.id] = std::move(result);
        scratch.touched.insert(entity.index());
    }

    void add_failure(World8::Transaction& tx, Scratch& scratch) {
        const Table& table = random_table();
        const RowBytes row = random_row(table);
        Entity entity = somebody(scratch.model);
        Model::Living* const living = find(scratch.model, entity);
        ErrorCode code = ErrorCode::NotFound;
        if (below(6) == 0) {
            entity = Entity{entity.index(), entity.generation(), 5};
            code = ErrorCode::WrongShard;
            tx.destroy(entity);
        } else if (living != nullptr && living->rows.count(table.id) != 0) {
            code = ErrorCode::AlreadyExists;
            tx.insert_row(entity, table.id, span_of(row));
        } else {
            tx.update_row(entity, table.id, span_of(row));
        }
        scratch.code = scratch.code == success ? code : scratch.code;
    }

    /// The same kinds of operations inside a function; those that fail have no effect.
    void change(World8::WriteState& state, Scratch& scratch) {
        const std::uint64_t choice = below(100);
        if (choice < 20) {
            const Result<Entity> entity = state.create();
            REQUIRE(entity);
            born(scratch, *entity);
            return;
        }
        const Entity entity = somebody(scratch.model);
        Model::Living* const living = find(scratch.model, entity);
        if (choice < 30) {
            CHECK(state.destroy(entity));
            if (living != nullptr) {
                scratch.model.living.erase(entity.index());
                scratch.touched.insert(entity.index());
            }
            return;
        }
        const Table& table = random_table();
        const RowBytes row = random_row(table);
        const bool present = living != nullptr && living->rows.count(table.id) != 0;
        // Reads see what was written before.
        const std::byte* const seen = state.find_row(entity, table.id);
        CHECK((seen != nullptr) == present);
        if (seen != nullptr && table.size != 0) {
            CHECK(std::memcmp(seen, living->rows[table.id]->data(), table.size) == 0);
        }
        CHECK(state.is_alive(entity) == (living != nullptr));
        ErrorCode expected = living == nullptr ? ErrorCode::NotFound : success;
        Result<void> result;
        if (choice < 50) {
            result = state.set_row(entity, table.id, span_of(row));
        } else if (choice < 65) {
            expected = living == nullptr ? ErrorCode::NotFound : present ? ErrorCode::AlreadyExists : success;
            result = state.insert_row(entity, table.id, span_of(row));
        } else if (choice < 80) {
            expected = present ? success : ErrorCode::NotFound;
            result = state.update_row(entity, table.id, span_of(row));
        } else {
            CHECK(state.remove_row(entity, table.id));
            if (present) {
                living->rows.erase(table.id);
                scratch.touched.insert(entity.index());
            }
            return;
        }
        CHECK(code_of(result) == expected);
        if (result) {
            living->rows[table.id] = row;
            scratch.touched.insert(entity.index());
        }
    }

    World8* db_;
    std::mt19937_64 random_;
    std::size_t population_;
    Model model_;
    std::vector<Entity> known_;
    std::set<std::uint64_t> given_;
    std::vector<Submitted> tickets_;
    std::uint64_t failures_ = 0;
};

/// Another store that knows of the first only what deltas say.
class Replica {
public:
    explicit Replica(const Schema& schema) : world_{allocator_, std::make_shared<const Schema>(schema)}, applier_{world_.buffer()} {}

    /// Applies one delta in a batch of its own.
    Result<bool> apply(std::span<const std::byte> delta, std::uint64_t time_ns = 0) {
        REQUIRE(world_.buffer().begin_batch());
        Result<bool> applied = applier_.apply(delta, time_ns);
        world_.publish();
        return applied;
    }
    [[nodiscard]] std::uint64_t hash() { return storage::hash_of(world_.published()); }
    [[nodiscard]] std::uint64_t counts() { return hash_of_counts(world_.published(), world_.store().entity_versions()); }
    [[nodiscard]] World& world() noexcept { return world_; }

private:
    CountingAllocator allocator_;
    World world_;
    transaction::DeltaApplier applier_;
};

} // namespace ecsdb::test
