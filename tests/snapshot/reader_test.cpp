#include "ecsdb/snapshot/reader.hpp"

#include "snapshot/snapshot_fixture.hpp"

#include <random>

namespace ecsdb::test::reader_test {

using namespace snapshot;

namespace {

/// The bytes of a snapshot of a random world, and what it must hold.
struct Saved {
    explicit Saved(std::uint64_t seed, int batches = 30, int level = 0, std::uint32_t indices = 200) {
        CountingAllocator allocator;
        World world{allocator, schema_to_save()};
        RandomWriter writer{world, seed, indices};
        run_batches(world, writer, batches);
        SimulatedFileSystem files;
        REQUIRE(save(world, files, "saved", allocator, level, true));
        bytes = bytes_in(files, "saved");
        model = saved_part(writer.model(), world.store().schema());
        version = world.published().version;
        time_ns = world.published().time_ns;
        identity = identity_of(world.published());
    }

    std::vector<std::byte> bytes;
    Model model;
    std::uint64_t version = 0;
    std::uint64_t time_ns = 0;
    SnapshotIdentity identity;
};

/// What loading `bytes` into a fresh world ends with: an error, or nothing.
std::optional<Error> problem_with(std::span<const std::byte> bytes, Allocator& allocator, const Model* expected = nullptr) {
    SimulatedFileSystem files;
    put_file(files, "saved", bytes);
    World world{allocator, schema_to_save()};
    if (!world.is_open()) {
        return Error{ErrorCode::OutOfMemory, "no world"};
    }
    auto loaded = load(world, files, "saved", allocator);
    if (!loaded) {
        return std::move(loaded).error();
    }
    if (expected != nullptr) {
        CHECK(difference(world.published(), world.store().schema(), *expected).empty());
    }
    return std::nullopt;
}

/// One block to tamper with.
struct Place {
    BlockHeader header;
    std::size_t offset;
};
std::vector<Place> blocks_of(std::span<const std::byte> file) {
    std::vector<Place> places;
    std::size_t at = file_header_size + load_le<std::uint32_t>(file.data() + 72);
    while (at != file.size() - footer_size) {
        places.push_back({load_block_header(file.data() + at), at});
        at += block_header_size + places.back().header.stored_size + checksum_size;
    }
    return places;
}

} // namespace

TEST_CASE("a snapshot cut short anywhere is corrupt", "[snapshot]") {
    CountingAllocator allocator;
    const Saved saved{1, 3};
    for (std::size_t kept = 0; kept < saved.bytes.size(); kept += kept % 97 == 0 ? 1 : 7) {
        const auto problem = problem_with(std::span{saved.bytes}.first(kept), allocator);
        CAPTURE(kept);
        REQUIRE(problem);
        REQUIRE(problem->code() == ErrorCode::Corrupt);
        REQUIRE(problem->message().find("saved: ") == 0);
    }
}

TEST_CASE("a bit flipped anywhere in a snapshot is found", "[snapshot]") {
    CountingAllocator allocator;
    std::mt19937_64 random{11};
    for (const int level : {0, 1}) {
        const Saved saved{5, 30, level};
        REQUIRE(saved.bytes.size() > 50000);
        CHECK_FALSE(problem_with(saved.bytes, allocator, &saved.model));
        for (std::size_t sector = 0; sector < saved.bytes.size(); sector += 4096) {
            for (int flip = 0; flip < 8; ++flip) {
                auto damaged = saved.bytes;
                const std::size_t at = sector + random() % std::min<std::size_t>(4096, damaged.size() - sector);
                damaged[at] ^= static_cast<std::byte>(1U << (random() % 8));
                const auto problem = problem_with(damaged, allocator);
                CAPTURE(at);
                REQUIRE(problem);
                REQUIRE(problem->code() == ErrorCode::Corrupt);
            }
        }
        // A lost sector, and one of another file.
        for (std::size_t sector = 0; sector < saved.bytes.size(); sector += 4096) {
            auto damaged = saved.bytes;
            const std::size_t size = std::min<std::size_t>(4096, damaged.size() - sector);
            std::fill_n(damaged.begin() + static_cast<std::ptrdiff_t>(sector), size, std::byte{0});
            REQUIRE(problem_with(damaged, allocator)->code() == ErrorCode::Corrupt);
        }
    }
}

TEST_CASE("tampered contents under right checksums are refused or taken, and never do harm", "[snapshot]") {
    std::mt19937_64 random{13};
    const Saved saved{6, 6, 0, 60};
    const auto places = blocks_of(saved.bytes);
    int refused = 0;
    for (int round = 0; round < 4000; ++round) {
        auto damaged = saved.bytes;
        const Place& place = places[random() % places.size()];
        for (std::uint64_t changes = 1 + random() % 3; changes != 0; --changes) {
            // Headers and the first bytes of contents are where meaning is.
            const std::size_t reach = std::min<std::size_t>(block_header_size + place.header.stored_size, 48);
            const std::size_t at = place.offset + random() % reach;
            damaged[at] = random() % 2 == 0 ? damaged[at] ^ static_cast<std::byte>(1U << (random() % 8)) : static_cast<std::byte>(random());
        }
        reseal(damaged);
        CountingAllocator allocator;
        const auto problem = problem_with(damaged, allocator);
        refused += problem ? 1 : 0;
        REQUIRE((!problem || problem->code() == ErrorCode::Corrupt || problem->code() == ErrorCode::Unsupported));
    }
    CHECK(refused > 1000);
}

TEST_CASE("what contradicts itself under right checksums is corrupt, and said to be", "[snapshot]") {
    const Saved saved{7};
    const auto places = blocks_of(saved.bytes);
    const auto first_of = [&](BlockKind kind) {
        return std::find_if(places.begin(), places.end(), [&](const Place& place) { return place.header.kind == kind; });
    };
    const auto refused = [&](BlockKind kind, std::size_t field, std::uint32_t value, std::size_t width) {
        auto damaged = saved.bytes;
        const auto place = first_of(kind);
        REQUIRE(place != places.end());
        std::memcpy(damaged.data() + place->offset + field, &value, width);
        reseal(damaged);
        CountingAllocator allocator;
        const auto problem = problem_with(damaged, allocator);
        REQUIRE(problem);
        CHECK(problem->message().find("saved: block " + std::to_string(place - places.begin()) + " at byte ") == 0);
        return problem->message();
    };
    const auto holds = [](const std::string& message, const char* words) { return message.find(words) != std::string::npos; };
    CHECK(holds(refused(BlockKind::Archetype, 0, 99, 1), "kind this build does not know"));
    CHECK(holds(refused(BlockKind::Archetype, 4, 2, 4), "no archetype that could stand here"));
    CHECK(holds(refused(BlockKind::Archetype, 12, 0, 4), "no archetype that could stand here"));
    CHECK(holds(refused(BlockKind::Entities, 4, 7, 4), "do not follow"));
    CHECK(holds(refused(BlockKind::Entities, 8, 1, 4), "do not follow"));
    CHECK(holds(refused(BlockKind::Entities, 12, 0, 4), "no rows, or too many"));
    CHECK(holds(refused(BlockKind::Entities, 12, max_block_rows + 1, 4), "no rows, or too many"));
    CHECK(holds(refused(BlockKind::Entities, 12, max_block_rows, 4), "do not follow"));
    CHECK(holds(refused(BlockKind::Entities, 24, 77, 1), "no list of entities"));
    CHECK(holds(refused(BlockKind::Rows, 2, 500, 2), "do not follow"));
    CHECK(holds(refused(BlockKind::Rows, 8, 1, 4), "do not follow"));
    CHECK(holds(refused(BlockKind::SparseRows, 2, 0, 2), "not there, or not here"));
    CHECK(holds(refused(BlockKind::SparseRows, 2, 900, 2), "not there, or not here"));
    CHECK(holds(refused(BlockKind::Freed, 24, 77, 1), "no list of entities"));
    CHECK(holds(refused(BlockKind::Counts, 8, 0x7FFFFFFF, 4), "no list of counts"));
    CHECK(holds(refused(BlockKind::Counts, 32, 77, 1), "no list of counts"));
}

namespace {

/// A file written block by block, right in form; what loading it complains about.
std::string complaint_about(void (*write)(BlockWriter& blocks), Footer footer) {
    CountingAllocator allocator;
    SimulatedFileSystem files;
    const auto schema = schema_to_save();
    ByteBuffer encoded{allocator};
    encode_schema(*schema, encoded);
    FileHeader header;
    header.identity.next_fresh = 100;
    header.lsn = footer.lsn;
    header.schema_hash = schema->hash();
    header.schema_size = static_cast<std::uint32_t>(encoded.size());
    header.schema_crc = crc32c(encoded.view());
    auto file = files.open("made", FileMode::CreateNew);
    REQUIRE(file);
    BlockWriter blocks{**file, allocator, 0};
    blocks.start(header, encoded.view());
    write(blocks);
    REQUIRE(blocks.finish(footer));
    World world{allocator, schema};
    const auto loaded = load(world, files, "made", allocator);
    return loaded ? "" : loaded.error().message();
}

using Numbers = std::vector<std::uint32_t>;

void write_archetype(BlockWriter& blocks, std::uint32_t number, std::vector<TableId> tables, std::uint32_t rows) {
    ByteBuffer& out = blocks.open({BlockKind::Archetype, Codec::Raw, 0, number, 0, rows});
    for (const TableId table : tables) {
        out.append_le<TableId>(table);
    }
    REQUIRE(blocks.close());
}
void write_ids(BlockWriter& blocks, BlockKind kind, std::uint32_t archetype, std::uint32_t first, const Numbers& indices,
               const Numbers& generations) {
    ByteBuffer& out = blocks.open({kind, Codec::Raw, 0, archetype, first, static_cast<std::uint32_t>(indices.size())});
    append_numbers(out, indices);
    append_numbers(out, generations);
    REQUIRE(blocks.close());
}
void write_rows(BlockWriter& blocks, std::uint32_t archetype, TableId table, std::uint32_t first, std::uint32_t rows, std::size_t bytes) {
    static_cast<void>(blocks.open({BlockKind::Rows, Codec::Raw, table, archetype, first, rows}).extend(bytes));
    REQUIRE(blocks.close());
}
void write_sparse(BlockWriter& blocks, TableId table, const Numbers& indices, std::size_t bytes) {
    ByteBuffer& out = blocks.open({BlockKind::SparseRows, Codec::Raw, table, 0, 0, static_cast<std::uint32_t>(indices.size())});
    append_numbers(out, indices);
    static_cast<void>(out.extend(bytes));
    REQUIRE(blocks.close());
}

} // namespace

TEST_CASE("a snapshot that could not have been written is refused, and it says why", "[snapshot]") {
    // The tables: 0 Position (12), 1 Visible (tag), 2 Wide (5000), 3 Target (sparse, 8), 9 Draft (transient).
    struct Case {
        const char* words;
        void (*write)(BlockWriter& blocks);
        Footer footer;
    };
    const Footer two{1, 2, 0, 0, 0, 0};
    const Case cases[] = {
        {"", [](BlockWriter&) {}, {}},
        {"counts other entities", [](BlockWriter&) {}, {1, 1, 0, 0, 0, 0}},
        {"the last archetype is not complete", [](BlockWriter& b) { write_archetype(b, 1, {}, 2); }, {}},
        {"the last archetype is not complete",
         [](BlockWriter& b) {
             write_archetype(b, 1, {0}, 2);
             write_ids(b, BlockKind::Entities, 1, 0, {5, 6}, {1, 1});
             write_rows(b, 1, 0, 0, 1, 12);
         },
         two},
        {"the archetype before it is not complete",
         [](BlockWriter& b) {
             write_archetype(b, 1, {}, 2);
             write_archetype(b, 2, {}, 2);
         },
         two},
        {"",
         [](BlockWriter& b) {
             write_archetype(b, 1, {0, 1}, 2);
             write_ids(b, BlockKind::Entities, 1, 0, {5}, {1});
             write_ids(b, BlockKind::Entities, 1, 1, {99}, {Entity::max_generation});
             write_rows(b, 1, 0, 0, 1, 12);
             write_rows(b, 1, 0, 1, 1, 12);
             write_sparse(b, 3, {5}, 8);
             static_cast<void>(b.open({static_cast<BlockKind>(0x93), Codec::Raw, 77, 77, 77, 0xFFFFFFFF})); // of a later release
             REQUIRE(b.close());
         },
         {1, 2, 0, 3, 0, 0}},
        {"has a generation that cannot be",
         [](BlockWriter& b) {
             write_archetype(b, 1, {}, 2);
             write_ids(b, BlockKind::Entities, 1, 0, {5, 6}, {1, 0});
         },
         two},
        {"has a generation that cannot be",
         [](BlockWriter& b) {
             write_ids(b, BlockKind::Freed, 0, 0, {5, 6}, {1, Entity::max_generation + 1});
         },
         two},
        {"is no list of entities",
         [](BlockWriter& b) {
             write_archetype(b, 1, {}, 2);
             write_ids(b, BlockKind::Entities, 1, 0, {5, 100}, {1, 1}); // one was never handed out
         },
         two},
        {"a second time",
         [](BlockWriter& b) {
             write_archetype(b, 1, {}, 2);
             write_ids(b, BlockKind::Entities, 1, 0, {5, 5}, {1, 2});
         },
         two},
        {"a second time",
         [](BlockWriter& b) {
             write_archetype(b, 1, {}, 1);
             write_ids(b, BlockKind::Entities, 1, 0, {5}, {2});
             write_ids(b, BlockKind::Freed, 0, 0, {5}, {1});
         },
         two},
        {"names table 1,",
         [](BlockWriter& b) {
             write_archetype(b, 1, {1, 1}, 2);
         },
         two},
        {"names table 3,",
         [](BlockWriter& b) {
             write_archetype(b, 1, {0, 3}, 2);
         },
         two},
        {"names table 9,", [](BlockWriter& b) { write_archetype(b, 1, {9}, 2); }, two},
        {"names table 60000,", [](BlockWriter& b) { write_archetype(b, 1, {60000}, 2); }, two},
        {"rows that do not follow", [](BlockWriter& b) { write_rows(b, 0, 0, 0, 1, 12); }, two},
        {"rows that do not follow",
         [](BlockWriter& b) {
             write_archetype(b, 1, {0}, 2);
             write_rows(b, 1, 0, 0, 2, 24);
         },
         two},
        {"rows that do not follow",
         [](BlockWriter& b) {
             write_archetype(b, 1, {0}, 1);
             write_ids(b, BlockKind::Entities, 1, 0, {5}, {1});
             write_rows(b, 1, 0, 0, 2, 24);
         },
         two},
        {"another size than its table",
         [](BlockWriter& b) {
             write_archetype(b, 1, {0}, 1);
             write_ids(b, BlockKind::Entities, 1, 0, {5}, {1});
             write_rows(b, 1, 0, 0, 1, 11);
         },
         two},
        {"of an entity that does not live", [](BlockWriter& b) { write_sparse(b, 3, {5}, 8); }, two},
        {"with rows of its table",
         [](BlockWriter& b) {
             write_archetype(b, 1, {}, 1);
             write_ids(b, BlockKind::Entities, 1, 0, {5}, {1});
             write_sparse(b, 3, {5}, 7);
         },
         two},
        {"a second time",
         [](BlockWriter& b) {
             write_archetype(b, 1, {}, 1);
             write_ids(b, BlockKind::Entities, 1, 0, {5}, {1});
             write_sparse(b, 3, {5, 5}, 16);
         },
         two},
        {"not there, or not here",
         [](BlockWriter& b) {
             write_archetype(b, 1, {}, 1);
             write_sparse(b, 3, {5}, 8);
         },
         two},
        {"not there, or not here", [](BlockWriter& b) { write_sparse(b, 10, {5}, 8); }, two},
    };
    for (const Case& test : cases) {
        CAPTURE(&test - cases, test.words);
        const std::string complaint = complaint_about(test.write, test.footer);
        CAPTURE(complaint);
        CHECK((*test.words == '\0' ? complaint.empty() : complaint.find(test.words) != std::string::npos));
    }
}

TEST_CASE("a snapshot is loaded only into a store of its schema and shard", "[snapshot]") {
    CountingAllocator allocator;
    const Saved saved{8, 3};
    SimulatedFileSystem files;
    put_file(files, "saved", saved.bytes);
    World other_schema{allocator, schema_of_all_kinds()};
    CHECK(load(other_schema, files, "saved", allocator).error().code() == ErrorCode::SchemaMismatch);
    World other_shard{allocator, schema_to_save(), {}, 5};
    CHECK(load(other_shard, files, "saved", allocator).error().code() == ErrorCode::WrongShard);
    CHECK(open_snapshot(files, "absent", allocator).error().code() == ErrorCode::NotFound);
}

TEST_CASE("a schema that is not the header's is refused", "[snapshot]") {
    CountingAllocator allocator;
    auto bytes = Saved{8, 1}.bytes;
    bytes[64] ^= std::byte{1};
    store_le<std::uint32_t>(bytes.data() + 8, mask_crc(crc32c(std::span{bytes}.subspan(12, file_header_size - 12))));
    const auto problem = problem_with(bytes, allocator);
    REQUIRE(problem);
    CHECK(problem->message().find("the schema is not the one") != std::string::npos);
}

TEST_CASE("a read that fails while loading is an error, and the file stays as it is", "[snapshot]") {
    CountingAllocator allocator;
    const Saved saved{9};
    SimulatedFileSystem below;
    put_file(below, "saved", saved.bytes);
    for (std::uint64_t call = 1;; ++call) {
        FaultFileSystem files{below};
        files.inject({.call = call});
        World world{allocator, schema_to_save()};
        const auto loaded = load(world, files, "saved", allocator);
        CHECK(bytes_in(below, "saved") == saved.bytes);
        if (loaded) {
            REQUIRE(call > 5);
            break;
        }
        CHECK(loaded.error().code() == ErrorCode::Io);
    }
}

TEST_CASE("refused memory while loading is an error, whenever it comes", "[snapshot]") {
    const Saved saved{9, 10, 1};
    std::uint64_t failed = 0;
    for (std::uint64_t call = 0;; ++call) {
        CountingAllocator allocator;
        allocator.refuse_call = call;
        const auto problem = problem_with(saved.bytes, allocator, &saved.model);
        CHECK(allocator.mismatches == 0);
        if (allocator.refused == 0) {
            REQUIRE_FALSE(problem);
            REQUIRE(call > 10);
            break;
        }
        if (problem) { // else there was room for it elsewhere, and everything was loaded
            CHECK(problem->code() == ErrorCode::OutOfMemory);
            ++failed;
        }
    }
    CHECK(failed > 5);
}

TEST_CASE("a pool too small for a snapshot refuses it, wherever it runs out", "[snapshot]") {
    const Saved saved{9};
    SimulatedFileSystem files;
    put_file(files, "saved", saved.bytes);
    int refused = 0;
    for (std::size_t limit = 20000;; limit += 40000) {
        CountingAllocator allocator;
        World world{allocator, schema_to_save(), {4096, 16384, limit}};
        REQUIRE(world.is_open());
        const auto loaded = load(world, files, "saved", allocator);
        if (loaded) {
            CHECK(difference(world.published(), world.store().schema(), saved.model).empty());
            break;
        }
        CHECK(loaded.error().code() == ErrorCode::OutOfMemory);
        ++refused;
    }
    CHECK(refused > 5);
}

TEST_CASE("random worlds come back as they were saved", "[snapshot]") {
    CountingAllocator allocator;
    for (std::uint64_t seed = 100; seed < 130; ++seed) {
        CAPTURE(seed);
        const Saved saved{seed, static_cast<int>(seed % 40), seed % 2 == 0 ? 0 : 1};
        SimulatedFileSystem files;
        put_file(files, "saved", saved.bytes);
        auto file = open_snapshot(files, "saved", allocator);
        REQUIRE(file);
        CHECK(file->identity() == saved.identity);
        CHECK(file->lsn() == saved.version);
        CHECK(file->time_ns() == saved.time_ns);
        CHECK(file->file_size() == saved.bytes.size());
        CHECK(file->schema().hash() == schema_to_save()->hash());

        World world{allocator, std::make_shared<const Schema>(file->schema())};
        const auto loaded = file->load_into(world.buffer());
        REQUIRE(loaded);
        world.publish();
        CHECK(loaded->info.crc == crc32c(saved.bytes));
        CHECK(loaded->info.bytes == saved.bytes.size());
        CHECK(loaded->entities == saved.model.living.size());
        CHECK(loaded->freed == saved.model.generations.size() - saved.model.living.size());
        CHECK(world.published().version == saved.version);
        CHECK(world.published().time_ns == saved.time_ns);
        CHECK(difference(world.published(), world.store().schema(), saved.model).empty());
        CHECK(difference_of_counts(world.store().entity_versions(), saved.model).empty());
        CHECK(loaded->counts.size() < 10);
    }
}

TEST_CASE("where nothing is transient the hash comes back too, again and again", "[snapshot]") {
    CountingAllocator allocator;
    SimulatedFileSystem files;
    World world{allocator, schema_of_all_kinds(), {}, 0};
    RandomWriter writer{world, 21};
    run_batches(world, writer, 40);
    std::uint64_t hash = storage::hash_of(world.published());
    REQUIRE(save(world, files, "saved", allocator));
    for (int round = 0; round < 3; ++round) {
        CAPTURE(round);
        World loaded{allocator, schema_of_all_kinds()};
        REQUIRE(load(loaded, files, "saved", allocator));
        CHECK(storage::hash_of(loaded.published()) == hash);
        if (round == 0) {
            CHECK(difference_of_counts(loaded.store().entity_versions(), writer.model()).empty());
        }
        // Writing goes on where it stopped, and the next snapshot holds that.
        loaded.commit([&](storage::WriteBuffer& buffer) {
            std::uint32_t number = 0;
            for (const auto& [index, living] : writer.model().living) {
                const Entity entity = writer.model().entity(index);
                if (buffer.root().find_living(entity) == nullptr) {
                    continue;
                }
                const auto row = row_from(12, number);
                if (++number % 3 == 0) {
                    REQUIRE(buffer.destroy(entity) == storage::Outcome::Done);
                } else {
                    REQUIRE(buffer.set(entity, 0, bytes_of(row)) == storage::Outcome::Done);
                    REQUIRE(buffer.set(entity, 3, bytes_of(row)) == storage::Outcome::Done);
                }
            }
            REQUIRE(buffer.create(Entity{7777 + static_cast<std::uint32_t>(round), 1, 0}) == storage::Outcome::Done);
        });
        CHECK(storage::hash_of(loaded.published()) != hash);
        hash = storage::hash_of(loaded.published());
        REQUIRE(save(loaded, files, "saved", allocator, round));
    }
}

TEST_CASE("a high index takes no memory for those below it but the way to it", "[snapshot][hostile]") {
    SimulatedFileSystem files;
    const auto taken_with = [&](std::uint32_t index) {
        CountingAllocator allocator;
        World world{allocator, schema_to_save()};
        world.commit([&](storage::WriteBuffer& buffer) { REQUIRE(buffer.create(Entity{index, 1, 0}) == storage::Outcome::Done); });
        REQUIRE(save(world, files, "saved", allocator));
        REQUIRE(bytes_in(files, "saved").size() < 1000);
        CountingAllocator other;
        World copy{other, schema_to_save()};
        snapshot::SavedState saved{other};
        const std::size_t before = other.live_bytes;
        auto file = snapshot::open_snapshot(files, "saved", other);
        REQUIRE(file);
        REQUIRE(file->load_into(copy.buffer(), &saved));
        const std::size_t taken = other.live_bytes - before;
        copy.publish();
        CHECK(copy.published().entity_count == 1);
        CHECK(saved.count_of(index) == 1);
        return taken;
    };
    CHECK(taken_with(5) < std::size_t{1} << 20U);
    CHECK(taken_with(100'000'000) < std::size_t{1} << 20U);
    CHECK(taken_with(0xFFFFFFFFU) < std::size_t{12} << 20U); // a pointer for each 64 pages of records
}

TEST_CASE("counts of a later version are held as the file has them", "[snapshot][hostile]") {
    // Blocks of a few bytes, each of which says how often 32,768 entities were changed.
    CountingAllocator allocator;
    snapshot::FileHeader header;
    header.lsn = 5;
    header.identity.next_fresh = std::uint64_t{1} << 32U;
    World world{allocator, schema_to_save()};
    snapshot::detail::ContentLoader loader{world.buffer(), header, allocator, nullptr};
    REQUIRE(loader.begin());
    ByteBuffer content{allocator};
    content.append_le<std::uint64_t>(6); // the version
    snapshot::append_numbers(content, std::vector<std::uint32_t>(snapshot::max_block_rows, 9));
    CHECK(content.size() < 16);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        snapshot::BlockReader::Block block;
        block.header.kind = snapshot::BlockKind::Counts;
        block.header.first = i * snapshot::max_block_rows;
        block.header.rows = snapshot::max_block_rows;
        block.content = content.view();
        REQUIRE(loader.add(block, 0));
    }
    auto loaded = loader.finish({}, {});
    REQUIRE(loaded);
    world.publish();
    CHECK(loaded->later.held_bytes() < 32U << 10U);
    REQUIRE(loaded->later.impose(world.store().entity_versions(), 6));
    CHECK(world.store().entity_versions().count(1000 * snapshot::max_block_rows - 1) == 9);
}

TEST_CASE("an empty database comes back empty, and takes its first transaction", "[snapshot]") {
    CountingAllocator allocator;
    SimulatedFileSystem files;
    World world{allocator, schema_to_save(), {}, 9};
    REQUIRE(save(world, files, "saved", allocator));
    World loaded{allocator, schema_to_save(), {}, 9};
    REQUIRE(load(loaded, files, "saved", allocator));
    CHECK(loaded.published().version == 0);
    CHECK(loaded.published().entity_count == 0);
    loaded.commit([](storage::WriteBuffer& buffer) { REQUIRE(buffer.create(Entity{1, 1, 9}) == storage::Outcome::Done); });
    CHECK(loaded.published().version == 1);
    CHECK(loaded.published().entity_count == 1);
    REQUIRE(save(loaded, files, "saved", allocator));
    World again{allocator, schema_to_save(), {}, 9};
    REQUIRE(load(again, files, "saved", allocator));
    CHECK(storage::hash_of(again.published()) == storage::hash_of(loaded.published()));
}

} // namespace ecsdb::test::reader_test
