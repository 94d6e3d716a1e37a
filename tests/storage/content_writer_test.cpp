#include "ecsdb/storage/content_writer.hpp"

#include "ecsdb/storage/rows.hpp"
#include "support/storage_fixture.hpp"

#include <cstring>
#include <string>
#include <string_view>

namespace ecsdb::test::content_writer_test {
namespace {

using namespace ecsdb::storage;

struct Page {
    Text text;
    std::uint64_t number = 0;
    Blob data;
};

std::shared_ptr<const Schema> pages_schema(Storage storage) {
    Table table;
    table.name = "pages";
    table.storage = storage;
    table.fields.resize(3);
    table.fields[0].name = "text";
    table.fields[0].type = FieldType::Text;
    table.fields[0].default_value = std::string{"blank"};
    table.fields[1].name = "number";
    table.fields[1].type = FieldType::U64;
    table.fields[2].name = "data";
    table.fields[2].type = FieldType::Blob;
    Table mark;
    mark.name = "mark";
    auto finished = finish_schema(Schema{"test", "1", {table, mark}, {}, {}});
    REQUIRE(finished);
    REQUIRE(finished->table(0).size == sizeof(Page));
    return std::make_shared<const Schema>(*std::move(finished));
}

std::span<const std::byte> span_of(std::string_view text) {
    return std::as_bytes(std::span{text.data(), text.size()});
}
const std::byte* bytes_of(const Page& page) {
    return reinterpret_cast<const std::byte*>(&page);
}

/// A handle staged in the running transaction, as number `ordinal` of `token`.
template <typename Handle>
Handle staged(WriteBuffer& buffer, std::string_view words, std::uint32_t ordinal, std::uint64_t token = 7) {
    REQUIRE(buffer.contents().stage(token, ordinal, span_of(words)));
    Handle handle;
    handle.number = token | ContentHandle::staged;
    handle.index = ordinal;
    return handle;
}

std::string text_in(const Root& root, std::uint32_t index) {
    const EntityRecord& record = root.entities.at(index);
    Page page;
    std::memcpy(&page, root.find_row(record, index, 0), sizeof(page));
    const auto bytes = root.contents.bytes_of(page.text);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr Entity first{0, 1, 0};
constexpr Entity second{1, 1, 0};

} // namespace

TEST_CASE("a row takes what its transaction staged, and lets go of it with the row", "[storage][contents]") {
    for (const Storage storage : {Storage::Table, Storage::Sparse}) {
        CountingAllocator allocator;
        World world{allocator, pages_schema(storage)};
        world.commit([](WriteBuffer& buffer) {
            REQUIRE(buffer.create(first) == Outcome::Done);
            REQUIRE(buffer.create(second) == Outcome::Done);
        });
        const std::uint64_t empty_hash = hash_of(world.published());
        std::size_t used = 0;
        for (int round = 0; round < 20; ++round) {
            world.commit([&](WriteBuffer& buffer) {
                const Page page{staged<Text>(buffer, "same words", 0), 1, staged<Blob>(buffer, "bytes", 1)};
                REQUIRE(buffer.insert(first, 0, bytes_of(page)) == Outcome::Done);
                REQUIRE(buffer.insert(second, 0, bytes_of(page)) == Outcome::Done); // each has its own copy
                static_cast<void>(staged<Text>(buffer, "nobody takes this", 2));
            });
            CHECK(text_in(world.published(), 0) == "same words");
            CHECK(text_in(world.published(), 1) == "same words");
            CHECK(world.published().contents.column(0, 0)->count == 2);
            world.commit([&](WriteBuffer& buffer) {
                REQUIRE(buffer.insert(first, 1, nullptr) == Outcome::Done); // another archetype
                Page page;
                page.text = staged<Text>(buffer, "other words", 0);
                REQUIRE(buffer.update(first, 0, bytes_of(page)) == Outcome::Done);
            });
            CHECK(text_in(world.published(), 0) == "other words");
            CHECK(text_in(world.published(), 1) == "same words");
            CHECK(world.published().contents.column(0, 2)->count == 1);
            world.commit([&](WriteBuffer& buffer) {
                REQUIRE(buffer.remove(first, 0) == Outcome::Done);
                REQUIRE(buffer.remove(first, 1) == Outcome::Done);
                REQUIRE(buffer.remove(second, 0) == Outcome::Done);
            });
            CHECK(world.published().contents.column(0, 0) == nullptr);
            CHECK(world.published().contents.column(0, 2) == nullptr);
            CHECK(hash_of(world.published()) == empty_hash);
            world.reclaim();
            if (round == 2) {
                used = world.store().pool().used_bytes();
            }
            CHECK((round <= 2 || world.store().pool().used_bytes() == used)); // nothing is left behind
        }
    }
}

TEST_CASE("a transaction undone leaves contents as they were, and takes its own with it", "[storage][contents]") {
    CountingAllocator allocator;
    World world{allocator, pages_schema(Storage::Table)};
    world.commit([](WriteBuffer& buffer) {
        REQUIRE(buffer.create(first) == Outcome::Done);
        REQUIRE(buffer.insert(first, 0, bytes_of({staged<Text>(buffer, "kept", 0), 1, {}})) == Outcome::Done);
    });
    const std::uint64_t hash = hash_of(world.published());
    std::size_t used = 0;
    for (int round = 0; round < 10; ++round) {
        world.undo([](WriteBuffer& buffer) {
            REQUIRE(buffer.create(second) == Outcome::Done);
            REQUIRE(buffer.insert(second, 0, bytes_of({staged<Text>(buffer, "new", 0), 1, {}})) == Outcome::Done);
            REQUIRE(buffer.update(first, 0, bytes_of({staged<Text>(buffer, "changed", 1), 2, {}})) == Outcome::Done);
            REQUIRE(buffer.update(first, 0, bytes_of({staged<Text>(buffer, "changed again", 2), 2, {}})) == Outcome::Done);
            REQUIRE(buffer.destroy(first) == Outcome::Done);
            REQUIRE(buffer.remove(second, 0) == Outcome::Done);
        });
        CHECK(hash_of(world.buffer().root()) == hash);
        CHECK(text_in(world.buffer().root(), 0) == "kept");
        CHECK(world.buffer().root().contents.column(0, 0)->count == 1);
        used = round == 1 ? world.store().pool().used_bytes() : used;
        CHECK((round <= 1 || world.store().pool().used_bytes() == used));
    }
}

TEST_CASE("a foreign handle is refused before anything changes", "[storage][contents]") {
    CountingAllocator allocator;
    World world{allocator, pages_schema(Storage::Table)};
    Page stored;
    world.commit([&](WriteBuffer& buffer) {
        REQUIRE(buffer.create(first) == Outcome::Done);
        REQUIRE(buffer.create(second) == Outcome::Done);
        REQUIRE(buffer.insert(first, 0, bytes_of({staged<Text>(buffer, "first", 0), 1, {}})) == Outcome::Done);
        std::memcpy(&stored, buffer.find_row(first, 0), sizeof(stored));
    });
    const auto with = [](const ContentHandle& handle) {
        Page page;
        static_cast<ContentHandle&>(page.text) = handle;
        return page;
    };
    world.commit([&](WriteBuffer& buffer) {
        const Text good = staged<Text>(buffer, "good", 0);
        const ContentHandle forged[] = {
            {good.number, 1, 0, 0},                      // one more than there are
            {good.number, 0xFFFFFFFFU, 0, 0},            // far beyond
            {good.number ^ 2U, 0, 0, 0},                 // another transaction's
            {stored.text.number + 1, 0, 0, 0},           // never given out
            {stored.text.number, 0, 0xFFFF, 0xFFFF},     // of no table
            {~std::uint64_t{0}, 0xFFFFFFFFU, 0xFFFF, 0}, // anything
            {2, 0, 0, 0},
        };
        for (const ContentHandle& handle : forged) {
            CHECK(buffer.update(first, 0, bytes_of(with(handle))) == Outcome::ForeignContent);
            CHECK(buffer.refused_field() == 0);
            CHECK(buffer.insert(second, 0, bytes_of(with(handle))) == Outcome::ForeignContent);
            CHECK(buffer.root().contents.bytes_of(handle).empty());
        }
        CHECK(buffer.insert(second, 0, bytes_of(with(stored.text))) == Outcome::ForeignContent); // another row's
        CHECK(buffer.find_row(second, 0) == nullptr);
        CHECK(text_in(buffer.root(), 0) == "first");
        Page page = with(good);
        page.data.number = 99;
        CHECK(buffer.update(first, 0, bytes_of(page)) == Outcome::ForeignContent);
        CHECK(buffer.refused_field() == 2);
        CHECK(text_in(buffer.root(), 0) == "first");
        // Half a handle is a foreign one.
        const std::uint32_t half = 1;
        CHECK(buffer.update_part(first, 0, 4, 4, reinterpret_cast<const std::byte*>(&half)) == Outcome::ForeignContent);
        // Its own handle keeps what a row has.
        stored.number = 5;
        CHECK(buffer.update(first, 0, bytes_of(stored)) == Outcome::Done);
        CHECK(text_in(buffer.root(), 0) == "first");
        CHECK(buffer.insert(first, 0, bytes_of(with(good))) == Outcome::AlreadyExists);
        CHECK(buffer.update(second, 0, bytes_of(with(good))) == Outcome::NotFound);
    });
    CHECK(text_in(world.published(), 0) == "first");
}

TEST_CASE("the default's handle brings the schema's own words", "[storage][contents]") {
    CountingAllocator allocator;
    World world{allocator, pages_schema(Storage::Sparse)};
    world.commit([](WriteBuffer& buffer) {
        REQUIRE(buffer.create(first) == Outcome::Done);
        Page page;
        page.text = Text::by_default();
        page.data.number = ContentHandle::of_default; // there is none: empty
        REQUIRE(buffer.set(first, 0, bytes_of(page)) == Outcome::Done);
    });
    CHECK(text_in(world.published(), 0) == "blank");
    CHECK(world.published().contents.find(0, 2, 0) == nullptr);
}

TEST_CASE("the same content again stays where it is", "[storage][contents]") {
    CountingAllocator allocator;
    World world{allocator, pages_schema(Storage::Table)};
    world.commit([](WriteBuffer& buffer) {
        REQUIRE(buffer.create(first) == Outcome::Done);
        REQUIRE(buffer.insert(first, 0, bytes_of({staged<Text>(buffer, "words", 0), 1, {}})) == Outcome::Done);
    });
    const Content* const before = world.published().contents.find(0, 0, 0);
    world.commit([](WriteBuffer& buffer) {
        REQUIRE(buffer.update(first, 0, bytes_of({staged<Text>(buffer, "words", 0), 2, {}})) == Outcome::Done);
    });
    CHECK(world.published().contents.find(0, 0, 0) == before);
    CHECK(text_in(world.published(), 0) == "words");
}

TEST_CASE("a batch discarded leaves the contents of the published version, emptied columns included", "[storage][contents]") {
    CountingAllocator allocator;
    World world{allocator, pages_schema(Storage::Table)};
    WriteBuffer& buffer = world.buffer();
    buffer.counts().set_discardable(true);
    world.commit([](WriteBuffer& state) {
        REQUIRE(state.create(first) == Outcome::Done);
        REQUIRE(state.insert(first, 0, bytes_of({staged<Text>(state, "published", 0), 1, {}})) == Outcome::Done);
    });
    const std::uint64_t hash = hash_of(world.published());
    for (int round = 0; round < 5; ++round) {
        REQUIRE(buffer.begin_batch());
        buffer.begin_transaction();
        REQUIRE(buffer.update(first, 0, bytes_of({staged<Text>(buffer, "never seen", 0), 1, {}})) == Outcome::Done);
        buffer.keep_transaction(9);
        buffer.begin_transaction();
        REQUIRE(buffer.remove(first, 0) == Outcome::Done); // the column goes when the batch ends
        buffer.keep_transaction(9);
        CHECK(buffer.finish_batch()->contents.column(0, 0) == nullptr);
        buffer.discard_batch(&world.published());
        CHECK(hash_of(world.published()) == hash);
        CHECK(hash_of(buffer.root()) == hash);
        CHECK(text_in(world.published(), 0) == "published");
        world.reclaim();
        CHECK(text_in(world.published(), 0) == "published");
    }
    world.commit([](WriteBuffer& state) {
        REQUIRE(state.update(first, 0, bytes_of({staged<Text>(state, "at last", 0), 1, {}})) == Outcome::Done);
    });
    CHECK(text_in(world.published(), 0) == "at last");
}

TEST_CASE("memory refused at any point leaves contents whole", "[storage][contents]") {
    std::uint64_t refused_at_least = 0;
    for (std::uint64_t call = 0; call < 60; ++call) {
        CountingAllocator allocator;
        PoolOptions small;
        small.first_block_bytes = 4096;
        small.max_block_bytes = 4096;
        World world{allocator, pages_schema(Storage::Table), small};
        world.commit([](WriteBuffer& buffer) {
            REQUIRE(buffer.create(first) == Outcome::Done);
            REQUIRE(buffer.insert(first, 0, bytes_of({staged<Text>(buffer, "before", 0), 1, {}})) == Outcome::Done);
        });
        const std::uint64_t hash = hash_of(world.published());
        REQUIRE(world.buffer().begin_batch());
        WriteBuffer& buffer = world.buffer();
        buffer.begin_transaction();
        allocator.refuse_from = allocator.calls + call;
        bool done = true;
        for (std::uint32_t i = 0; i < 12 && done; ++i) {
            const std::string words(500 + 97 * i, 'x');
            done = buffer.contents().stage(3, i, span_of(words));
            Page page;
            page.text.number = 3 | ContentHandle::staged;
            page.text.index = i;
            done = done && buffer.create({i + 1, 1, 0}) == Outcome::Done &&
                   buffer.insert({i + 1, 1, 0}, 0, bytes_of(page)) == Outcome::Done &&
                   buffer.update(first, 0, bytes_of(page)) == Outcome::Done;
        }
        refused_at_least += done ? 0U : 1U;
        buffer.undo_transaction();
        allocator.refuse_from = CountingAllocator::never;
        CHECK(hash_of(buffer.root()) == hash);
        CHECK(text_in(buffer.root(), 0) == "before");
        CHECK(buffer.root().contents.column(0, 0)->count == 1);
    }
    CHECK(refused_at_least > 10);
}

} // namespace ecsdb::test::content_writer_test
