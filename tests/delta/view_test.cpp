#include "delta/delta_fixture.hpp"
#include "ecsdb/delta/view.hpp"

namespace view_test {

using namespace delta_test;

namespace {

ErrorCode code_of(const Bytes& bytes) {
    const Result<DeltaView> view = DeltaView::parse(bytes);
    return view ? ErrorCode{} : view.error().code();
}

/// A header, then a section with its length.
Bytes with_section(unsigned kind, unsigned id, std::initializer_list<unsigned> body, unsigned flags = 0) {
    Bytes bytes = bytes_of({1, flags, 0, 1, kind, id, static_cast<unsigned>(body.size())});
    const Bytes tail = bytes_of(body);
    bytes.insert(bytes.end(), tail.begin(), tail.end());
    return bytes;
}

/// One of everything.
Bytes rich_delta(bool counted) {
    std::mt19937 random{7};
    Header header;
    header.from = 1000;
    header.to = 1003;
    header.time = 99;
    header.tick = 500;
    header.origin = {1, 200, 3};
    header.counted = counted;
    const Bytes clock = bytes_of({1, 2, 3});
    header.clock = clock;
    const std::vector<Entity> created{{3, 1, 2}, {4, 1, 2}, {900, 9, 2}};
    const std::vector<Entity> destroyed{{5, 2, 2}, {8, 1, 2}};
    ByteBuffer out{memory()};
    Encoder encoder{memory()};
    encoder.begin(out, header);
    encoder.entities(created, destroyed);
    for (const Table& table : test_schema().tables()) {
        std::vector<Bytes> rows;
        std::vector<RowChange> changes;
        for (std::uint32_t i = 0; i < 8; ++i) {
            rows.push_back(random_row(table, random));
        }
        for (std::uint32_t i = 0; i < 7; ++i) {
            changes.push_back({i * (i % 3 + 100), static_cast<RowChangeKind>(random() % 3), rows[i].data(), rows[i + 1].data()});
        }
        std::sort(changes.begin(), changes.end(), [](const RowChange& a, const RowChange& b) { return a.index < b.index; });
        encoder.table(table, changes);
    }
    ColumnEncoder columns{memory(), test_schema().table(position)};
    std::vector<std::byte> before(5 * 12, std::byte{1});
    std::vector<std::byte> after(5 * 12, std::byte{2});
    after[7] = std::byte{1};
    std::fill_n(after.begin() + 12, 4, std::byte{1});
    const std::array<std::uint32_t, 5> shuffled{9, 2, 300, 4, 5};
    columns.page(shuffled, before.data(), after.data());
    const std::array bodies{columns.body()};
    encoder.columns(test_schema().table(position), bodies);
    if (!counted) {
        encoder.versions(std::vector<VersionIncrement>{{1, 4}, {2, 1}, {3, 4}, {9, 300}});
    }
    encoder.end();
    return copy_of(out);
}

/// Reads as a consumer would: parse, validate, then touch every byte that is handed out. Expands only what has bytes of its own.
void read_everything(const Bytes& bytes) {
    const Result<DeltaView> view = DeltaView::parse(bytes);
    if (!view) {
        REQUIRE((view.error().code() == ErrorCode::Corrupt || view.error().code() == ErrorCode::Unsupported));
        return;
    }
    const Result<void> valid = validate(*view, test_schema());
    if (!valid) {
        REQUIRE(valid.error().code() == ErrorCode::Corrupt);
        return;
    }
    unsigned sum = 0;
    view->for_each_section([&](const Section& section) {
        if (section.has_rows()) {
            DeltaView::for_each_run(section, [&](const Run& run) {
                if (run.count > 10'000) {
                    return;
                }
                const Table& table = test_schema().table(run.table);
                Bytes row(table.size);
                run.for_each_row([&](std::uint32_t index, const std::byte* values) {
                    sum += index;
                    if (run.kind != RowChangeKind::Removed) {
                        apply_fields(table, run.mask, values, row.data());
                        FieldCopy{table, run.mask}.unpack(values, row.data());
                    }
                });
            });
        }
        if (section.is(SectionKind::Entities)) {
            DeltaView::for_each_entity_range(section, [&](const EntityRange& range) { sum += range.first; });
        }
    });
    REQUIRE(sum + 1 != 0);
}

} // namespace

TEST_CASE("bytes that are no delta are refused by name", "[delta]") {
    CHECK(code_of({}) == ErrorCode::Corrupt);
    CHECK(code_of(bytes_of({1})) == ErrorCode::Corrupt);
    CHECK(code_of(bytes_of({0, 0, 0, 1})) == ErrorCode::Corrupt);
    CHECK(code_of(bytes_of({2, 0, 0, 1})) == ErrorCode::Unsupported);
    CHECK(code_of(bytes_of({1, 128, 0, 1})) == ErrorCode::Unsupported);
    CHECK(code_of(bytes_of({1, 64 + 1, 0, 1})) == ErrorCode::Corrupt);  // absolute and counted
    CHECK(code_of(bytes_of({1, 0, 0, 0})) == ErrorCode::Corrupt);       // ends where it starts
    CHECK(code_of(bytes_of({1, 0, 0x80, 0, 1})) == ErrorCode::Corrupt); // a long zero
    CHECK(code_of(bytes_of({1, 8, 0, 1, 0})) == ErrorCode::Corrupt);    // a tick of 0
    CHECK(code_of(bytes_of({1, 32, 0, 1, 5, 1})) == ErrorCode::Corrupt);
    CHECK(code_of(bytes_of({1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1})) == ErrorCode::Corrupt);
    CHECK(DeltaView::parse(bytes_of({1, 0, 0, 1, 2, 0, 9})).error().message() == "delta: at byte 4: a section ends too early");
}

TEST_CASE("unknown sections are skipped if they say so, and refused otherwise", "[delta]") {
    CHECK(code_of(with_section(6, 0, {1})) == ErrorCode::Unsupported);
    CHECK(code_of(with_section(0, 0, {1})) == ErrorCode::Corrupt);
    const Bytes skippable = with_section(0x80, 77, {1, 2, 3});
    std::vector<unsigned> kinds;
    parsed(skippable).for_each_section([&](const Section& section) {
        kinds.push_back(section.kind);
        CHECK(section.id == 77);
        CHECK(section.body.size() == 3);
        CHECK(section.whole.size() == 6);
    });
    CHECK(kinds == std::vector<unsigned>{0x80});
}

TEST_CASE("sections without content, out of order or in a wrong place are refused", "[delta]") {
    CHECK(code_of(with_section(1, 0, {})) == ErrorCode::Corrupt);
    CHECK(code_of(with_section(1, 0, {0})) == ErrorCode::Corrupt);
    CHECK(code_of(with_section(2, 0, {})) == ErrorCode::Corrupt);
    CHECK(code_of(with_section(4, 1, {0, 1, 5})) == ErrorCode::Corrupt);               // Versions have no id
    CHECK(code_of(with_section(4, 0, {0, 1, 5}, flag_counted)) == ErrorCode::Corrupt); // counted twice
    CHECK(code_of(with_section(4, 0, {0, 1, 5})) == ErrorCode{});
    Bytes twice = with_section(2, 3, {0, 5});
    twice.insert(twice.end(), {std::byte{2}, std::byte{3}, std::byte{2}, std::byte{0}, std::byte{5}});
    CHECK(code_of(twice) == ErrorCode::Corrupt);
    twice[8 + 2] = std::byte{4};
    CHECK(code_of(twice) == ErrorCode{});
    Bytes shards = with_section(1, 0, {0, 5, 0, 1});
    CHECK(code_of(shards) == ErrorCode{});
    shards.insert(shards.end(), {std::byte{1}, std::byte{1}, std::byte{4}, std::byte{0}, std::byte{6}, std::byte{0}, std::byte{1}});
    CHECK(code_of(shards) == ErrorCode::Corrupt); // entities of two shards
}

TEST_CASE("runs that break the canonical order are refused", "[delta]") {
    CHECK(code_of(with_section(2, 0, {0x03, 5})) == ErrorCode::Corrupt);                // no such kind
    CHECK(code_of(with_section(2, 0, {0x10, 5})) == ErrorCode::Corrupt);                // removed rows with values
    CHECK(code_of(with_section(2, 0, {0x00, 5, 0x00, 6})) == ErrorCode::Corrupt);       // two runs of removed rows
    CHECK(code_of(with_section(2, 0, {0x01, 1, 5, 9})) == ErrorCode::Corrupt);          // the last run is not tail
    CHECK(code_of(with_section(2, 0, {0x11, 5, 9})) == ErrorCode{});                    // it is
    CHECK(code_of(with_section(2, 0, {0x01, 1, 5, 9, 0x00, 6})) == ErrorCode::Corrupt); // added before removed
    CHECK(code_of(with_section(2, 0, {0x02, 2, 1, 5, 9, 0x12, 1, 6, 9})) == ErrorCode::Corrupt);
    CHECK(code_of(with_section(2, 0, {0x02, 1, 1, 5, 9, 0x12, 2, 6, 9})) == ErrorCode{});
    CHECK(code_of(with_section(2, 0, {0x3E, 1, 5, 2, 9, 9})) == ErrorCode::Corrupt); // page order
    CHECK(code_of(with_section(3, 0, {0x2E, 1, 1, 5, 1, 9, 9})) == ErrorCode{});     // where it may be
    CHECK(code_of(with_section(3, 0, {0x12, 1, 5, 9})) == ErrorCode::Corrupt);       // tail where it may not
    CHECK(code_of(with_section(3, 0, {0x00, 5})) == ErrorCode::Corrupt);             // columns only change
    CHECK(code_of(with_section(2, 0, {0x12, 0x81, 0, 5, 9})) == ErrorCode::Corrupt); // a long mask
    CHECK(code_of(with_section(2, 0, {0x12, 0, 5, 9})) == ErrorCode::Corrupt);       // values of no field
    CHECK(code_of(with_section(2, 0, {0x12, 1, 5})) == ErrorCode::Corrupt);          // a field without value
    CHECK(code_of(with_section(2, 0, {0x32, 1, 5, 9, 9, 9})) == ErrorCode::Corrupt); // three bytes for two rows
}

TEST_CASE("entity ranges must be of real generations and as few as possible", "[delta]") {
    CHECK(code_of(with_section(1, 0, {0, 5, 0, 0})) == ErrorCode::Corrupt);
    CHECK(code_of(with_section(1, 0, {0, 5, 0, 0x80, 0x80, 0x80, 2})) == ErrorCode::Corrupt);
    CHECK(code_of(with_section(1, 0, {0, 5, 0, 1, 0, 0, 1})) == ErrorCode::Corrupt);
    CHECK(code_of(with_section(1, 0, {0, 5, 0, 1, 0, 0, 2})) == ErrorCode{});
    CHECK(code_of(with_section(1, 0, {2, 5, 0, 1})) == ErrorCode::Corrupt);
    CHECK(code_of(with_section(1, 0, {0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1, 1})) == ErrorCode::Corrupt);
}

TEST_CASE("a delta cut short anywhere is never misread", "[delta]") {
    const Bytes whole = rich_delta(false);
    REQUIRE(code_of(whole) == ErrorCode{});
    for (std::size_t kept = 0; kept < whole.size(); ++kept) {
        CAPTURE(kept);
        read_everything(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kept)));
    }
}

TEST_CASE("a delta with any byte changed is read or refused", "[delta]") {
    for (const bool counted : {false, true}) {
        Bytes bytes = rich_delta(counted);
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            const std::byte good = bytes[at];
            for (const unsigned flipped : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 255U}) {
                bytes[at] = good ^ static_cast<std::byte>(flipped);
                CAPTURE(at, flipped);
                read_everything(bytes);
            }
            bytes[at] = good;
        }
    }
}

TEST_CASE("random bytes behind a good header are read or refused", "[delta]") {
    std::mt19937 random{8};
    for (int round = 0; round < 20'000; ++round) {
        Bytes bytes = bytes_of({1, 0, 0, 1});
        for (int section = 0; section < 3; ++section) {
            const unsigned size = static_cast<unsigned>(random() % 12);
            const Bytes head = bytes_of({static_cast<unsigned>(random() % 5), static_cast<unsigned>(random() % 7), size});
            bytes.insert(bytes.end(), head.begin(), head.end());
            for (unsigned i = 0; i < size; ++i) {
                bytes.push_back(static_cast<std::byte>(random() % 3 == 0 ? random() % 256 : random() % 6));
            }
        }
        CAPTURE(round);
        read_everything(bytes);
    }
}

TEST_CASE("a consumer may take the header and some sections as they are", "[delta]") {
    const Bytes whole = rich_delta(true);
    const DeltaView view = parsed(whole);
    Bytes part(view.header_bytes().begin(), view.header_bytes().end());
    view.for_each_section([&](const Section& section) {
        if (section.has_rows() && (section.id == health || section.id == kit)) {
            part.insert(part.end(), section.whole.begin(), section.whole.end());
        }
    });
    const Seen all = seen(whole);
    std::vector<SeenRow> expected;
    std::copy_if(all.rows.begin(), all.rows.end(), std::back_inserter(expected),
                 [](const SeenRow& row) { return row.table == health || row.table == kit; });
    CHECK(seen(part).rows == expected);
    CHECK_FALSE(expected.empty());
}

TEST_CASE("a visitor hears only what it asks for", "[delta]") {
    const Bytes whole = rich_delta(false);
    struct Counter {
        std::uint64_t sum = 0;
        void version(std::uint32_t, std::uint32_t increment) { sum += increment; }
    } counter;
    parsed(whole).visit(counter);
    CHECK(counter.sum == 4 + 1 + 4 + 300);
}

} // namespace view_test
