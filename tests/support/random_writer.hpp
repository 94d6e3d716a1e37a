/// @file
/// Random operations against a storage world and a plain model at once, with every outcome foretold by the model.
#pragma once

#include "ecsdb/storage/bulk_create.hpp"
#include "support/storage_fixture.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace ecsdb::test {

/// Small rows, a tag, a row wider than 4 KiB, sparse rows small and wide, a sparse tag, and a row of one byte.
[[nodiscard]] inline std::shared_ptr<const Schema> schema_of_all_kinds() {
    return schema_of({{"Position", 12},
                      {"Visible", 0},
                      {"Wide", 5000},
                      {"Target", 8, Storage::Sparse},
                      {"Burning", 0, Storage::Sparse},
                      {"Notes", 600, Storage::Sparse},
                      {"Level", 1}});
}

/// Drives one `World`. After every call the model says what the state must be.
class RandomWriter {
public:
    using Outcome = storage::Outcome;

    RandomWriter(World& world, std::uint64_t seed, std::uint32_t indices = 200)
        : world_{&world}, schema_{&world.store().schema()}, random_{seed}, indices_{indices} {}

    [[nodiscard]] const Model& model() const noexcept { return model_; }
    [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    /// Transactions that ran out of memory so far.
    [[nodiscard]] std::uint64_t refusals() const noexcept { return refusals_; }

    /// One transaction of up to `operations` operations in the open batch, kept or undone. Empty, or what is wrong.
    [[nodiscard]] std::string transaction(std::uint64_t operations) {
        const Model before = model_;
        touched_.clear();
        // Half of the operations concern one index, and half of those one table: what a transaction does twice is hard to undo.
        hot_index_ = any_index();
        hot_table_ = static_cast<TableId>(below(schema_->tables().size()));
        buffer().begin_transaction();
        Outcome outcome = Outcome::Done;
        for (std::uint64_t left = 1 + below(operations); left != 0 && !failed(outcome) && wrong_.empty(); --left) {
            outcome = operation();
        }
        refusals_ += outcome == Outcome::OutOfMemory ? 1U : 0U;
        if (failed(outcome) || below(3) == 0) {
            buffer().undo_transaction();
            model_ = before;
        } else {
            buffer().keep_transaction(++time_);
            for (const std::uint32_t index : touched_) {
                ++model_.counts[index];
            }
        }
        return check(buffer().root());
    }

    /// What is wrong with `root`, read as the newest state.
    [[nodiscard]] std::string check(const storage::Root& root) const {
        if (!wrong_.empty()) {
            return wrong_;
        }
        for (const auto& [index, generation] : model_.generations) {
            const auto counted = model_.counts.find(index);
            if (world_->store().entity_versions().count(index) != (counted == model_.counts.end() ? 0 : counted->second)) {
                return "the change count of index " + std::to_string(index) + " is wrong";
            }
        }
        return difference(root, *schema_, model_);
    }

    /// Destroys everything, in a transaction of its own in a batch of its own.
    void destroy_all() {
        world_->commit([&](storage::WriteBuffer& writer) {
            while (!model_.living.empty()) {
                const auto first = model_.living.begin();
                REQUIRE(writer.destroy(model_.entity(first->first)) == Outcome::Done);
                ++model_.counts[first->first];
                model_.living.erase(first);
            }
        });
    }

private:
    static bool failed(Outcome outcome) noexcept { return outcome != Outcome::Done && outcome != Outcome::Absent; }
    storage::WriteBuffer& buffer() noexcept { return world_->buffer(); }

    std::uint32_t random_index() { return below(2) == 0 ? hot_index_ : any_index(); }
    std::uint32_t any_index() {
        // A dense range, one far away, and the one where many are created at once: trees with gaps.
        const auto index = static_cast<std::uint32_t>(below(indices_));
        if (index < indices_ / 8) {
            return bulk_begin + index * 2;
        }
        return index < indices_ - indices_ / 4 ? index : 20000 + index * 3;
    }
    Entity random_entity(std::uint32_t index) {
        const auto known = model_.generations.find(index);
        return Entity{index, known == model_.generations.end() ? 1 : known->second, 0};
    }

    Outcome expect(Outcome got, Outcome wanted, const char* operation) {
        if (got != wanted && got != Outcome::OutOfMemory && wrong_.empty()) {
            wrong_ = std::string{operation} + " ended with " + std::to_string(int(got)) + ", not " + std::to_string(int(wanted));
        }
        return got;
    }

    Outcome operation() {
        const std::uint32_t index = random_index();
        const std::uint64_t choice = below(100);
        if (choice < 22) {
            return create(index);
        }
        if (choice < 32) {
            return destroy(index);
        }
        if (choice < 34) {
            return expect(buffer().set(Entity{index, 1, 7}, 0, nullptr), Outcome::WrongShard, "set of a foreign entity");
        }
        return choice < 36 ? create_many() : row_operation(index, choice);
    }

    Outcome create_many() {
        const std::uint32_t first = bulk_begin + static_cast<std::uint32_t>(below(indices_ / 2));
        const std::uint32_t count = 1 + static_cast<std::uint32_t>(below(indices_));
        std::uint32_t generation = 1;
        for (std::uint32_t index = first; index < first + count; ++index) {
            if (model_.living.count(index) != 0) {
                return destroy(index); // make room for a later one
            }
            const auto used = model_.generations.find(index);
            generation = std::max(generation, used == model_.generations.end() ? 1 : used->second + 1);
        }
        std::vector<TableId> tables;
        std::vector<RowBytes> rows;
        std::vector<const std::byte*> columns;
        for (const Table& table : schema_->tables()) {
            if (table.storage == Storage::Table && below(2) == 0) {
                tables.push_back(table.id);
                rows.push_back(row_from(table.size * count, random_()));
                columns.push_back(bytes_of(rows.back()));
            }
        }
        const Outcome outcome =
            expect(storage::create_many(buffer(), Entity{first, generation, 0}, count, tables, columns), Outcome::Done, "create_many");
        for (std::uint32_t i = 0; outcome == Outcome::Done && i < count; ++i) {
            Model::Living& entity = model_.living[first + i];
            entity.generation = model_.generations[first + i] = generation;
            model_.counts[first + i] = 0;
            for (std::size_t k = 0; k < tables.size(); ++k) {
                const std::uint32_t bytes = schema_->table(tables[k]).size;
                entity.rows[tables[k]] = std::make_shared<std::string>(rows[k]->substr(std::size_t{i} * bytes, bytes));
            }
            touched_.insert(first + i);
        }
        return outcome;
    }

    Outcome create(std::uint32_t index) {
        const auto living = model_.living.find(index);
        if (living != model_.living.end()) {
            // Mostly something useful instead, for this fails the transaction.
            return below(20) == 0 ? expect(buffer().create(random_entity(index)), Outcome::AlreadyExists, "create of a living entity")
                                  : Outcome::Done;
        }
        const std::uint32_t generation = model_.generations[index] + 1 + static_cast<std::uint32_t>(below(10) == 0);
        if (model_.generations[index] == 0) {
            model_.generations.erase(index);
        }
        storage::ArchetypeShape* shape = &buffer().empty_shape();
        std::map<TableId, RowBytes> rows;
        for (const Table& table : schema_->tables()) {
            if (table.storage == Storage::Table && below(2) == 0) {
                shape = buffer().shape_with(*shape, table.id);
                if (shape == nullptr) {
                    return Outcome::OutOfMemory;
                }
                rows[table.id] = row_from(table.size, random_());
            }
        }
        const Outcome outcome = expect(buffer().create(Entity{index, generation, 0}, *shape), Outcome::Done, "create");
        if (outcome != Outcome::Done) {
            return outcome;
        }
        storage::Archetype* const home = buffer().own_archetype(shape->id());
        for (std::uint16_t column = 0; column < shape->columns().size(); ++column) {
            const RowBytes& row = rows[shape->columns()[column].table];
            if (!row->empty()) {
                std::memcpy(buffer().fresh_row(*home, column, home->rows - 1), row->data(), row->size());
            }
        }
        model_.generations[index] = generation;
        model_.living[index] = {generation, std::move(rows)};
        model_.counts[index] = 0;
        touched_.insert(index);
        return outcome;
    }

    Outcome destroy(std::uint32_t index) {
        const bool lives = model_.living.count(index) != 0;
        const Outcome outcome = expect(buffer().destroy(random_entity(index)), lives ? Outcome::Done : Outcome::Absent, "destroy");
        if (outcome == Outcome::Done) {
            model_.living.erase(index);
            touched_.insert(index);
        }
        return outcome;
    }

    Outcome row_operation(std::uint32_t index, std::uint64_t choice) {
        const auto living = model_.living.find(index);
        const Entity entity = random_entity(index);
        const Table& table = schema_->tables()[index == hot_index_ && below(2) == 0 ? hot_table_ : below(schema_->tables().size())];
        if (living == model_.living.end()) {
            return below(20) != 0 ? Outcome::Done : expect(buffer().set(entity, table.id, nullptr), Outcome::NotFound, "set of a dead one");
        }
        const bool present = living->second.rows.count(table.id) != 0;
        const RowBytes row = row_from(table.size, random_());
        const std::byte* const value = row->empty() ? nullptr : bytes_of(row);
        Outcome outcome = Outcome::Done;
        if (choice < 50) {
            outcome = expect(buffer().set(entity, table.id, value), Outcome::Done, "set");
        } else if (choice < 62) {
            if (present && below(20) != 0) {
                return Outcome::Done;
            }
            outcome = expect(buffer().insert(entity, table.id, value), present ? Outcome::AlreadyExists : Outcome::Done, "insert");
        } else if (choice < 74) {
            if (!present && below(20) != 0) {
                return Outcome::Done;
            }
            outcome = expect(buffer().update(entity, table.id, value), present ? Outcome::Done : Outcome::NotFound, "update");
        } else if (choice < 84 && table.size != 0) {
            return update_part(entity, table, present ? &living->second.rows[table.id] : nullptr, row);
        } else {
            outcome = expect(buffer().remove(entity, table.id), present ? Outcome::Done : Outcome::Absent, "remove");
            if (outcome == Outcome::Done) {
                living->second.rows.erase(table.id);
                touched_.insert(index);
            }
            return outcome;
        }
        if (outcome == Outcome::Done) {
            living->second.rows[table.id] = row;
            touched_.insert(index);
        }
        return outcome;
    }

    Outcome update_part(Entity entity, const Table& table, RowBytes* present, const RowBytes& row) {
        const auto offset = static_cast<std::uint32_t>(below(table.size));
        const auto bytes = static_cast<std::uint32_t>(1 + below(table.size - offset));
        if (present == nullptr && below(20) != 0) {
            return Outcome::Done;
        }
        const Outcome outcome = expect(buffer().update_part(entity, table.id, offset, bytes, bytes_of(row)),
                                       present != nullptr ? Outcome::Done : Outcome::NotFound, "update_part");
        if (outcome == Outcome::Done) {
            auto changed = std::make_shared<std::string>(**present);
            std::copy_n(row->begin(), bytes, changed->begin() + offset);
            *present = std::move(changed);
            touched_.insert(entity.index());
        }
        return outcome;
    }

    static constexpr std::uint32_t bulk_begin = 40000;

    World* world_;
    const Schema* schema_;
    std::mt19937_64 random_;
    std::uint32_t indices_;
    Model model_;
    std::uint32_t hot_index_ = 0;
    TableId hot_table_ = 0;
    std::set<std::uint32_t> touched_;
    std::string wrong_;
    std::uint64_t time_ = 0;
    std::uint64_t refusals_ = 0;
};

} // namespace ecsdb::test
