#include "ecsdb/snapshot/replaced.hpp"

#include "support/catch.hpp"
#include "support/storage_fixture.hpp"

namespace ecsdb::test::replaced_test {

using namespace snapshot;

namespace {

using Numbers = std::vector<std::uint32_t>;

struct Scene {
    BlockReader::Block block(BlockKind kind, std::uint32_t rows) {
        BlockReader::Block made;
        made.header.kind = kind;
        made.header.rows = rows;
        made.content = out.view();
        return made;
    }

    CountingAllocator allocator;
    Replaced replaced{allocator};
    ByteBuffer out{allocator};
};

} // namespace

TEST_CASE("where nothing is replaced, a block stays as it is", "[snapshot]") {
    Scene scene;
    append_numbers(scene.out, Numbers{1, 2, 3});
    auto block = scene.block(BlockKind::SparseRows, 3);
    const auto kept = scene.replaced.keep_uncovered(block);
    REQUIRE(kept);
    CHECK(*kept);
    CHECK(block.content.data() == scene.out.view().data());
}

TEST_CASE("rows and freed indices that were replaced are left out", "[snapshot]") {
    const Run second{2, 1};
    for (const BlockKind kind : {BlockKind::SparseRows, BlockKind::Freed}) {
        Scene scene;
        scene.replaced.add(std::span{&second, 1});
        append_numbers(scene.out, Numbers{1, 2, 3});
        if (kind == BlockKind::Freed) {
            append_numbers(scene.out, Numbers{10, 20, 30});
        } else {
            scene.out.append(std::as_bytes(std::span{"aabbcc", 6}));
        }
        auto block = scene.block(kind, 3);
        const auto kept = scene.replaced.keep_uncovered(block);
        REQUIRE(kept);
        REQUIRE(*kept);
        REQUIRE(block.header.rows == 2);
        ByteReader in{block.content};
        Numbers read(2);
        REQUIRE(read_numbers(in, read));
        CHECK(read == Numbers{1, 3});
        if (kind == BlockKind::Freed) {
            REQUIRE(read_numbers(in, read));
            CHECK(read == Numbers{10, 30});
        } else {
            const auto rows = in.read_bytes(4);
            CHECK(std::equal(rows.begin(), rows.end(), std::as_bytes(std::span{"aacc", 4}).begin()));
        }
        CHECK(in.remaining() == 0);
    }
}

TEST_CASE("contents that were replaced are left out, and so are parts of them", "[snapshot]") {
    const Run middle{5, 10};
    Scene scene;
    scene.replaced.add(std::span{&middle, 1});
    for (const int step : {4, 1, 9, 1, 5}) { // 4 5 14 15 20
        scene.out.append_varint(static_cast<std::uint64_t>(step));
        scene.out.append_varint(1);
        scene.out.append(std::as_bytes(std::span{"x", 1}));
    }
    auto block = scene.block(BlockKind::Contents, 5);
    const auto kept = scene.replaced.keep_uncovered(block);
    REQUIRE(kept);
    REQUIRE(*kept);
    REQUIRE(block.header.rows == 3);
    ByteReader in{block.content};
    std::uint64_t index = 0;
    for (const std::uint64_t wanted : {4U, 15U, 20U}) {
        index += in.read_varint();
        CHECK(index == wanted);
        CHECK(in.read_varint() == 1);
        CHECK(in.read_bytes(1).size() == 1);
    }
    CHECK(in.remaining() == 0);

    for (const std::uint64_t of : {4U, 5U}) {
        Scene part;
        part.replaced.add(std::span{&middle, 1});
        part.out.append_varint(of);
        auto of_content = part.block(BlockKind::ContentPart, 1);
        const auto stays = part.replaced.keep_uncovered(of_content);
        REQUIRE(stays);
        CHECK(*stays == (of == 4));
    }
}

TEST_CASE("blocks that are no lists are corrupt", "[snapshot]") {
    const Run some{2, 1};
    for (const BlockKind kind : {BlockKind::SparseRows, BlockKind::Freed, BlockKind::Contents}) {
        Scene scene;
        scene.replaced.add(std::span{&some, 1});
        scene.out.append(std::as_bytes(std::span{"\x07\xFF\xFF", 3}));
        auto block = scene.block(kind, 3);
        const auto kept = scene.replaced.keep_uncovered(block);
        REQUIRE_FALSE(kept);
        CHECK(kept.error().code() == ErrorCode::Corrupt);
    }
}

} // namespace ecsdb::test::replaced_test
