#include "ecsdb/storage/row_writer.hpp"

#include "support/storage_fixture.hpp"

#include <cstring>
#include <string>

namespace ecsdb::test::row_writer_test {
namespace {

using storage::Node;
using storage::NodeTree;
using storage::PageGeometry;
using storage::PoolOptions;
using storage::RowWriter;
using storage::Store;

struct OwnedStore {
    explicit OwnedStore(const PoolOptions& options = {}) : store{Store::create(allocator, options, schema_of({{"Position", 12}}))} {}
    ~OwnedStore() { store->drop_owner(); }
    CountingAllocator allocator;
    Store* store;
};

} // namespace

TEST_CASE("a column that gets no memory for its next row keeps the others", "[storage][memory]") {
    PoolOptions options;
    options.first_block_bytes = options.max_block_bytes = 4096;
    std::uint64_t refused = 1;
    for (std::uint64_t call = 0; refused != 0; ++call) {
        OwnedStore owned{options};
        RowWriter writer{*owned.store};
        NodeTree column;
        const PageGeometry geometry{12};
        owned.allocator.refuse_call = owned.allocator.calls + call;
        for (std::uint32_t row = 0; row < 1000; ++row) {
            std::byte* place = writer.append_place(column, geometry, row);
            place = place == nullptr ? writer.append_place(column, geometry, row) : place;
            REQUIRE(place != nullptr);
            std::memset(place, static_cast<int>(row % 251), 12);
        }
        for (std::uint32_t row = 0; row < 1000; ++row) {
            const std::byte* const bytes = page_rows(column.at(geometry.page_of(row))) + geometry.row_in_page(row) * 12;
            REQUIRE(bytes[0] == std::byte(row % 251));
            REQUIRE(bytes[11] == std::byte(row % 251));
        }
        refused = owned.allocator.refused;
    }
}

TEST_CASE("a first page starts small and doubles, or is as large as the rows to come need", "[storage]") {
    OwnedStore owned;
    RowWriter writer{*owned.store};
    const PageGeometry geometry{12};
    NodeTree column;
    std::uint32_t last = 0;
    for (std::uint32_t row = 0; row < 200; ++row) {
        REQUIRE(writer.append_place(column, geometry, row) != nullptr);
        writer.workspace().keep();
        const std::uint32_t capacity = geometry.capacity_of(column.at(0));
        CHECK((capacity == last || last == 0 || capacity >= std::min(128U, 2 * last - 2)));
        CHECK((row != 0 || capacity < 16));
        last = capacity;
    }
    CHECK(last == 128);
    CHECK(geometry.capacity_of(column.at(1)) == 128);

    NodeTree all_at_once;
    REQUIRE(writer.append_place(all_at_once, geometry, 0, 100) != nullptr);
    CHECK(geometry.capacity_of(all_at_once.at(0)) >= 100);

    const PageGeometry wide{5000};
    NodeTree one_each;
    for (std::uint32_t row = 0; row < 5; ++row) {
        REQUIRE(writer.append_place(one_each, wide, row) != nullptr);
        CHECK(wide.capacity_of(one_each.at(row)) == 1);
    }
}

TEST_CASE("a page grown by a transaction that fails is the small one again", "[storage]") {
    OwnedStore owned;
    RowWriter writer{*owned.store};
    const PageGeometry geometry{12};
    NodeTree column;
    for (std::uint32_t row = 0; row < 8; ++row) {
        std::memset(writer.append_place(column, geometry, row), static_cast<int>(row), 12);
    }
    writer.workspace().keep();
    const Node* const small = column.at(0);
    const std::size_t used = owned.store->pool().used_bytes();
    for (std::uint32_t row = 8; row < 128; ++row) {
        REQUIRE(writer.append_place(column, geometry, row) != nullptr);
    }
    CHECK(column.at(0) != small);
    writer.workspace().undo_all();
    CHECK(column.at(0) == small);
    CHECK(owned.store->pool().used_bytes() == used);
    for (std::uint32_t row = 0; row < 8; ++row) {
        CHECK(page_rows(column.at(0))[row * 12] == std::byte(row));
    }
}

} // namespace ecsdb::test::row_writer_test
