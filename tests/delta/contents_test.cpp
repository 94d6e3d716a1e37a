#include "ecsdb/delta/contents.hpp"

#include "ecsdb/delta/merge.hpp"
#include "support/contents_fixture.hpp"

#include <string>
#include <vector>

namespace ecsdb::test::delta_contents_test {
namespace {

using Bytes = std::vector<std::byte>;
using delta::ContentEntry;

std::vector<std::pair<std::string, std::string>> entries_in(std::span<const std::byte> body) {
    std::vector<std::pair<std::string, std::string>> found;
    delta::for_each_content(body, [&](const ContentEntry& entry) {
        found.emplace_back(std::to_string(entry.index) + "." + std::to_string(entry.field), as_string(entry.bytes));
    });
    return found;
}

/// What is wrong with a body, or null.
const char* problem_of(const Bytes& body) {
    delta::detail::ContentReader reader{body};
    ContentEntry entry;
    do {
        if (const char* const problem = reader.next(entry)) {
            return problem;
        }
    } while (!reader.at_end());
    return nullptr;
}

Bytes body_of(std::initializer_list<std::uint64_t> numbers, const std::string& tail = {}) {
    SystemAllocator memory;
    ByteBuffer out{memory};
    for (const std::uint64_t number : numbers) {
        out.append_varint(number);
    }
    out.append(as_span(tail));
    return {out.view().begin(), out.view().end()};
}

delta::Header step_from(std::uint64_t from) {
    delta::Header header;
    header.from = from;
    header.to = from + 1;
    header.counted = true;
    return header;
}

/// A delta of one table.
Bytes encoded(const delta::Header& header, const Table& table, std::span<const Entity> created, std::span<const delta::RowChange> rows,
              std::span<const ContentEntry> contents) {
    SystemAllocator memory;
    ByteBuffer out{memory};
    delta::Encoder encoder{memory};
    encoder.begin(out, header);
    encoder.entities(created, {});
    encoder.table(table, rows);
    encoder.contents(table, contents);
    encoder.end();
    return {out.view().begin(), out.view().end()};
}

} // namespace

TEST_CASE("contents are written and read in order of entity and field", "[delta][contents]") {
    const std::string words = "words";
    const std::vector<ContentEntry> entries{{3, 1, as_span(words)}, {3, 2, {}}, {700000, 0, as_span(words)}, {0xFFFFFFFFU, 7, {}}};
    Bytes body(delta::detail::contents_size(entries));
    CHECK(delta::detail::store_contents(body.data(), entries) == body.data() + body.size());
    CHECK(problem_of(body) == nullptr);
    CHECK(entries_in(body) ==
          std::vector<std::pair<std::string, std::string>>{{"3.1", "words"}, {"3.2", ""}, {"700000.0", "words"}, {"4294967295.7", ""}});
}

TEST_CASE("a Contents section that is damaged or lies about lengths is refused where it lies", "[delta][contents]") {
    CHECK(problem_of(body_of({1, 2, 3}, "abc")) == nullptr);
    CHECK(problem_of(body_of({1, 2, 4}, "abc")) != nullptr);                       // longer than what follows
    CHECK(problem_of(body_of({1, 2, std::uint64_t{1} << 62U}, "abc")) != nullptr); // much longer
    CHECK(problem_of(body_of({1, 65536, 0})) != nullptr);
    CHECK(problem_of(body_of({std::uint64_t{1} << 32U, 0, 0})) != nullptr);
    CHECK(problem_of(body_of({0xFFFFFFFFU, 0, 0, 1, 0, 0})) != nullptr);
    CHECK(problem_of(body_of({1, 2, 0, 0, 2, 0})) != nullptr); // twice
    CHECK(problem_of(body_of({1, 2, 0, 0, 1, 0})) != nullptr); // out of order
    CHECK(problem_of(body_of({1, 2, 0, 1, 1, 0})) == nullptr);
    CHECK(problem_of(body_of({1, 2})) != nullptr);
    Bytes longer = body_of({1, 2});
    longer.push_back(std::byte{0x80});
    longer.push_back(std::byte{0});
    CHECK(problem_of(longer) != nullptr); // a zero in two bytes
}

TEST_CASE("every prefix and every flipped byte of a delta with contents is refused or harmless", "[delta][contents]") {
    const Schema schema = notes_schema();
    const Table& table = *schema.find_table("Note");
    const Note note;
    const std::vector<Entity> created{{7, 1, 0}};
    const std::vector<delta::RowChange> rows{{7, delta::RowChangeKind::Added, nullptr, reinterpret_cast<const std::byte*>(&note)}};
    const std::string words = "some words";
    const std::vector<ContentEntry> contents{{7, 1, as_span(words)}, {7, 3, as_span(words)}};
    const Bytes whole = encoded(step_from(0), table, created, rows, contents);
    {
        ContentReplica replica;
        REQUIRE(replica.apply(whole));
    }
    for (std::size_t kept = 0; kept < whole.size(); ++kept) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kept)); // a heap block of its own, for sanitizers
        ContentReplica replica;
        const std::uint64_t before = replica.hash();
        const auto applied = replica.apply(cut);
        // Cut between two sections it is a delta of less.
        CHECK((applied || replica.hash() == before));
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const unsigned bits : {1U, 0x80U, 0xFFU}) {
            Bytes damaged = whole;
            damaged[at] ^= static_cast<std::byte>(bits);
            ContentReplica replica;
            const std::uint64_t before = replica.hash();
            const auto applied = replica.apply(damaged);
            CHECK((applied || replica.hash() == before));
        }
    }
}

TEST_CASE("contents that fit neither schema nor state are refused as a whole", "[delta][contents]") {
    const Schema schema = notes_schema();
    const Table& table = *schema.find_table("Note");
    const Note note;
    const auto* const row = reinterpret_cast<const std::byte*>(&note);
    const std::string words = "words";
    const std::string broken = "\xFF";
    ContentReplica replica;
    REQUIRE(replica.apply(encoded(step_from(0), table, std::vector<Entity>{{7, 1, 0}, {8, 1, 0}},
                                  std::vector<delta::RowChange>{{7, delta::RowChangeKind::Added, nullptr, row}}, {})));
    const std::uint64_t before = replica.hash();
    const auto refusal = [&](const ContentEntry& entry) {
        const auto applied = replica.apply(encoded(step_from(1), table, {}, {}, std::vector<ContentEntry>{entry}));
        REQUIRE_FALSE(applied);
        CHECK(applied.error().code() == ErrorCode::Corrupt);
        CHECK(replica.hash() == before);
        return applied.error().message();
    };
    CHECK(refusal({7, 0, as_span(words)}).find("holds no text or blob") != std::string::npos); // a number
    CHECK(refusal({7, 9, as_span(words)}).find("holds no text or blob") != std::string::npos);
    CHECK(refusal({7, 1, as_span(broken)}).find("`Note`), entity 7, field 1 is not UTF-8") != std::string::npos);
    CHECK(refusal({8, 1, as_span(words)}).find("has no row") != std::string::npos);
    CHECK(refusal({99, 1, as_span(words)}).find("is not alive") != std::string::npos);
    CHECK(replica.apply(encoded(step_from(1), table, {}, {}, std::vector<ContentEntry>{{7, 3, as_span(broken)}}))); // any bytes
    CHECK(replica.hash() != before);
}

TEST_CASE("a row removed and added again in a merge holds only what it was given since", "[delta][contents]") {
    const Schema schema = notes_schema();
    const Table& table = *schema.find_table("Label");
    const Label label;
    const auto* const row = reinterpret_cast<const std::byte*>(&label);
    const std::string words = "words";
    using Kind = delta::RowChangeKind;
    using Rows = std::vector<delta::RowChange>;
    const Bytes start = encoded(step_from(0), table, std::vector<Entity>{{7, 1, 0}}, Rows{{7, Kind::Added, nullptr, row}},
                                std::vector<ContentEntry>{{7, 0, as_span(words)}});
    const Bytes removed = encoded(step_from(1), table, {}, Rows{{7, Kind::Removed, row, nullptr}}, {});
    const Bytes added = encoded(step_from(2), table, {}, Rows{{7, Kind::Added, nullptr, row}}, {});
    ContentReplica by_steps;
    REQUIRE(by_steps.apply(start));
    REQUIRE(by_steps.apply(removed));
    REQUIRE(by_steps.apply(added));
    SystemAllocator memory;
    ByteBuffer sum{memory};
    REQUIRE(delta::merge(schema, std::vector<std::span<const std::byte>>{removed, added}, sum, memory));
    ContentReplica merged;
    REQUIRE(merged.apply(start));
    REQUIRE(merged.apply(sum.view()));
    CHECK(merged.hash() == by_steps.hash());
    CHECK(merged.published().contents.find(table.id, 0, 7) == nullptr);
}

TEST_CASE("a delta says nothing of texts that did not change", "[delta][contents]") {
    Recorder recorder;
    Notes db = open_db<Notes>(stepped());
    db.engine().pipeline().writer().join(recorder);
    auto tx = db.begin();
    Note note;
    note.body = tx.text(std::string(1000, 'x'));
    const Entity entity = tx.create(note);
    REQUIRE(tx.commit());
    const auto view = db.read();
    note = *view.get<Note>(entity);
    note.stars = 3;
    REQUIRE(db.update(entity, note).wait());
    CHECK(recorder.steps[0].delta.size() > 1000);
    CHECK(recorder.steps[1].delta.size() < 30);
    const auto later = db.read();
    CHECK(later.text(later.get<Note>(entity)->body).size() == 1000);
}

} // namespace ecsdb::test::delta_contents_test
