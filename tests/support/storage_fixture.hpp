/// @file
/// What storage tests build with: an allocator that counts and refuses, schemas of plain row sizes, a world to write, and a model to
/// compare it with.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/schema/layout.hpp"
#include "ecsdb/storage/write_buffer.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ecsdb::test {

/// Counts what is asked for, and refuses on demand. One thread only.
class CountingAllocator final : public Allocator {
public:
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    CountingAllocator() = default;
    CountingAllocator(const CountingAllocator&) = delete;
    CountingAllocator& operator=(const CountingAllocator&) = delete;
    ~CountingAllocator() {
        CHECK(live_bytes == 0);
        CHECK(sizes_.empty());
    }

    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        const std::uint64_t number = calls++;
        if (number == refuse_call || number >= refuse_from) {
            ++refused;
            return nullptr;
        }
        const std::size_t stricter = alignment < alignof(std::max_align_t) ? alignof(std::max_align_t) : alignment;
        void* const memory = std::aligned_alloc(stricter, (bytes + stricter - 1) / stricter * stricter);
        // What is not zero by chance shows where zero is taken for granted.
        std::memset(memory, 0xA5, bytes);
        sizes_[memory] = {bytes, alignment};
        live_bytes += bytes;
        return memory;
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        const auto found = sizes_.find(memory);
        if (found == sizes_.end() || found->second != std::pair{bytes, alignment}) {
            ++mismatches;
        } else {
            sizes_.erase(found);
        }
        live_bytes -= bytes;
        std::free(memory);
    }

    std::uint64_t calls = 0;
    std::uint64_t refused = 0;
    std::uint64_t mismatches = 0; ///< Memory given back that was never given out, or not as it was.
    std::size_t live_bytes = 0;
    std::uint64_t refuse_call = never; ///< This very call (counted from 0) is refused …
    std::uint64_t refuse_from = never; ///< … and this one with all that follow.

private:
    std::unordered_map<void*, std::pair<std::size_t, std::size_t>> sizes_;
};

/// A table by the size of its rows.
struct TableSpec {
    std::string name;
    std::uint32_t row_bytes = 0; ///< 0 makes it a tag.
    Storage storage = Storage::Table;
};

/// A finished schema of such tables; their ids are their positions.
[[nodiscard]] inline std::shared_ptr<const Schema> schema_of(const std::vector<TableSpec>& specs) {
    std::vector<Table> tables;
    for (const TableSpec& spec : specs) {
        Table table;
        table.name = spec.name;
        table.storage = spec.storage;
        if (spec.row_bytes != 0) {
            const std::uint32_t unit = spec.row_bytes % 8 == 0 ? 8 : spec.row_bytes % 4 == 0 ? 4 : 1;
            Field field;
            field.name = "bytes";
            field.type = unit == 8 ? FieldType::U64 : unit == 4 ? FieldType::U32 : FieldType::U8;
            field.extents = {spec.row_bytes / unit};
            table.fields.push_back(std::move(field));
        }
        tables.push_back(std::move(table));
    }
    auto finished = finish_schema(Schema{"test", "1", std::move(tables), {}, {}});
    if (!finished) {
        FAIL(finished.error().message());
    }
    return std::make_shared<const Schema>(std::move(*finished));
}

/// A store with its write buffer, one batch after another.
class World {
public:
    World(Allocator& allocator, std::shared_ptr<const Schema> schema, const storage::PoolOptions& options = {}, std::uint32_t shard = 0)
        : store_{storage::Store::create(allocator, options, std::move(schema))} {
        if (store_ != nullptr) {
            buffer_ = std::make_unique<storage::WriteBuffer>(*store_);
            if (buffer_->create_first_root(shard)) {
                store_->publish(&buffer_->root());
            } else {
                close();
            }
        }
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World() { close(); }

    /// False when memory was refused to create it.
    [[nodiscard]] bool is_open() const noexcept { return store_ != nullptr; }
    [[nodiscard]] storage::Store& store() noexcept { return *store_; }
    [[nodiscard]] storage::WriteBuffer& buffer() noexcept { return *buffer_; }
    [[nodiscard]] const storage::Root& published() const noexcept { return *store_->published(); }

    /// Publishes the batch, if a transaction was kept in it, and reclaims when due.
    void publish() {
        const storage::Root* const next = buffer_->finish_batch();
        if (next->version != store_->published()->version) {
            store_->publish(next);
        }
        if (store_->reclaimer().due(store_->pins().slot_count())) {
            reclaim();
        }
    }
    void reclaim() { store_->reclaimer().collect(store_->pins(), store_->published()->born); }

    /// One transaction in a batch of its own; `work(WriteBuffer&)` must succeed.
    template <typename Work>
    void commit(Work&& work) {
        REQUIRE(buffer_->begin_batch());
        buffer_->begin_transaction();
        work(*buffer_);
        buffer_->keep_transaction(++time_);
        publish();
    }
    /// The same, undone.
    template <typename Work>
    void undo(Work&& work) {
        REQUIRE(buffer_->begin_batch());
        buffer_->begin_transaction();
        work(*buffer_);
        buffer_->undo_transaction();
        publish();
    }

private:
    void close() {
        buffer_.reset();
        if (store_ != nullptr) {
            std::exchange(store_, nullptr)->drop_owner();
        }
    }

    storage::Store* store_;
    std::unique_ptr<storage::WriteBuffer> buffer_;
    std::uint64_t time_ = 0;
};

/// The bytes of a row; shared, so that copies of a model are cheap.
using RowBytes = std::shared_ptr<const std::string>;

/// A row of `bytes` bytes that all follow from `seed`.
[[nodiscard]] inline RowBytes row_from(std::uint32_t bytes, std::uint64_t seed) {
    auto row = std::make_shared<std::string>(bytes, '\0');
    for (char& c : *row) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        c = static_cast<char>(seed >> 56U);
    }
    return row;
}
[[nodiscard]] inline const std::byte* bytes_of(const RowBytes& row) {
    return reinterpret_cast<const std::byte*>(row->data());
}

/// What a version should hold, as plainly as it can be said.
struct Model {
    struct Living {
        std::uint32_t generation = 0;
        std::map<TableId, RowBytes> rows;
    };
    std::map<std::uint32_t, Living> living;
    std::map<std::uint32_t, std::uint32_t> generations; ///< The last one of every index ever used.
    std::map<std::uint32_t, std::uint32_t> counts;      ///< Transactions that changed the newest entity of each index.

    [[nodiscard]] Entity entity(std::uint32_t index, std::uint32_t shard = 0) const { return Entity{index, generations.at(index), shard}; }
};

/// The first difference between a version and the model of it, or nothing. Also looks for what readers rely on: dense rows that point back
/// to their entities, presence bits and counts that agree.
[[nodiscard]] inline std::string difference(const storage::Root& root, const Schema& schema, const Model& model) {
    using namespace storage;
    const auto at = [](std::uint32_t index, TableId table) {
        return "entity " + std::to_string(index) + ", table " + std::to_string(table) + ": ";
    };
    if (root.entity_count != model.living.size()) {
        return std::to_string(root.entity_count) + " entities, not " + std::to_string(model.living.size());
    }
    std::vector<std::uint64_t> sparse_rows(schema.tables().size());
    for (const auto& [index, living] : model.living) {
        const Entity entity{index, living.generation, root.shard};
        const EntityRecord* const record = root.find_living(entity);
        if (record == nullptr || root.entity_at(index) != entity) {
            return "entity " + std::to_string(index) + " is not alive";
        }
        if (root.find_living(Entity{index, living.generation - 1, root.shard}) != nullptr ||
            root.find_living(Entity{index, living.generation + 1, root.shard}) != nullptr) {
            return "entity " + std::to_string(index) + " answers to another generation";
        }
        std::size_t columns = 0;
        for (const Table& table : schema.tables()) {
            const auto wanted = living.rows.find(table.id);
            const std::byte* const row = root.find_row(*record, index, table.id);
            if ((row != nullptr) != (wanted != living.rows.end())) {
                return at(index, table.id) + (row != nullptr ? "a row that should be absent" : "the row is missing");
            }
            if (row != nullptr && std::memcmp(row, wanted->second->data(), table.size) != 0) {
                return at(index, table.id) + "other bytes";
            }
            if (row != nullptr) {
                ++(table.storage == Storage::Sparse ? sparse_rows[table.id] : columns);
            }
        }
        const Archetype& home = root.archetype(record->archetype);
        if (home.shape->columns().size() != columns || record->row >= home.rows || home.index_at(record->row) != index) {
            return "entity " + std::to_string(index) + " is not where its record says";
        }
    }
    std::uint64_t rows = 0;
    root.for_each_archetype([&](const Archetype& archetype) { rows += archetype.rows; });
    if (rows != model.living.size()) {
        return "archetypes hold " + std::to_string(rows) + " rows";
    }
    std::string wrong;
    root.entities.for_each([&](std::uint32_t index, const EntityRecord& record) {
        const auto used = model.generations.find(index);
        if ((record.archetype != no_archetype) != (model.living.count(index) != 0) ||
            record.generation != (used == model.generations.end() ? 0 : used->second)) {
            wrong = "the record of index " + std::to_string(index) + " is wrong";
        }
    });
    for (const Table& table : schema.tables()) {
        const SparseTable* const sparse = table.storage == Storage::Sparse ? root.sparse(table.id) : nullptr;
        if ((sparse == nullptr ? 0 : sparse->rows) != sparse_rows[table.id]) {
            wrong = "table " + std::to_string(table.id) + " counts " + std::to_string(sparse == nullptr ? 0 : sparse->rows) + " rows";
        }
        std::uint64_t bits = 0;
        if (sparse != nullptr) {
            sparse->blocks.for_each([&](std::uint32_t, const Node& block) {
                const auto present = static_cast<const SparseBlock&>(block).present;
                bits += static_cast<std::uint64_t>(std::popcount(present));
                wrong = present == 0 ? "a block without rows was kept" : std::move(wrong);
            });
        }
        if (bits != sparse_rows[table.id]) {
            wrong = "table " + std::to_string(table.id) + " has " + std::to_string(bits) + " presence bits";
        }
    }
    return wrong;
}

} // namespace ecsdb::test
