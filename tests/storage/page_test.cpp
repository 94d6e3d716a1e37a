#include "ecsdb/storage/page.hpp"

#include "support/catch.hpp"

#include <array>
#include <cstddef>

namespace ecsdb::storage {

TEST_CASE("a page holds the largest power of two of rows that fits in about 2 KiB", "[storage]") {
    struct Case {
        std::uint32_t stride;
        std::uint32_t rows;
    };
    for (const Case& expected : {Case{1, 256}, Case{7, 256}, Case{8, 256}, Case{9, 128}, Case{12, 128}, Case{16, 128}, Case{17, 64},
                                 Case{1024, 2}, Case{1025, 1}, Case{2048, 1}, Case{2049, 1}, Case{5000, 1}, Case{1U << 20U, 1}}) {
        CAPTURE(expected.stride);
        const PageGeometry geometry{expected.stride};
        CHECK(geometry.rows() == expected.rows);
        CHECK(geometry.page_bytes() == page_header_bytes + expected.stride * expected.rows);
    }
    CHECK(PageGeometry{12, 256}.rows() == 256); // asked for
}

TEST_CASE("a tag has no bytes", "[storage]") {
    const PageGeometry tag{0};
    CHECK(tag.stride == 0);
    CHECK(tag.page_bytes() == page_header_bytes);
}

TEST_CASE("a row number splits into page and place", "[storage]") {
    const PageGeometry geometry{12};
    for (const std::uint32_t row : {0U, 1U, 127U, 128U, 129U, 1000000U, 0xFFFFFFFFU}) {
        CAPTURE(row);
        CHECK(geometry.page_of(row) == row / 128);
        CHECK(geometry.row_in_page(row) == row % 128);
    }
    CHECK(geometry.pages_for(0) == 0);
    CHECK(geometry.pages_for(1) == 1);
    CHECK(geometry.pages_for(128) == 1);
    CHECK(geometry.pages_for(129) == 2);
    CHECK(geometry.pages_for(0xFFFFFFFFU) == 1U << 25U);
}

TEST_CASE("rows begin on a cache line of their own, and a small page says how many it has room for", "[storage]") {
    struct alignas(64) Page : Node {
        std::array<std::byte, 1024> rest;
    };
    Page page{};
    CHECK(page_rows(&page) - reinterpret_cast<std::byte*>(&page) == page_header_bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(page_rows(static_cast<const Node*>(&page))) % max_row_alignment == 0);
    const PageGeometry geometry{12};
    page.bytes = geometry.bytes_for(8);
    CHECK(geometry.capacity_of(&page) == 8);
    page.bytes = geometry.bytes_for(8) + 11;
    CHECK(geometry.capacity_of(&page) == 8);
    page.bytes = geometry.page_bytes() + 4096; // never more than a page's worth
    CHECK(geometry.capacity_of(&page) == 128);
}

} // namespace ecsdb::storage
