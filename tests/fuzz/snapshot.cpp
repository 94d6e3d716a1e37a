// Any bytes as a snapshot, with its checksums and index made right: refused, or the state comes back from a snapshot taken of it.
#include "ecsdb/snapshot/reader.hpp"
#include "ecsdb/snapshot/writer.hpp"
#include "ecsdb/storage/rows.hpp"
#include "fuzz/fuzz.hpp"

using namespace ecsdb;

namespace {

/// Makes right whatever only repeats what stands elsewhere, as far as the blocks' sizes lead.
void seal(std::vector<std::byte>& file) {
    using namespace snapshot;
    if (file.size() < file_header_size + footer_size) {
        return;
    }
    std::byte* const at = file.data();
    const auto schema_size = load_le<std::uint32_t>(at + 72);
    if (schema_size > file.size() - file_header_size - footer_size) {
        return;
    }
    const auto schema = std::span{file}.subspan(file_header_size, schema_size);
    store_le<std::uint64_t>(at, file_magic);
    store_le<std::uint32_t>(at + 76, mask_crc(crc32c(schema)));
    if (const auto decoded = decode_schema(schema)) {
        store_le<std::uint64_t>(at + 64, decoded->hash());
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
}

/// Loads the file at `path` and calls `use(store, buffer, snapshot)`; whether it could be loaded.
template <typename Use>
bool load(fuzz::MemoryFiles& files, const std::string& path, Use use) {
    static fuzz::Memory allocator;
    auto opened = snapshot::open_snapshot(files, path, allocator);
    if (!opened) {
        fuzz::require(fuzz::is_refusal(opened.error()), "a snapshot is refused as such");
        return false;
    }
    storage::Store* const store =
        storage::Store::create(allocator, {.first_block_bytes = 64 << 10, .max_block_bytes = 1 << 20, .memory_limit = 48 << 20},
                               std::make_shared<const Schema>(opened->schema()));
    fuzz::require(store != nullptr, "there is memory for a store");
    bool done = false;
    {
        storage::WriteBuffer buffer{*store};
        if (buffer.create_first_root(opened->identity().shard)) {
            const auto loaded = opened->load_into(buffer);
            if (!loaded) {
                fuzz::require(fuzz::is_refusal(loaded.error()), "a snapshot's contents are refused as such");
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

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::MemoryFiles files;
    std::vector<std::byte>& file = files.contents["fuzzed"];
    file.assign(reinterpret_cast<const std::byte*>(data), reinterpret_cast<const std::byte*>(data) + size);
    seal(file);
    load(files, "fuzzed", [&](storage::Store& store, storage::WriteBuffer& buffer, snapshot::SnapshotFile& opened) {
        SystemAllocator allocator;
        const auto written = snapshot::write_snapshot(files, "written", buffer.root(), store.entity_versions(), opened.identity(),
                                                      {.allocator = allocator, .compression_level = 0, .read_back = true});
        fuzz::require(written.has_value(), "what was loaded can be saved");
        const std::uint64_t hash = storage::hash_of(buffer.root());
        const bool again = load(files, "written", [&](storage::Store&, storage::WriteBuffer& other, snapshot::SnapshotFile&) {
            fuzz::require(storage::hash_of(other.root()) == hash, "what was saved is what was loaded");
        });
        fuzz::require(again, "what was saved can be loaded");
    });
    return 0;
}
