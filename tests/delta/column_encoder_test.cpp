#include "delta/delta_fixture.hpp"
#include "ecsdb/delta/column_encoder.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace column_encoder_test {

using namespace delta_test;

namespace {

struct Page {
    std::vector<std::uint32_t> indices;
    Bytes before;
    Bytes after;
};

Page random_page(const Table& table, std::size_t rows, std::mt19937& random) {
    Page page;
    for (std::size_t i = 0; i < rows; ++i) {
        page.indices.push_back(static_cast<std::uint32_t>(i * 2 + 50));
        const Bytes before = random_row(table, random);
        Bytes after = random() % 3 == 0 ? before : random_row(table, random);
        scribble_padding(table, after, std::byte{9});
        page.before.insert(page.before.end(), before.begin(), before.end());
        page.after.insert(page.after.end(), after.begin(), after.end());
    }
    return page;
}

Bytes delta_with(const Table& table, std::span<const std::span<const std::byte>> bodies) {
    ByteBuffer out{memory()};
    Encoder encoder{memory()};
    encoder.begin(out, Header{});
    encoder.columns(table, bodies);
    encoder.end();
    return copy_of(out);
}

/// Applies the delta to the page's old rows and compares the packed rows with the new ones.
void check_applied(const Table& table, const Page& page, const Bytes& delta) {
    std::map<std::uint32_t, std::size_t> row_of_index;
    for (std::size_t i = 0; i < page.indices.size(); ++i) {
        row_of_index[page.indices[i]] = i;
    }
    Bytes rows = page.before;
    std::size_t unchanged = page.indices.size();
    parsed(delta).for_each_section([&](const Section& section) {
        DeltaView::for_each_run(section, [&](const Run& run) {
            const FieldCopy copy{table, run.mask};
            run.for_each_row([&](std::uint32_t index, const std::byte* values) {
                copy.unpack(values, rows.data() + row_of_index.at(index) * table.size);
                --unchanged;
            });
        });
    });
    Bytes packed(table.packed_size);
    Bytes expected(table.packed_size);
    for (std::size_t i = 0; i < page.indices.size(); ++i) {
        pack_row(table.runs, rows.data() + i * table.size, packed.data());
        pack_row(table.runs, page.after.data() + i * table.size, expected.data());
        REQUIRE(packed == expected);
        pack_row(table.runs, page.before.data() + i * table.size, packed.data());
        unchanged -= packed == expected ? 1 : 0;
    }
    REQUIRE(unchanged == 0);
}

} // namespace

TEST_CASE("when memory runs out a column encoder says so", "[delta]") {
    std::mt19937 random{1};
    const Table& table = test_schema().table(wide);
    const Page page = random_page(table, 500, random);
    bool complete = false;
    int failures = 0;
    for (int allowed = 0; !complete; ++allowed) {
        ScarceAllocator scarce{allowed};
        ColumnEncoder encoder{scarce, table};
        encoder.page(page.indices, page.before.data(), page.after.data());
        complete = !encoder.failed();
        failures += complete ? 0 : 1;
    }
    CHECK(failures > 2);
}

TEST_CASE("a page in which nothing changed leaves nothing", "[delta]") {
    for (const Table& table : test_schema().tables()) {
        const Bytes rows(table.size * 3, std::byte{1});
        const std::array<std::uint32_t, 3> indices{1, 2, 3};
        ColumnEncoder encoder{memory(), table};
        encoder.page(indices, rows.data(), rows.data());
        encoder.page(std::span<const std::uint32_t>{}, nullptr, nullptr);
        CHECK(encoder.body().empty());
        CHECK_FALSE(encoder.failed());
    }
}

TEST_CASE("whatever changed in a page, and in whatever order its rows lie, comes back", "[delta]") {
    std::mt19937 random{2};
    for (const Table& table : test_schema().tables()) {
        for (const std::size_t rows : {1U, 5U, 128U, 256U, 257U, 1000U}) {
            Page page = random_page(table, rows, random);
            if (random() % 2 == 0) {
                std::shuffle(page.indices.begin(), page.indices.end(), random);
            }
            ColumnEncoder encoder{memory(), table};
            encoder.page(page.indices, page.before.data(), page.after.data());
            const std::array bodies{encoder.body()};
            CAPTURE(table.name, rows);
            check_applied(table, page, delta_with(table, bodies));
        }
    }
}

TEST_CASE("a page changed in every field is one run of its values", "[delta]") {
    for (const TableId id : {position, velocity}) {
        const Table& table = test_schema().table(id);
        for (const std::size_t rows : {1U, 3U, 32U, 33U, 128U, 300U}) {
            Page page;
            page.indices.resize(rows);
            std::iota(page.indices.begin(), page.indices.end(), 1000U);
            page.before.assign(rows * table.size, std::byte{1});
            page.after.assign(rows * table.size, std::byte{2});
            ColumnEncoder encoder{memory(), table};
            encoder.page(page.indices, page.before.data(), page.after.data());
            CAPTURE(rows, table.name);
            CHECK(encoder.body().size() <= rows * table.size + 7);
            const std::array bodies{encoder.body()};
            check_applied(table, page, delta_with(table, bodies));

            // One lane left as it was must never be written as changed.
            for (std::size_t lane = 0; lane<page.after.size() / 4; lane += rows> 64 ? 17 : 1) {
                Page holed = page;
                std::copy_n(holed.before.begin() + static_cast<std::ptrdiff_t>(lane * 4), 4,
                            holed.after.begin() + static_cast<std::ptrdiff_t>(lane * 4));
                encoder.clear();
                encoder.page(holed.indices, holed.before.data(), holed.after.data());
                const std::array holed_bodies{encoder.body()};
                const auto result = seen(delta_with(table, holed_bodies)).rows;
                REQUIRE(result.size() == rows);
                std::size_t values = 0;
                for (const SeenRow& row : result) {
                    values += row.values.size();
                }
                REQUIRE(values == rows * table.size - 4);
            }
        }
    }
}

TEST_CASE("the bytes of a page do not depend on the pages before it", "[delta]") {
    std::mt19937 random{3};
    const Table& table = test_schema().table(health);
    const Page first = random_page(table, 100, random);
    Page second = random_page(table, 100, random);
    for (std::uint32_t& index : second.indices) {
        index += 10'000;
    }
    ColumnEncoder both{memory(), table};
    both.page(first.indices, first.before.data(), first.after.data());
    const std::size_t end_of_first = both.body().size();
    both.page(second.indices, second.before.data(), second.after.data());
    ColumnEncoder alone{memory(), table};
    alone.page(second.indices, second.before.data(), second.after.data());
    const auto part = both.body().subspan(end_of_first);
    CHECK(std::equal(part.begin(), part.end(), alone.body().begin(), alone.body().end()));

    const std::array whole{both.body()};
    const std::array joined{both.body().first(end_of_first), alone.body()};
    CHECK(delta_with(table, whole) == delta_with(table, joined));
    const std::array none{std::span<const std::byte>{}};
    CHECK(delta_with(table, none) == bytes_of({1, 0, 0, 1}));
}

TEST_CASE("rows may be named by entity", "[delta]") {
    std::mt19937 random{4};
    const Table& table = test_schema().table(position);
    const Page page = random_page(table, 40, random);
    std::vector<Entity> entities;
    for (const std::uint32_t index : page.indices) {
        entities.emplace_back(index, 5U, 1U);
    }
    ColumnEncoder by_index{memory(), table};
    ColumnEncoder by_entity{memory(), table};
    by_index.page(page.indices, page.before.data(), page.after.data());
    by_entity.page(entities, page.before.data(), page.after.data());
    CHECK(std::equal(by_index.body().begin(), by_index.body().end(), by_entity.body().begin(), by_entity.body().end()));
}

} // namespace column_encoder_test
