/// @file
/// What the fuzzers of snapshots share: files whose checksums are made right, and what must hold of a state that was loaded.
#pragma once

#include "ecsdb/snapshot/reader.hpp"
#include "ecsdb/snapshot/writer.hpp"
#include "ecsdb/storage/rows.hpp"
#include "fuzz/fuzz.hpp"

namespace ecsdb::fuzz {

/// Makes right whatever only repeats what stands elsewhere, as far as the blocks' sizes lead. `base` is what the file is to build on; null:
/// what it says itself. The file as others may build on it.
inline snapshot::BaseSnapshot seal(std::vector<std::byte>& file, const snapshot::BaseSnapshot* base = nullptr) {
    using namespace snapshot;
    if (file.size() < file_header_size + footer_size) {
        return {};
    }
    std::byte* const at = file.data();
    const auto schema_size = load_le<std::uint32_t>(at + 72);
    if (schema_size > file.size() - file_header_size - footer_size) {
        return {};
    }
    const auto schema = std::span{file}.subspan(file_header_size, schema_size);
    store_le<std::uint64_t>(at, file_magic);
    store_le<std::uint32_t>(at + 76, mask_crc(crc32c(schema)));
    if (const auto decoded = decode_schema(schema)) {
        store_le<std::uint64_t>(at + 64, decoded->hash());
    }
    if (base != nullptr) {
        store_le<std::uint16_t>(at + 12, incremental_format_version);
        store_le<std::uint64_t>(at + 80, base->lsn);
        store_le<std::uint64_t>(at + 88, base->size);
        store_le<std::uint32_t>(at + 96, base->crc);
    }
    store_le<std::uint32_t>(at + 8, mask_crc(crc32c(std::span{file}.subspan(12, file_header_size - 12))));
    std::uint32_t crc = crc32c(std::span{file}.first(file_header_size + schema_size));
    std::size_t offset = file_header_size + schema_size;
    const std::size_t end = file.size() - footer_size;
    std::vector<std::byte> index;
    std::size_t indexed = 0;
    std::uint64_t blocks = 0;
    std::uint64_t index_offset = end;
    while (offset + block_header_size + checksum_size <= end) {
        const BlockHeader header = load_block_header(at + offset);
        if (header.stored_size > end - offset - block_header_size - checksum_size) {
            break;
        }
        if (header.kind == BlockKind::Index) {
            index_offset = std::min<std::uint64_t>(index_offset, offset);
            const std::size_t bytes = std::min<std::size_t>(header.stored_size, index.size() - indexed);
            std::copy_n(index.begin() + static_cast<std::ptrdiff_t>(indexed), bytes, at + offset + block_header_size);
            indexed += bytes;
        } else {
            const auto entry = encode_index_entry(header, offset);
            index.insert(index.end(), entry.begin(), entry.end());
        }
        const std::size_t checked = block_header_size + header.stored_size;
        crc = crc32c(std::span{file}.subspan(offset, checked), crc);
        store_le<std::uint32_t>(at + offset + checked, mask_crc(crc));
        crc = crc32c(std::span{file}.subspan(offset + checked, checksum_size), crc);
        offset += checked + checksum_size;
        ++blocks;
    }
    file.erase(file.begin() + static_cast<std::ptrdiff_t>(offset), file.begin() + static_cast<std::ptrdiff_t>(end));
    std::byte* const footer = file.data() + offset;
    store_le<std::uint64_t>(footer, load_le<std::uint64_t>(file.data() + 40));
    store_le<std::uint64_t>(footer + 32, blocks);
    store_le<std::uint64_t>(footer + 40, index_offset);
    store_le<std::uint64_t>(footer + 48, footer_magic);
    crc = crc32c(std::span{file}.subspan(offset, footer_size - checksum_size), crc);
    store_le<std::uint32_t>(footer + footer_size - checksum_size, mask_crc(crc));
    crc = crc32c(std::span{file}.last(checksum_size), crc);
    return {load_le<std::uint64_t>(file.data() + 40), file.size(), crc};
}

/// Loads the chain of files at `paths` and calls `use(store, buffer, snapshot)`; whether it could be loaded.
template <typename Use>
bool load(MemoryFiles& files, std::span<const std::string> paths, Use use) {
    static Memory allocator;
    auto opened = snapshot::open_snapshot(files, paths, allocator);
    if (!opened) {
        require(is_refusal(opened.error()), "a snapshot is refused as such");
        return false;
    }
    storage::Store* const store =
        storage::Store::create(allocator, {.first_block_bytes = 64 << 10, .max_block_bytes = 1 << 20, .memory_limit = 48 << 20},
                               std::make_shared<const Schema>(opened->schema()));
    require(store != nullptr, "there is memory for a store");
    bool done = false;
    {
        storage::WriteBuffer buffer{*store};
        if (buffer.create_first_root(opened->identity().shard)) {
            snapshot::SavedState saved{allocator};
            const auto loaded = opened->load_into(buffer, &saved);
            if (!loaded) {
                require(is_refusal(loaded.error()), "a snapshot's contents are refused as such");
            }
            if (loaded) {
                done = true;
                use(*store, buffer, *opened);
            }
        }
    }
    store->drop_owner();
    return done;
}

/// Refused; or the state comes back from a full snapshot taken of it.
inline void load_and_save(MemoryFiles& files, std::span<const std::string> paths) {
    load(files, paths, [&](storage::Store& store, storage::WriteBuffer& buffer, snapshot::SnapshotFile& opened) {
        SystemAllocator allocator;
        const std::string path = "written";
        const auto written = snapshot::write_snapshot(files, path, buffer.root(), store.entity_versions(), opened.identity(),
                                                      {.allocator = allocator, .compression_level = 0, .read_back = true});
        require(written.has_value(), "what was loaded can be saved");
        const std::uint64_t hash = storage::hash_of(buffer.root());
        const bool again = load(files, std::span{&path, 1}, [&](storage::Store&, storage::WriteBuffer& other, snapshot::SnapshotFile&) {
            require(storage::hash_of(other.root()) == hash, "what was saved is what was loaded");
        });
        require(again, "what was saved can be loaded");
    });
}

} // namespace ecsdb::fuzz
