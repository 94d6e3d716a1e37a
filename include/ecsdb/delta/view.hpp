/// @file
/// Reads a delta where it lies: checks its structure without a schema, then hands out sections, runs, rows and entities.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/delta/contents.hpp"
#include "ecsdb/delta/fields.hpp"
#include "ecsdb/delta/ids.hpp"

#include <string>
#include <utility>

namespace ecsdb::delta {

/// Rows of one table to which the same happened, as a view into the delta.
struct Run {
    TableId table = no_table;
    RowChangeKind kind = RowChangeKind::Removed;
    IdForm form = IdForm::Range;
    std::uint32_t count = 0;  ///< At least 1.
    FieldMask mask;           ///< Changed: the fields whose values follow, perhaps none. Added: all. Removed: none.
    std::uint32_t stride = 0; ///< Bytes of one row's values.
    const std::byte* ids = nullptr;
    std::span<const std::byte> values; ///< `count * stride` bytes.

    [[nodiscard]] std::uint32_t first_index() const noexcept {
        const std::byte* first = ids;
        return static_cast<std::uint32_t>(detail::load_varint(first));
    }

    /// Calls `visit(entity index)` for each row, in order.
    template <typename Visit>
    void for_each_index(Visit&& visit) const noexcept {
        detail::for_each_id(form, count, ids, visit);
    }

    /// Calls `visit(entity index, values)` for each row, in order; `stride` bytes are readable at `values`. To write them into rows, see
    /// `FieldCopy` and `apply_fields`.
    template <typename Visit>
    void for_each_row(Visit&& visit) const noexcept {
        const std::byte* row = values.data();
        detail::for_each_id(form, count, ids, [&](std::uint32_t index) {
            visit(index, row);
            row += stride;
        });
    }
};

/// One section, as a view into the delta.
struct Section {
    std::uint8_t kind = 0; ///< A `SectionKind`, or an unknown one that may be skipped.
    std::uint64_t id = 0;  ///< Rows, Columns, Contents: the table. Entities: the shard.
    std::span<const std::byte> body;
    std::span<const std::byte> whole; ///< With its head: what a consumer that forwards single sections sends.
    const Run* only_run = nullptr;    ///< The one run that it has, if that is known already; part of the `DeltaView`.

    [[nodiscard]] bool is(SectionKind wanted) const noexcept { return kind == static_cast<std::uint8_t>(wanted); }
    [[nodiscard]] bool has_rows() const noexcept { return is(SectionKind::Rows) || is(SectionKind::Columns); }
    [[nodiscard]] bool is_of_table() const noexcept { return has_rows() || is(SectionKind::Contents); }
};

/// Consecutive entities of one generation.
struct EntityRange {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t generation = 0;
    bool created = false; ///< Otherwise destroyed.
};

namespace detail {

/// Steps through the runs of a Rows or Columns section, checking each.
class RunReader {
public:
    explicit RunReader(const Section& section) noexcept
        : reader_{section.body}, table_{static_cast<TableId>(section.id)}, canonical_{section.is(SectionKind::Rows)} {}

    [[nodiscard]] bool at_end() const noexcept { return reader_.remaining() == 0; }
    [[nodiscard]] std::size_t offset() const noexcept { return reader_.offset(); }

    /// Null, or what is wrong with the run.
    [[nodiscard]] const char* next(Run& run) noexcept {
        const Run previous = run;
        bool shortest = true;
        const std::uint64_t head = read_shortest(reader_, shortest);
        const std::uint64_t more = head >> head_count_shift;
        const bool tail = (head & head_tail) != 0;
        run = Run{};
        run.table = table_;
        if (reader_.failed() || (head & head_kind_mask) > static_cast<std::uint8_t>(RowChangeKind::Changed) || more >= 0xFFFFFFFFU) {
            return "the head of a run is not valid";
        }
        run.kind = static_cast<RowChangeKind>(head & head_kind_mask);
        run.form = static_cast<IdForm>(head >> head_form_shift & 3U);
        run.count = static_cast<std::uint32_t>(more) + 1;
        if (canonical_ ? run.form == IdForm::PageOrder : (run.kind != RowChangeKind::Changed || tail)) {
            return "a run is of a form that this section may not have";
        }
        if (run.kind == RowChangeKind::Changed) {
            if (const char* const problem = read_mask(run)) {
                return problem;
            }
        } else if (run.kind == RowChangeKind::Added) {
            run.mask = FieldMask::all();
        } else if (tail) {
            return "removed rows have no values";
        }
        std::uint64_t stride = 0;
        if (run.kind != RowChangeKind::Removed && !tail) {
            stride = read_shortest(reader_, shortest);
        }
        const std::byte* const ids = reader_.read_bytes(0).data();
        if (const char* const problem = check_ids(reader_, run.form, run.count)) {
            return problem;
        }
        run.ids = ids;
        if (tail) {
            stride = reader_.remaining() / run.count;
        }
        if (stride > 0xFFFFFFFFU || stride * run.count > reader_.remaining() || (tail && stride * run.count != reader_.remaining())) {
            return "the values of a run do not fit its section";
        }
        run.stride = static_cast<std::uint32_t>(stride);
        run.values = reader_.read_bytes(static_cast<std::size_t>(stride * run.count));
        if (!shortest) {
            return "a number is not in its shortest form";
        }
        if (run.kind == RowChangeKind::Changed && (run.mask.limit() == 0) != (stride == 0)) {
            return "a mask and the values do not agree";
        }
        if (canonical_ && at_end() && run.kind != RowChangeKind::Removed && !tail) {
            return "the last run must reach to the end of its section";
        }
        if (canonical_ && previous.count != 0 && !comes_before(previous, run)) {
            return "runs are not in order";
        }
        return nullptr;
    }

private:
    [[nodiscard]] const char* read_mask(Run& run) noexcept {
        const std::byte* const first = reader_.read_bytes(0).data();
        constexpr std::size_t longest = 65536 / 7 + 1;
        std::size_t size = 0;
        std::uint8_t byte = 0x80;
        while (byte >= 0x80 && !reader_.failed() && size < longest) {
            byte = reader_.read_le<std::uint8_t>();
            ++size;
        }
        if (reader_.failed() || byte >= 0x80 || (byte == 0 && size > 1)) {
            return "a mask is not valid";
        }
        run.mask = FieldMask{{first, size}};
        return nullptr;
    }

    /// In canonical order, and not of the same kind and mask.
    [[nodiscard]] static bool comes_before(const Run& a, const Run& b) noexcept {
        if (a.kind != b.kind || a.kind != RowChangeKind::Changed) {
            return a.kind < b.kind;
        }
        const std::span<const std::byte> x = a.mask.bytes();
        const std::span<const std::byte> y = b.mask.bytes();
        if (x.size() != y.size()) {
            return x.size() < y.size();
        }
        for (std::size_t i = x.size(); i-- > 0;) {
            if (x[i] != y[i]) {
                return x[i] < y[i];
            }
        }
        return false;
    }

    ByteReader reader_;
    TableId table_;
    bool canonical_;
};

/// Steps through the ranges of an Entities section, checking each.
class EntityReader {
public:
    explicit EntityReader(std::span<const std::byte> body) noexcept : reader_{body} { destroyed_left_ = read_shortest(reader_, shortest_); }
    /// In an absolute delta a list of ends may say that nobody ever lived there.
    EntityReader(std::span<const std::byte> body, bool absolute) noexcept : EntityReader{body} { least_ended_ = absolute ? 0 : 1; }

    [[nodiscard]] bool at_end() const noexcept { return destroyed_left_ == 0 && reader_.remaining() == 0; }
    [[nodiscard]] std::size_t offset() const noexcept { return reader_.offset(); }

    /// Null, or what is wrong with the range.
    [[nodiscard]] const char* next(EntityRange& range) noexcept {
        const bool created = destroyed_left_ == 0;
        const bool first_of_list = !started_ || created != range.created;
        const std::uint64_t expected = first_of_list ? 0 : std::uint64_t{range.first} + range.count;
        const std::uint64_t start = read_shortest(reader_, shortest_);
        const std::uint64_t more = read_shortest(reader_, shortest_);
        const std::uint64_t generation = read_shortest(reader_, shortest_);
        if (reader_.failed()) {
            return "the entities end too early";
        }
        constexpr std::uint64_t last_index = 0xFFFFFFFFU;
        if (start > last_index || more >= last_index || expected + start + more > last_index) {
            return "an entity index is out of range";
        }
        if (generation < (created ? 1 : least_ended_) || generation > Entity::max_generation) {
            return "an entity's generation is out of range";
        }
        if (!first_of_list && start == 0 && generation == range.generation) {
            return "two ranges of entities should be one";
        }
        range = {static_cast<std::uint32_t>(expected + start), static_cast<std::uint32_t>(more) + 1, static_cast<std::uint32_t>(generation),
                 created};
        started_ = true;
        destroyed_left_ -= created ? 0 : 1;
        return shortest_ ? nullptr : "a number is not in its shortest form";
    }

private:
    ByteReader reader_;
    std::uint64_t destroyed_left_ = 0;
    std::uint64_t least_ended_ = 0; ///< Generation; what was checked before need not be told.
    bool started_ = false;
    bool shortest_ = true;
};

/// Entities whose versions grow by the same number.
struct VersionGroup {
    IdForm form = IdForm::Range;
    std::uint32_t count = 0;
    std::uint32_t increment = 0;
    const std::byte* ids = nullptr;
};

/// Steps through the groups of a Versions section, checking each.
class VersionReader {
public:
    explicit VersionReader(std::span<const std::byte> body) noexcept : reader_{body} {}

    [[nodiscard]] bool at_end() const noexcept { return reader_.remaining() == 0; }
    [[nodiscard]] std::size_t offset() const noexcept { return reader_.offset(); }

    /// Null, or what is wrong with the group.
    [[nodiscard]] const char* next(VersionGroup& group) noexcept {
        bool shortest = true;
        const std::uint64_t head = read_shortest(reader_, shortest);
        const std::uint64_t increment = read_shortest(reader_, shortest);
        const auto form = static_cast<IdForm>(head & 3U);
        if (reader_.failed() || !shortest || form == IdForm::PageOrder || head >> 2U >= 0xFFFFFFFFU || increment > 0xFFFFFFFFU ||
            increment <= group.increment) {
            return "a group of versions is not valid";
        }
        group = {form, static_cast<std::uint32_t>(head >> 2U) + 1, static_cast<std::uint32_t>(increment), reader_.read_bytes(0).data()};
        return check_ids(reader_, group.form, group.count);
    }

private:
    ByteReader reader_;
};

/// Reads a section's head and finds its body; at the end of the bytes it must not be called.
[[nodiscard]] inline const char* read_section(ByteReader& reader, Section& section) noexcept {
    const std::byte* const start = reader.read_bytes(0).data();
    const std::size_t offset = reader.offset();
    bool shortest = true;
    section.kind = reader.read_le<std::uint8_t>();
    section.id = read_shortest(reader, shortest);
    const std::uint64_t size = read_shortest(reader, shortest);
    section.body = reader.read_bytes(static_cast<std::size_t>(size));
    if (reader.failed()) {
        return "a section ends too early";
    }
    section.whole = {start, reader.offset() - offset};
    return shortest ? nullptr : "a number is not in its shortest form";
}

} // namespace detail

/// A delta whose structure has been checked: every length, index and order that can be judged without a schema.
///
/// A view: the bytes must outlive it, and every run and span it gives. Safe to use from any thread. Allocates nothing. A range of rows
/// without values takes a few bytes however many rows it names: bound what you expand.
class DeltaView {
public:
    /// Fails with `Corrupt`; with `Unsupported` where only a newer version of ecsdb can know. Cost: linear in the bytes.
    [[nodiscard]] static Result<DeltaView> parse(std::span<const std::byte> bytes) {
        DeltaView view;
        ByteReader reader{bytes};
        const std::uint8_t version = reader.read_le<std::uint8_t>();
        const std::uint8_t flags = reader.read_le<std::uint8_t>();
        if (!reader.failed() && (version != format_version || (flags & ~static_cast<unsigned>(flags_known)) != 0)) {
            return Error{version == 0 ? ErrorCode::Corrupt : ErrorCode::Unsupported,
                         "delta: format " + std::to_string(version) + " with flags " + std::to_string(flags) + " is not known here"};
        }
        if (const char* const problem = view.read_header(reader, flags)) {
            return corrupt(problem, reader.offset());
        }
        view.header_bytes_ = bytes.first(reader.offset());
        view.section_bytes_ = bytes.subspan(reader.offset());
        std::uint8_t last_kind = 0;
        std::uint64_t last_id = 0;
        while (reader.remaining() != 0) {
            Section section;
            const std::size_t start = reader.offset();
            if (const char* const problem = detail::read_section(reader, section)) {
                return corrupt(problem, start);
            }
            const bool known = section.kind >= static_cast<std::uint8_t>(SectionKind::Entities) &&
                               section.kind <= static_cast<std::uint8_t>(SectionKind::Contents);
            if (!known && (section.kind & skippable_section) == 0) {
                return Error{section.kind == 0 ? ErrorCode::Corrupt : ErrorCode::Unsupported,
                             "delta: at byte " + std::to_string(start) + ": section kind " + std::to_string(section.kind) +
                                 " is not known here"};
            }
            if (section.kind < last_kind || (section.kind == last_kind && section.id <= last_id)) {
                return corrupt("sections are not in order", start);
            }
            if (section.kind == last_kind && section.is(SectionKind::Entities)) {
                return corrupt("there may be one section of entities only", start);
            }
            last_kind = section.kind;
            last_id = section.id;
            std::size_t inside = 0;
            if (const char* const problem = known ? view.check_section(section, inside) : nullptr) {
                return corrupt(problem, reader.offset() - section.body.size() + inside);
            }
        }
        return view;
    }

    [[nodiscard]] const Header& header() const noexcept { return header_; }
    /// All sections as they lie in the delta.
    [[nodiscard]] std::span<const std::byte> section_bytes() const noexcept { return section_bytes_; }
    /// The header as it lies in the delta; followed by any of the sections in their order, it is a delta again.
    [[nodiscard]] std::span<const std::byte> header_bytes() const noexcept { return header_bytes_; }

    /// Calls `visit(const Section&)` for each section, unknown ones included.
    template <typename Visit>
    void for_each_section(Visit&& visit) const {
        ByteReader reader{section_bytes_};
        Section section;
        bool has_runs = false;
        while (reader.remaining() != 0 && detail::read_section(reader, section) == nullptr) {
            section.only_run = section.has_rows() && !std::exchange(has_runs, true) ? first_run() : nullptr;
            visit(static_cast<const Section&>(section));
        }
    }

    /// The run of the first section with rows, if that section is a single run; else null.
    [[nodiscard]] const Run* first_run() const noexcept { return first_run_.count != 0 ? &first_run_ : nullptr; }

    /// Calls `visit(const Run&)` for each run of a section with rows, `visit(const EntityRange&)` for each range of the Entities
    /// section, `visit(index, increment)` for each entity of the Versions section; nothing for other sections. `section` must come from a
    /// checked delta.
    template <typename Visit>
    static void for_each_run(const Section& section, Visit&& visit) {
        if (section.only_run != nullptr) {
            visit(*section.only_run);
            return;
        }
        detail::RunReader runs{section};
        for (Run run; !runs.at_end() && runs.next(run) == nullptr;) {
            visit(static_cast<const Run&>(run));
        }
    }
    template <typename Visit>
    static void for_each_entity_range(const Section& section, Visit&& visit) {
        detail::EntityReader ranges{section.body};
        for (EntityRange range; !ranges.at_end() && ranges.next(range) == nullptr;) {
            visit(static_cast<const EntityRange&>(range));
        }
    }
    template <typename Visit>
    static void for_each_version(const Section& section, Visit&& visit) {
        detail::VersionReader groups{section.body};
        for (detail::VersionGroup group; !groups.at_end() && groups.next(group) == nullptr;) {
            detail::for_each_id(group.form, group.count, group.ids, [&](std::uint32_t index) { visit(index, group.increment); });
        }
    }

    /// Tells `visitor` everything in the order in which it is to be applied. Of these it may have any:
    /// `destroyed(Entity)`, `created(Entity)`, `run(const Run&)`, `version(std::uint32_t index, std::uint32_t increment)`,
    /// `content(TableId, const ContentEntry&)`.
    template <typename Visitor>
    void visit(Visitor&& visitor) const {
        for_each_section([&visitor](const Section& section) {
            if (section.is(SectionKind::Entities)) {
                for_each_entity_range(section, [&](const EntityRange& range) {
                    for (std::uint32_t i = 0; i < range.count; ++i) {
                        [[maybe_unused]] const Entity entity{range.first + i, range.generation, static_cast<std::uint32_t>(section.id)};
                        if constexpr (requires { visitor.created(entity); }) {
                            if (range.created) {
                                visitor.created(entity);
                            }
                        }
                        if constexpr (requires { visitor.destroyed(entity); }) {
                            if (!range.created) {
                                visitor.destroyed(entity);
                            }
                        }
                    }
                });
            } else if (section.has_rows()) {
                if constexpr (requires(const Run& run) { visitor.run(run); }) {
                    for_each_run(section, [&](const Run& run) { visitor.run(run); });
                }
            } else if (section.is(SectionKind::Versions)) {
                if constexpr (requires { visitor.version(std::uint32_t{}, std::uint32_t{}); }) {
                    for_each_version(section, [&](std::uint32_t index, std::uint32_t increment) { visitor.version(index, increment); });
                }
            } else if (section.is(SectionKind::Contents)) {
                if constexpr (requires(const ContentEntry& entry) { visitor.content(TableId{}, entry); }) {
                    for_each_content(section.body,
                                     [&](const ContentEntry& entry) { visitor.content(static_cast<TableId>(section.id), entry); });
                }
            }
        });
    }

private:
    DeltaView() noexcept = default;

    [[nodiscard]] static Error corrupt(const char* problem, std::size_t offset) {
        return Error{ErrorCode::Corrupt, "delta: at byte " + std::to_string(offset) + ": " + problem};
    }

    [[nodiscard]] const char* read_header(ByteReader& reader, std::uint8_t flags) noexcept {
        bool shortest = true;
        header_.counted = (flags & flag_counted) != 0;
        header_.merged = (flags & flag_merged) != 0;
        header_.absolute = (flags & flag_absolute) != 0;
        header_.from = detail::read_shortest(reader, shortest);
        const std::uint64_t step = detail::read_shortest(reader, shortest);
        header_.to = header_.from + step;
        header_.time = (flags & flag_time) != 0 ? reader.read_le<std::uint64_t>() : 0;
        header_.tick = (flags & flag_tick) != 0 ? detail::read_shortest(reader, shortest) : 0;
        if ((flags & flag_origin) != 0) {
            header_.origin.shard = detail::read_shortest(reader, shortest);
            header_.origin.session = detail::read_shortest(reader, shortest);
            header_.origin.intent = detail::read_shortest(reader, shortest);
        }
        if ((flags & flag_clock) != 0) {
            const std::uint64_t size = detail::read_shortest(reader, shortest);
            header_.clock = reader.read_bytes(static_cast<std::size_t>(size));
        }
        if (reader.failed()) {
            return "the header ends too early";
        }
        if (header_.to <= header_.from) {
            return "a delta must end after its start";
        }
        if (header_.absolute && header_.counted) {
            return "an absolute delta counts nothing by itself";
        }
        if (((flags & flag_time) != 0 && header_.time == 0) || ((flags & flag_tick) != 0 && header_.tick == 0) ||
            ((flags & flag_origin) != 0 && header_.origin.is_empty()) || ((flags & flag_clock) != 0 && header_.clock.empty())) {
            return "a part of the header is there, but empty";
        }
        return shortest ? nullptr : "a number is not in its shortest form";
    }

    /// Null, or what is wrong, `inside` bytes into the body.
    [[nodiscard]] const char* check_section(const Section& section, std::size_t& inside) noexcept {
        if (section.body.empty()) {
            return "a section is empty";
        }
        const auto check = [&inside](auto&& reader, auto item) -> const char* {
            do {
                inside = reader.offset();
                if (const char* const problem = reader.next(item)) {
                    return problem;
                }
            } while (!reader.at_end());
            return nullptr;
        };
        if (section.has_rows()) {
            return section.id < no_table ? check_runs(section, inside) : "a table id is out of range";
        }
        if (section.is(SectionKind::Contents)) {
            return section.id < no_table ? check(detail::ContentReader{section.body}, ContentEntry{}) : "a table id is out of range";
        }
        if (section.is(SectionKind::Entities)) {
            return section.id <= Entity::max_shard ? check(detail::EntityReader{section.body, header_.absolute}, EntityRange{})
                                                   : "a shard is out of range";
        }
        return section.id == 0 && !header_.counted ? check(detail::VersionReader{section.body}, detail::VersionGroup{})
                                                   : "there should be no such Versions section";
    }

    /// The same for the runs of a section; remembers the run where it is the first section of them and has one.
    [[nodiscard]] const char* check_runs(const Section& section, std::size_t& inside) noexcept {
        detail::RunReader runs{section};
        Run run;
        std::size_t count = 0;
        for (; count == 0 || !runs.at_end(); ++count) {
            inside = runs.offset();
            if (const char* const problem = runs.next(run)) {
                return problem;
            }
        }
        first_run_ = !has_runs_ && count == 1 ? run : first_run_;
        has_runs_ = true;
        return nullptr;
    }

    Header header_;
    std::span<const std::byte> header_bytes_;
    std::span<const std::byte> section_bytes_;
    Run first_run_; ///< Without rows where there is no such.
    bool has_runs_ = false;
};

} // namespace ecsdb::delta
