/// @file
/// What snapshot tests share: a schema of every kind of table, a random world of it, and saving and loading in one line.
#pragma once

#include "ecsdb/io/fault_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/snapshot/reader.hpp"
#include "ecsdb/snapshot/writer.hpp"
#include "ecsdb/storage/rows.hpp"
#include "support/random_writer.hpp"

#include <string>
#include <vector>

namespace ecsdb::test {

/// The tables of `schema_of_all_kinds`, then ones that only snapshots keep, and ones that nothing keeps.
[[nodiscard]] inline std::shared_ptr<const Schema> schema_to_save() {
    std::vector<Table> tables = schema_of_all_kinds()->tables();
    const auto add = [&](const char* name, FieldType type, Storage storage, Persist persist) {
        Field field;
        field.name = "value";
        field.type = type;
        Table table;
        table.name = name;
        table.storage = storage;
        table.persist = persist;
        table.fields = {field};
        tables.push_back(table);
    };
    add("Mood", FieldType::U32, Storage::Table, Persist::Snapshot);
    add("Hint", FieldType::U16, Storage::Sparse, Persist::Snapshot);
    add("Draft", FieldType::U64, Storage::Table, Persist::Transient);
    add("Trace", FieldType::U64, Storage::Sparse, Persist::Transient);
    auto finished = finish_schema(Schema{"saved", "1", std::move(tables), {}, {}});
    REQUIRE(finished);
    return std::make_shared<const Schema>(*std::move(finished));
}

/// The model without what a snapshot leaves out.
[[nodiscard]] inline Model saved_part(Model model, const Schema& schema) {
    for (auto& [index, living] : model.living) {
        std::erase_if(living.rows, [&](const auto& row) { return !snapshot::is_saved(schema.table(row.first)); });
    }
    return model;
}

/// What is wrong with the counts of changes, or nothing.
[[nodiscard]] inline std::string difference_of_counts(const storage::EntityVersions& versions, const Model& model) {
    for (const auto& [index, generation] : model.generations) {
        const auto counted = model.counts.find(index);
        const std::uint32_t wanted = counted == model.counts.end() ? 0 : counted->second;
        if (versions.count(index) != wanted) {
            return "index " + std::to_string(index) + " was changed " + std::to_string(wanted) + " times, not " +
                   std::to_string(versions.count(index));
        }
    }
    return {};
}

/// `batches` batches of up to five transactions.
inline void run_batches(World& world, RandomWriter& writer, int batches, std::uint64_t operations = 20) {
    for (; batches > 0; --batches) {
        REQUIRE(world.buffer().begin_batch());
        for (std::uint64_t left = 1 + writer.below(5); left != 0; --left) {
            REQUIRE(writer.transaction(operations).empty());
        }
        world.publish();
    }
}

[[nodiscard]] inline snapshot::SnapshotIdentity identity_of(const storage::Root& root) {
    snapshot::SnapshotIdentity identity;
    for (std::size_t i = 0; i < identity.database.size(); ++i) {
        identity.database[i] = static_cast<std::byte>(i * 17 + 1);
    }
    identity.epoch = 3;
    identity.shard = root.shard;
    identity.next_fresh = root.entities.index_end();
    return identity;
}

/// Saves what is published.
[[nodiscard]] inline Result<snapshot::SnapshotInfo> save(World& world, FileSystem& files, const std::string& path, Allocator& allocator,
                                                         int level = 0, bool read_back = false) {
    return snapshot::write_snapshot(files, path, world.published(), world.store().entity_versions(), identity_of(world.published()),
                                    {.allocator = allocator, .compression_level = level, .read_back = read_back});
}

/// Loads `path` into a fresh world, which must be of the same schema, and publishes it.
[[nodiscard]] inline Result<snapshot::LoadedSnapshot> load(World& world, FileSystem& files, const std::string& path, Allocator& allocator) {
    auto file = snapshot::open_snapshot(files, path, allocator);
    if (!file) {
        return std::move(file).error();
    }
    auto loaded = file->load_into(world.buffer());
    if (loaded) {
        world.publish();
    }
    return loaded;
}

/// Everything in a file.
[[nodiscard]] inline std::vector<std::byte> bytes_in(FileSystem& files, const std::string& path) {
    auto bytes = read_all(files, path, std::uint64_t{1} << 30U);
    REQUIRE(bytes);
    return *std::move(bytes);
}

inline void put_file(FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
    REQUIRE(write_atomically(files, path, bytes));
}

/// Makes every checksum right again after blocks were tampered with, as far as their sizes still lead from one to the next.
inline void reseal(std::vector<std::byte>& file) {
    using namespace snapshot;
    const std::size_t footer = file.size() - footer_size;
    std::size_t at = file_header_size + load_le<std::uint32_t>(file.data() + 72);
    std::uint32_t crc = crc32c(std::span{file}.first(at));
    while (footer - at >= block_header_size + checksum_size) {
        const std::size_t size = block_header_size + load_block_header(file.data() + at).stored_size;
        if (size + checksum_size > footer - at) {
            break;
        }
        crc = crc32c(std::span{file}.subspan(at, size), crc);
        store_le<std::uint32_t>(file.data() + at + size, mask_crc(crc));
        crc = crc32c(std::span{file}.subspan(at + size, checksum_size), crc);
        at += size + checksum_size;
    }
    crc = crc32c(std::span{file}.subspan(at, file.size() - at - checksum_size), crc);
    store_le<std::uint32_t>(file.data() + file.size() - checksum_size, mask_crc(crc));
}

} // namespace ecsdb::test
