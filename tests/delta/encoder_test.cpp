#include "delta/delta_fixture.hpp"
#include "ecsdb/delta/encoder.hpp"

namespace encoder_test {

using namespace delta_test;

TEST_CASE("when memory runs out the buffer says so, wherever it happens", "[delta]") {
    std::mt19937 random{1};
    const Table& table = test_schema().table(position);
    std::vector<Bytes> rows;
    std::vector<RowChange> changes;
    std::vector<VersionIncrement> versions;
    for (std::uint32_t i = 0; i < 2000; ++i) {
        rows.push_back(random_row(table, random));
    }
    for (std::uint32_t i = 1; i < 2000; ++i) {
        changes.push_back({i, RowChangeKind::Changed, rows[i - 1].data(), rows[i].data()});
        versions.push_back({i, 1 + i % 3});
    }
    bool complete = false;
    int failures = 0;
    for (int allowed = 0; !complete; ++allowed) {
        ScarceAllocator scarce{allowed};
        ByteBuffer out{scarce};
        Encoder encoder{scarce};
        encoder.begin(out, Header{});
        encoder.table(table, changes);
        encoder.versions(versions);
        encoder.end();
        complete = !out.failed();
        failures += complete ? 0 : 1;
        CHECK((!complete || DeltaView::parse(out.view()).has_value()));
    }
    CHECK(failures > 5);
}

TEST_CASE("nothing changed is only a header", "[delta]") {
    const Bytes bytes = delta_of(Header{}, position, {});
    CHECK(bytes == bytes_of({1, 0, 0, 1}));
    CHECK(seen(bytes).rows.empty());
}

TEST_CASE("every part of the header comes back", "[delta]") {
    const Bytes clock = bytes_of({9, 8, 7});
    for (unsigned parts = 0; parts < 64; ++parts) {
        Header header;
        header.from = parts % 2 == 0 ? 0 : ~std::uint64_t{0} - 5;
        header.to = header.from + 1 + parts % 3;
        header.counted = (parts & 1) != 0;
        header.merged = (parts & 2) != 0;
        header.time = (parts & 4) != 0 ? 1'700'000'000'000'000'000U : 0;
        header.tick = (parts & 8) != 0 ? 123456 : 0;
        header.origin = (parts & 16) != 0 ? Origin{0, ~std::uint64_t{0}, 3} : Origin{};
        header.clock = (parts & 32) != 0 ? std::span<const std::byte>{clock} : std::span<const std::byte>{};
        const Bytes bytes = delta_of(header, position, {});
        const DeltaView view = parsed(bytes);
        CAPTURE(parts);
        CHECK(view.header().from == header.from);
        CHECK(view.header().to == header.to);
        CHECK(view.header().counted == header.counted);
        CHECK(view.header().merged == header.merged);
        CHECK(view.header().time == header.time);
        CHECK(view.header().tick == header.tick);
        CHECK(view.header().origin == header.origin);
        CHECK(std::equal(view.header().clock.begin(), view.header().clock.end(), header.clock.begin(), header.clock.end()));
        CHECK(view.header_bytes().size() == bytes.size());
    }
}

TEST_CASE("entities come back, ranges of them in a few bytes", "[delta]") {
    std::vector<Entity> created;
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        created.emplace_back(1000 + i, 1U, 3U);
    }
    created.emplace_back(101'000U, 2U, 3U); // next index, other generation
    created.emplace_back(0xFFFFFFFFU, Entity::max_generation, 3U);
    const std::vector<Entity> destroyed{{0, 5, 3}, {1000, 7, 3}, {1001, 7, 3}};
    ByteBuffer out{memory()};
    Encoder encoder{memory()};
    encoder.begin(out, Header{});
    encoder.entities(created, destroyed);
    encoder.end();
    CHECK(out.size() < 40);
    const Seen result = seen(out.view());
    CHECK(result.created_entities == created);
    CHECK(result.destroyed_entities == destroyed);
}

TEST_CASE("versions come back, grouped by increment", "[delta]") {
    ByteBuffer out{memory()};
    Encoder encoder{memory()};
    encoder.begin(out, Header{});
    SECTION("all alike, in their order") {
        const std::vector<VersionIncrement> versions{{1, 4}, {2, 4}, {9, 4}};
        encoder.versions(versions);
        CHECK(seen(out.view()).versions == versions);
    }
    SECTION("mixed") {
        encoder.versions(std::vector<VersionIncrement>{{1, 4}, {2, 1}, {3, 4}, {9, 0xFFFFFFFF}});
        CHECK(seen(out.view()).versions == std::vector<VersionIncrement>{{2, 1}, {1, 4}, {3, 4}, {9, 0xFFFFFFFF}});
    }
}

TEST_CASE("only fields that really differ are kept, and a row written without effect is kept without values", "[delta]") {
    const Bytes before = row_of(1.0F, 2.0F, 3.0F);
    const Bytes after = row_of(1.0F, 2.5F, 3.0F);
    const std::vector<RowChange> changes{{7, RowChangeKind::Changed, before.data(), after.data()},
                                         {8, RowChangeKind::Changed, before.data(), before.data()}};
    const std::vector<SeenRow> expected{{position, RowChangeKind::Changed, 8, {}, {}},
                                        {position, RowChangeKind::Changed, 7, {1}, row_of(2.5F)}};
    CHECK(seen(delta_of(Header{}, position, changes)).rows == expected);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto rows = seen(delta_of(Header{}, position, std::span{changes}.subspan(i, 1))).rows;
        CHECK(rows == std::vector<SeenRow>{expected[1 - i]});
    }
}

TEST_CASE("a one-row delta costs 15 bytes beyond its value", "[delta]") {
    const Bytes before = row_of(1.0F, 2.0F, 3.0F);
    const Bytes after = row_of(1.0F, 2.5F, 3.0F);
    const std::array changes{RowChange{1'000'000, RowChangeKind::Changed, before.data(), after.data()}};
    Header header;
    header.from = 200'000'000;
    header.to = 200'000'001;
    header.counted = true;
    CHECK(delta_of(header, position, changes).size() == 15 + 4);
}

TEST_CASE("one changed f32 costs at most 6.5 bytes a row in runs", "[delta]") {
    const Bytes before = row_of(1.0F, 2.0F, 3.0F);
    const Bytes after = row_of(1.0F, 2.5F, 3.0F);
    std::mt19937 random{2};
    for (const std::uint32_t spread : {1U, 2U, 100U, 10'000U}) {
        std::vector<RowChange> changes;
        std::uint32_t index = 0;
        for (int i = 0; i < 1000; ++i) {
            index += 1 + static_cast<std::uint32_t>(random() % spread);
            changes.push_back({index, RowChangeKind::Changed, before.data(), after.data()});
        }
        const double each = static_cast<double>(delta_of(Header{}, position, changes).size()) / 1000.0;
        CAPTURE(spread);
        CHECK(each <= (spread == 1 ? 4.1 : spread <= 100 ? 5.1 : 6.5));
    }
}

TEST_CASE("one row takes the same bytes by the short way and by the long one", "[delta]") {
    std::mt19937 random{3};
    for (const Table& table : test_schema().tables()) {
        if (table.fields.size() >= 64) {
            continue;
        }
        for (int round = 0; round < 30; ++round) {
            const Bytes before = random_row(table, random);
            const Bytes after = random_row(table, random);
            const auto kind = static_cast<RowChangeKind>(random() % 3);
            const std::array changes{RowChange{static_cast<std::uint32_t>(random() % 100'000), kind, before.data(), after.data()}};
            ByteBuffer out{memory()};
            ecsdb::delta::detail::RunWriter runs{memory()};
            runs.write(table, ecsdb::delta::detail::ChangedRows{table, changes}, out, [](std::size_t) {});
            const Bytes whole = delta_of(Header{}, table.id, changes);
            CAPTURE(table.name, round);
            DeltaView::parse(whole)->for_each_section(
                [&](const Section& section) { CHECK(Bytes(section.body.begin(), section.body.end()) == copy_of(out)); });
        }
    }
}

TEST_CASE("the same scratch serves deltas of any size, one after another", "[delta]") {
    std::mt19937 random{4};
    Encoder shared{memory()};
    for (const std::size_t size : {3U, 1000U, 1U, 17U, 2U}) {
        for (const Table& table : test_schema().tables()) {
            std::vector<Bytes> rows;
            std::vector<RowChange> changes;
            for (std::size_t i = 0; i < size; ++i) {
                rows.push_back(random_row(table, random));
            }
            for (std::size_t i = 0; i < size; ++i) {
                changes.push_back({static_cast<std::uint32_t>(i * 3), static_cast<RowChangeKind>(random() % 3), rows[(i + 1) % size].data(),
                                   rows[i].data()});
            }
            ByteBuffer out{memory()};
            shared.begin(out, Header{});
            shared.table(table, changes);
            shared.end();
            CAPTURE(table.name, size);
            CHECK(copy_of(out) == delta_of(Header{}, table.id, changes));
        }
    }
}

} // namespace encoder_test
