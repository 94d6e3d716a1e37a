#include "snapshot/snapshot_fixture.hpp"
#include "support/contents_fixture.hpp"

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace ecsdb::test::snapshot_contents_test {
namespace {

using namespace snapshot;

std::shared_ptr<const Schema> shared_schema() {
    return std::make_shared<const Schema>(notes_schema());
}

/// A world with a note and a label for every entity, one of them as large as `large`.
void fill(World& world, std::uint32_t entities, std::size_t large) {
    world.commit([&](storage::WriteBuffer& buffer) {
        for (std::uint32_t i = 0; i < entities; ++i) {
            const Entity entity{i, 1, 0};
            REQUIRE(buffer.create(entity) == storage::Outcome::Done);
            const std::string words = i == 1 ? std::string(large, 'x') : "note " + std::to_string(i);
            REQUIRE(buffer.contents().stage(5, i, as_span(words)));
            Note note;
            note.stars = i;
            note.body.number = 5 | ContentHandle::staged;
            note.body.index = i;
            Label label;
            label.words = note.body;
            REQUIRE(buffer.insert(entity, 0, reinterpret_cast<const std::byte*>(&note)) == storage::Outcome::Done);
            REQUIRE(buffer.insert(entity, 1, reinterpret_cast<const std::byte*>(&label)) == storage::Outcome::Done);
            REQUIRE(buffer.insert(entity, 2, reinterpret_cast<const std::byte*>(&label)) == storage::Outcome::Done);
        }
    });
}

/// A file of blocks written by hand for one entity with a note; what loading it complains about.
std::string complaint_about(void (*write)(BlockWriter& blocks)) {
    CountingAllocator allocator;
    SimulatedFileSystem files;
    const auto schema = shared_schema();
    ByteBuffer encoded{allocator};
    encode_schema(*schema, encoded);
    FileHeader header;
    header.identity.next_fresh = 100;
    header.lsn = 1;
    header.schema_hash = schema->hash();
    header.schema_size = static_cast<std::uint32_t>(encoded.size());
    header.schema_crc = crc32c(encoded.view());
    auto file = files.open("made", FileMode::CreateNew);
    REQUIRE(file);
    BlockWriter blocks{**file, allocator, 0};
    blocks.start(header, encoded.view());
    ByteBuffer& archetype = blocks.open({BlockKind::Archetype, Codec::Raw, 0, 1, 0, 1});
    archetype.append_le<TableId>(0);
    blocks.close();
    ByteBuffer& ids = blocks.open({BlockKind::Entities, Codec::Raw, 0, 1, 0, 1});
    const std::uint32_t index = 7;
    const std::uint32_t generation = 1;
    append_numbers(ids, std::span{&index, 1});
    append_numbers(ids, std::span{&generation, 1});
    blocks.close();
    ByteBuffer& rows = blocks.open({BlockKind::Rows, Codec::Raw, 0, 1, 0, 1});
    std::memset(rows.extend(schema->table(0).packed_size), 0, schema->table(0).packed_size);
    blocks.close();
    write(blocks);
    Footer footer;
    footer.lsn = 1;
    footer.entities = 1;
    footer.rows = 1;
    REQUIRE(blocks.finish(footer));
    World world{allocator, schema};
    const std::size_t held = allocator.live_bytes;
    const auto loaded = load(world, files, "made", allocator);
    CHECK(allocator.live_bytes < held + (8U << 20U)); // nothing was taken on a length's word
    return loaded ? "" : loaded.error().message();
}

void block(BlockWriter& blocks, TableId table, std::uint32_t field, std::uint32_t rows, std::initializer_list<std::uint64_t> numbers,
           const std::string& bytes, BlockKind kind = BlockKind::Contents) {
    ByteBuffer& out = blocks.open({kind, Codec::Raw, table, 0, field, rows});
    for (const std::uint64_t number : numbers) {
        out.append_varint(number);
    }
    out.append(as_span(bytes));
    blocks.close();
}

} // namespace

TEST_CASE("texts come back from a snapshot, small and in parts, compressed or not", "[snapshot][contents]") {
    for (const std::size_t large :
         {std::size_t{10}, std::size_t{target_block_size}, std::size_t{target_block_size} + 1, std::size_t{3} << 20U}) {
        for (const int level : {0, 1}) {
            CAPTURE(large, level);
            CountingAllocator allocator;
            World world{allocator, shared_schema()};
            fill(world, 3000, large);
            SimulatedFileSystem files;
            REQUIRE(save(world, files, "saved", allocator, level, true));
            World again{allocator, shared_schema()};
            REQUIRE(load(again, files, "saved", allocator));
            CHECK(storage::hash_of(again.published()) == storage::hash_of(world.published()));
            CHECK(again.published().contents.column(0, 1)->count == 3000);
            // What was loaded can be changed like anything else.
            again.commit([](storage::WriteBuffer& buffer) { REQUIRE(buffer.destroy({1, 1, 0}) == storage::Outcome::Done); });
            CHECK(again.published().contents.column(0, 1)->count == 2999);
        }
    }
}

TEST_CASE("contents in a snapshot that could not have been written are refused", "[snapshot][contents]") {
    const auto holds = [](const std::string& message, const char* words) {
        CAPTURE(message);
        return message.find(words) != std::string::npos;
    };
    CHECK(complaint_about([](BlockWriter& b) { block(b, 0, 1, 1, {7, 5}, "words"); }) == "");
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 0, 1, {7, 5}, "words"); }), "of a field that has none"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 99, 1, {7, 5}, "words"); }), "of a field that has none"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 999, 1, 1, {7, 5}, "words"); }), "of a field that has none"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 1, 1, {7, 6}, "words"); }), "no list of contents"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 1, 1, {7, 1ULL << 60U}, "words"); }), "no list of contents"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 1, 1, {7, 0}, ""); }), "no list of contents"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 1, 1, {7, 4}, "words"); }), "no list of contents"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 1, 2, {7, 5}, "words"); }), "no list of contents"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 1, 1, {100, 5}, "words"); }), "no list of contents"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 0, 1, 1, {8, 5}, "words"); }), "does not live"));
    CHECK(holds(complaint_about([](BlockWriter& b) { block(b, 1, 0, 1, {7, 5}, "words"); }), "does not live")); // no such row
    CHECK(holds(complaint_about([](BlockWriter& b) {
                    block(b, 0, 1, 1, {7, 5}, "words");
                    block(b, 0, 1, 1, {7, 5}, "words");
                }),
                "a second time"));
    const auto part = [](BlockWriter& b, std::uint64_t index, std::uint64_t length, std::uint64_t offset, const std::string& bytes) {
        block(b, 0, 1, 1, {index, length, offset}, bytes, BlockKind::ContentPart);
    };
    static const auto add = part;
    CHECK(complaint_about([](BlockWriter& b) {
              add(b, 7, 8, 0, "some");
              add(b, 7, 8, 4, "body");
          }) == "");
    CHECK(holds(complaint_about([](BlockWriter& b) { add(b, 7, 8, 0, "some"); }), "the last text or blob is not complete"));
    CHECK(holds(complaint_about([](BlockWriter& b) { add(b, 7, max_content_size, 0, "some"); }), "the last text or blob is not complete"));
    CHECK(holds(complaint_about([](BlockWriter& b) { add(b, 7, std::uint64_t{max_content_size} + 1, 0, "some"); }), "no part of"));
    CHECK(holds(complaint_about([](BlockWriter& b) { add(b, 7, 8, 4, "body"); }), "no part of"));
    CHECK(holds(complaint_about([](BlockWriter& b) { add(b, 7, 3, 0, "some"); }), "no part of"));
    CHECK(holds(complaint_about([](BlockWriter& b) { add(b, 7, 8, 0, ""); }), "no part of"));
    CHECK(holds(complaint_about([](BlockWriter& b) {
                    add(b, 7, 8, 0, "some");
                    add(b, 7, 9, 4, "body");
                }),
                "no part of"));
    CHECK(holds(complaint_about([](BlockWriter& b) {
                    add(b, 7, 8, 0, "some");
                    block(b, 0, 1, 1, {7, 5}, "words");
                }),
                "before it is not complete"));
}

TEST_CASE("tampered contents under right checksums never do harm", "[snapshot][contents]") {
    CountingAllocator outer;
    World world{outer, shared_schema()};
    fill(world, 20, target_block_size + 100);
    SimulatedFileSystem files;
    REQUIRE(save(world, files, "saved", outer, 0, true));
    const std::vector<std::byte> saved = bytes_in(files, "saved");
    std::vector<std::pair<std::size_t, BlockHeader>> places;
    for (std::size_t at = file_header_size + load_le<std::uint32_t>(saved.data() + 72); at != saved.size() - footer_size;) {
        const BlockHeader header = load_block_header(saved.data() + at);
        if (header.kind == BlockKind::Contents || header.kind == BlockKind::ContentPart) {
            places.emplace_back(at, header);
        }
        at += block_header_size + header.stored_size + checksum_size;
    }
    REQUIRE(places.size() >= 6);
    std::mt19937_64 random{17};
    int refused = 0;
    for (int round = 0; round < 300; ++round) {
        auto damaged = saved;
        const auto& [at, header] = places[random() % places.size()];
        for (std::uint64_t changes = 1 + random() % 3; changes != 0; --changes) {
            const std::size_t reach = std::min<std::size_t>(block_header_size + header.stored_size, 40);
            damaged[at + random() % reach] = static_cast<std::byte>(random());
        }
        reseal(damaged);
        CountingAllocator allocator;
        SimulatedFileSystem tampered;
        put_file(tampered, "saved", damaged);
        World again{allocator, shared_schema()};
        const auto loaded = load(again, tampered, "saved", allocator);
        refused += loaded ? 0 : 1;
        REQUIRE((loaded || loaded.error().code() == ErrorCode::Corrupt || loaded.error().code() == ErrorCode::Unsupported));
    }
    CHECK(refused > 50);
}

} // namespace ecsdb::test::snapshot_contents_test
