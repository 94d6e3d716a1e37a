#include "delta/delta_fixture.hpp"
#include "ecsdb/delta/runs.hpp"

#include <algorithm>
#include <map>

namespace runs_test {

using namespace delta_test;
namespace runs = ecsdb::delta::detail;

namespace {

Bytes stored_mask(const std::vector<std::uint64_t>& words) {
    Bytes bytes(runs::mask_size(words.data(), words.size()));
    CHECK(runs::store_mask(bytes.data(), words.data(), words.size()) == bytes.data() + bytes.size());
    return bytes;
}

} // namespace

TEST_CASE("a mask of no fields is one zero byte", "[delta]") {
    CHECK(stored_mask({0}) == bytes_of({0}));
    CHECK(stored_mask({0, 0}) == bytes_of({0}));
}

TEST_CASE("masks take seven fields a byte, across words too", "[delta]") {
    CHECK(stored_mask({0x7F}) == bytes_of({0x7F}));
    CHECK(stored_mask({0x80}) == bytes_of({0x80, 0x01}));
    for (unsigned bit = 0; bit < 192; ++bit) {
        std::vector<std::uint64_t> words(3);
        words[bit / 64] |= std::uint64_t{1} << bit % 64;
        words[0] |= 1;
        const Bytes bytes = stored_mask(words);
        const FieldMask mask{bytes};
        CAPTURE(bit);
        REQUIRE(mask.limit() == bit + 1);
        for (unsigned other = 0; other < 192; ++other) {
            REQUIRE(mask.test(static_cast<FieldId>(other)) == (other == bit || other == 0));
        }
    }
}

TEST_CASE("a mask of up to 64 fields is their bits as a varint", "[delta]") {
    std::mt19937_64 random{1};
    for (int round = 0; round < 200; ++round) {
        const std::uint64_t fields = random() >> random() % 64;
        Bytes expected(varint_size(fields));
        store_varint(expected.data(), fields);
        REQUIRE(stored_mask({fields}) == expected);
    }
}

TEST_CASE("rows are sorted into runs by kind and mask, and every row and value comes back", "[delta]") {
    std::mt19937 random{2};
    for (const Table& table : test_schema().tables()) {
        std::vector<Bytes> before;
        std::vector<Bytes> after;
        std::vector<RowChange> changes;
        std::uint32_t index = 0;
        for (int i = 0; i < 1500; ++i) {
            before.push_back(random_row(table, random));
            after.push_back(random_row(table, random));
            index += static_cast<std::uint32_t>(1 + (random() % 4 == 0 ? random() % 500 : 0));
            changes.push_back({index, static_cast<RowChangeKind>(random() % 3), nullptr, nullptr});
        }
        for (std::size_t i = 0; i < changes.size(); ++i) {
            changes[i].before = before[i].data();
            changes[i].after = after[i].data();
        }
        const Bytes bytes = delta_of(Header{}, table.id, changes);
        const std::vector<SeenRow> rows = seen(bytes).rows;
        REQUIRE(rows.size() == changes.size());
        std::map<std::uint32_t, SeenRow> by_index;
        for (const SeenRow& row : rows) {
            by_index[row.index] = row;
        }
        for (std::size_t i = 0; i < changes.size(); ++i) {
            CAPTURE(table.name, i);
            const SeenRow& row = by_index.at(changes[i].index);
            REQUIRE(row.kind == changes[i].kind);
            Bytes result = changes[i].kind == RowChangeKind::Changed ? before[i] : Bytes(table.size);
            if (row.kind == RowChangeKind::Removed) {
                REQUIRE(row.values.empty());
                continue;
            }
            std::size_t at = 0;
            for (const Field& field : table.fields) {
                const bool carried =
                    row.kind == RowChangeKind::Added || std::find(row.fields.begin(), row.fields.end(), field.id) != row.fields.end();
                REQUIRE(carried ==
                        (row.kind == RowChangeKind::Added || runs::field_differs(table, field, before[i].data(), after[i].data())));
                std::size_t run = 0;
                runs::for_each_piece(table, field, run, [&](std::uint32_t offset, std::uint32_t size) {
                    if (carried) {
                        std::copy_n(row.values.begin() + static_cast<std::ptrdiff_t>(at), size, result.begin() + offset);
                        at += size;
                    }
                });
            }
            REQUIRE(at == row.values.size());
            REQUIRE(result == after[i]);
        }
    }
}

TEST_CASE("many different masks stay cheap and right", "[delta]") {
    std::mt19937 random{3};
    const Table& table = test_schema().table(wide);
    std::vector<Bytes> rows;
    std::vector<RowChange> changes;
    for (std::uint32_t i = 0; i < 5000; ++i) {
        rows.push_back(random_row(table, random));
    }
    for (std::uint32_t i = 1; i < 5000; ++i) {
        changes.push_back({i, RowChangeKind::Changed, rows[i - 1].data(), rows[i].data()});
    }
    std::size_t run_count = 0;
    std::size_t row_count = 0;
    const Bytes bytes = delta_of(Header{}, wide, changes);
    parsed(bytes).for_each_section([&](const Section& section) {
        DeltaView::for_each_run(section, [&](const Run& run) {
            ++run_count;
            row_count += run.count;
        });
    });
    CHECK(run_count > 4900);
    CHECK(row_count == 4999);
}

} // namespace runs_test
