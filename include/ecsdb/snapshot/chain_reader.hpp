/// @file
/// Reads a full snapshot and the incremental ones that build on it as if they were one full snapshot of the last one's version.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/snapshot/block_reader.hpp"
#include "ecsdb/snapshot/numbers.hpp"
#include "ecsdb/snapshot/replaced.hpp"
#include "ecsdb/snapshot/runs.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace ecsdb::snapshot {

/// The files of a chain, read side by side: of every row and every index, what the newest file says that speaks of it. All files go from
/// front to back once, and what is not the newest is never handed out.
///
/// Fails as `BlockReader` does, and with `Corrupt` where files do not build on each other. Holds what a `BlockReader` holds for each file,
/// and the ranges of indices that newer files have replaced in one table. For one thread; allocator and file system must outlive it.
class ChainReader {
public:
    using Block = BlockReader::Block;

    /// `paths`: the full snapshot first, each of the others behind the one it builds on.
    [[nodiscard]] static Result<ChainReader> open(FileSystem& files, std::span<const std::string> paths, Allocator& allocator) {
        ECSDB_ASSERT(!paths.empty(), "a chain of no snapshots");
        ChainReader chain{allocator};
        for (const std::string& path : paths) {
            auto reader = BlockReader::open(files, path, allocator);
            if (!reader) {
                return std::move(reader).error();
            }
            const FileHeader& header = reader->header();
            if (chain.members_.empty() && header.is_incremental()) {
                return Error{ErrorCode::Corrupt, path + ": holds only what has changed since another snapshot, which is missing"};
            }
            if (!chain.members_.empty()) {
                const BlockReader& base = chain.members_.back().reader;
                const bool fits = header.base.lsn == base.header().lsn && header.base.size == base.file_size() &&
                                  header.identity.database == base.header().identity.database &&
                                  header.identity.shard == base.header().identity.shard && header.schema_hash == base.header().schema_hash;
                if (!header.is_incremental() || !fits) {
                    return Error{ErrorCode::Corrupt, path + ": does not build on " + base.path()};
                }
            }
            chain.members_.emplace_back(*std::move(reader), allocator);
        }
        return chain;
    }

    /// The last file: what the chain is of.
    [[nodiscard]] const BlockReader& newest() const noexcept { return members_.back().reader; }
    /// The file that was read last: what an error is about.
    [[nodiscard]] const std::string& path() const noexcept { return members_[current_].reader.path(); }
    /// What must have come by the time `next` returns false.
    [[nodiscard]] Footer footer() const noexcept {
        Footer footer = newest().footer();
        footer.freed = members_.size() == 1 ? footer.freed : freed_;
        return footer;
    }
    /// The number that the archetype handed out last has in the chain's files.
    [[nodiscard]] std::uint32_t archetype() const noexcept { return archetype_; }
    /// One more than the highest number of an archetype so far.
    [[nodiscard]] std::uint32_t archetype_end() const noexcept { return archetype_end_; }

    /// The next block, as `BlockReader::next`, of those kinds that a full snapshot has, and `ChangedCounts`.
    [[nodiscard]] Result<bool> next(Block& block) {
        if (members_.size() == 1) {
            auto more = members_[0].reader.next(block);
            if (more && *more && block.header.kind == BlockKind::Archetype) {
                note_archetype(block.header.archetype);
            }
            return more;
        }
        return next_merged(block);
    }

private:
    enum class Stage : std::uint8_t { Begin, Archetypes, Entities, Rows, Sparse, Contents, Freed, Counts, End };

    struct Member {
        Member(BlockReader opened, Allocator& allocator) : reader{std::move(opened)}, indices{allocator}, generations{allocator} {}

        BlockReader reader;
        Block head; ///< The next block to look at.
        bool ended = false;
        std::uint64_t freed = 0;
        // Of the archetype being merged.
        bool takes_part = false;
        std::uint64_t rows = 0;       ///< So many it had in this file …
        std::uint64_t usable_end = 0; ///< … and in no newer one it had fewer.
        // Of the head, where that holds rows: which ones, and what is known of them.
        std::vector<Run> runs; ///< Empty: the head is of something else.
        std::size_t run = 0;
        std::uint64_t rows_before = 0; ///< In the head, before the current run.
        std::uint64_t runs_end = 0;    ///< Of those of the blocks before it.
        std::span<const std::byte> packed;
        GrowArray<std::uint32_t> indices;
        GrowArray<std::uint32_t> generations;
    };

    explicit ChainReader(Allocator& allocator) noexcept : covered_{allocator}, made_{allocator} {}

    [[nodiscard]] static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory to read a chain of snapshots"}; }
    [[nodiscard]] Error corrupt(std::size_t member, const std::string& what) {
        current_ = member;
        return BlockReader::corrupt(members_[member].head, what);
    }
    void note_archetype(std::uint32_t number) noexcept {
        archetype_ = number;
        archetype_end_ = number == std::numeric_limits<std::uint32_t>::max() ? number : std::max(archetype_end_, number + 1);
    }

    /// Goes on to the next block of a file that means something here.
    [[nodiscard]] Result<void> advance(std::size_t member) {
        Member& of = members_[member];
        current_ = member;
        for (;;) {
            auto more = of.reader.next(of.head);
            if (!more) {
                return std::move(more).error();
            }
            of.ended = !*more;
            const BlockKind kind = of.head.header.kind;
            if (of.ended || (kind != BlockKind::Index && (static_cast<std::uint8_t>(kind) & skippable_kind) == 0)) {
                break;
            }
        }
        if (!of.ended && of.head.header.kind != BlockKind::Archetype &&
            (of.head.header.rows == 0 || of.head.header.rows > max_block_rows)) {
            return corrupt(member, "has no rows, or too many for a block");
        }
        return {};
    }
    [[nodiscard]] bool is_at(const Member& member, BlockKind kind) const noexcept {
        return !member.ended && member.head.header.kind == kind;
    }

    [[nodiscard]] Result<bool> next_merged(Block& block) {
        if (stage_ == Stage::Begin) {
            for (std::size_t i = 0; i < members_.size(); ++i) {
                if (auto begun = advance(i); !begun) {
                    return std::move(begun).error();
                }
            }
            stage_ = Stage::Archetypes;
        }
        if (const std::size_t spent = std::exchange(spent_, none); spent != none) {
            if (auto gone_on = advance(spent); !gone_on) {
                return std::move(gone_on).error();
            }
        }
        for (;;) {
            Result<bool> more = false;
            switch (stage_) {
            case Stage::Begin:
            case Stage::Archetypes:
                more = next_archetype(block);
                break;
            case Stage::Entities:
            case Stage::Rows:
                more = next_rows(block);
                break;
            case Stage::Sparse:
                more = next_by_index(block, BlockKind::SparseRows, Stage::Contents);
                break;
            case Stage::Contents:
                more = next_by_index(block, BlockKind::Contents, Stage::Freed);
                break;
            case Stage::Freed:
                more = next_by_index(block, BlockKind::Freed, Stage::Counts);
                break;
            case Stage::Counts:
                more = next_counts(block);
                break;
            case Stage::End:
                return check_end();
            }
            if (!more || *more) {
                return more; // false: the stage is another one
            }
        }
    }

    // Archetypes and their rows -----------------------------------------------------------------------------------------------------------

    [[nodiscard]] Result<bool> next_archetype(Block& block) {
        std::uint32_t number = 0;
        for (const Member& member : members_) {
            if (is_at(member, BlockKind::Archetype) && (number == 0 || member.head.header.archetype < number)) {
                number = member.head.header.archetype;
            }
        }
        if (number == 0) {
            stage_ = Stage::Sparse;
            return false;
        }
        if (number <= archetype_) {
            return Error{ErrorCode::Corrupt, "archetype " + std::to_string(number) + " stands behind a later one"};
        }
        note_archetype(number);
        std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
        bool first = true;
        tables_.clear();
        for (std::size_t i = members_.size(); i-- > 0;) {
            Member& member = members_[i];
            member.takes_part = is_at(member, BlockKind::Archetype) && member.head.header.archetype == number;
            if (!member.takes_part) {
                continue;
            }
            member.rows = member.head.header.rows;
            least = member.usable_end = std::min(least, member.rows);
            if (std::exchange(first, false)) {
                rows_ = member.rows;
                tables_.assign(member.head.content.begin(), member.head.content.end());
                block = member.head;
            } else if (rows_ != 0 && member.rows != 0 &&
                       !std::equal(tables_.begin(), tables_.end(), member.head.content.begin(), member.head.content.end())) {
                return corrupt(i, "names other tables than a newer snapshot does for this archetype");
            }
            if (auto gone_on = advance(i); !gone_on) {
                return std::move(gone_on).error();
            }
        }
        if (rows_ == 0) {
            return pass_over_archetype(); // nothing of it is left
        }
        table_ = 0;
        if (auto begun = begin_column(Stage::Entities); !begun) {
            return std::move(begun).error();
        }
        block.header.archetype = ++handed_out_;
        block.content = tables_;
        return true;
    }

    [[nodiscard]] static bool holds_rows(const Block& block) noexcept {
        const BlockKind kind = block.header.kind;
        return kind == BlockKind::Entities || kind == BlockKind::Rows || kind == BlockKind::ChangedEntities ||
               kind == BlockKind::ChangedRows;
    }
    [[nodiscard]] bool is_in_archetype(const Member& member) const noexcept {
        return !member.ended && member.takes_part && holds_rows(member.head) && member.head.header.archetype == archetype_;
    }

    [[nodiscard]] Result<bool> pass_over_archetype() {
        for (std::size_t i = 0; i < members_.size(); ++i) {
            while (is_in_archetype(members_[i])) {
                if (auto gone_on = advance(i); !gone_on) {
                    return std::move(gone_on).error();
                }
            }
        }
        return false;
    }

    /// Makes ready to merge the entities, or the rows of `table_`.
    [[nodiscard]] Result<void> begin_column(Stage stage) {
        stage_ = stage;
        position_ = 0;
        for (std::size_t i = 0; i < members_.size(); ++i) {
            members_[i].runs_end = 0;
            if (auto looked = look_at_head(i); !looked) {
                return looked;
            }
        }
        return {};
    }

    [[nodiscard]] bool is_in_column(std::size_t member) const noexcept {
        const BlockHeader& header = members_[member].head.header;
        const BlockKind kind = stage_ == Stage::Entities ? (member == 0 ? BlockKind::Entities : BlockKind::ChangedEntities)
                                                         : (member == 0 ? BlockKind::Rows : BlockKind::ChangedRows);
        return is_in_archetype(members_[member]) && header.kind == kind && (stage_ == Stage::Entities || header.table == table_);
    }

    /// Finds out which rows the head has, if any of the column being merged.
    [[nodiscard]] Result<void> look_at_head(std::size_t number) {
        Member& member = members_[number];
        member.runs.clear();
        member.run = 0;
        member.rows_before = 0;
        if (!is_in_column(number)) {
            return {};
        }
        const BlockHeader& header = member.head.header;
        ByteReader in{member.head.content};
        if (number == 0) {
            member.runs.push_back({header.first, header.rows});
        } else if (!read_runs(in, in.read_varint(), member.runs) || member.runs.empty()) {
            return corrupt(number, "is no list of rows");
        }
        std::uint64_t rows = 0;
        for (const Run& run : member.runs) {
            rows += run.count;
        }
        if (rows != header.rows || member.runs.front().first != header.first || member.runs.front().first < member.runs_end ||
            member.runs.back().end() > member.rows) {
            return corrupt(number, "has rows that cannot stand here");
        }
        member.runs_end = member.runs.back().end();
        if (stage_ == Stage::Entities) {
            if (!member.indices.resize_for_overwrite(header.rows) || !member.generations.resize_for_overwrite(header.rows)) {
                return no_memory();
            }
            if (!read_numbers(in, member.indices.view()) || !read_numbers(in, member.generations.view()) || in.remaining() != 0) {
                return corrupt(number, "is no list of entities");
            }
            return {};
        }
        member.packed = in.read_bytes(in.remaining());
        return member.packed.size() % header.rows == 0 ? Result<void>{} : Result<void>{corrupt(number, "has rows of different sizes")};
    }

    /// Goes past the runs that end at or before `position_`.
    [[nodiscard]] Result<void> catch_up(std::size_t number) {
        Member& member = members_[number];
        while (!member.runs.empty() && member.runs[member.run].end() <= position_) {
            member.rows_before += member.runs[member.run].count;
            if (++member.run == member.runs.size()) {
                if (auto gone_on = advance(number); !gone_on) {
                    return gone_on;
                }
                if (auto looked = look_at_head(number); !looked) {
                    return looked;
                }
            }
        }
        return {};
    }

    [[nodiscard]] Result<bool> next_rows(Block& block) {
        if (position_ == rows_) {
            return end_column();
        }
        std::uint64_t limit = rows_;
        for (std::size_t i = members_.size(); i-- > 0;) {
            if (auto caught_up = catch_up(i); !caught_up) {
                return std::move(caught_up).error();
            }
            const Member& member = members_[i];
            if (member.runs.empty()) {
                continue;
            }
            const Run& run = member.runs[member.run];
            if (run.first <= position_ && position_ < member.usable_end) {
                return hand_out(block, i, std::min({run.end(), limit, member.usable_end}));
            }
            limit = run.first > position_ ? std::min(limit, run.first) : limit;
        }
        return Error{ErrorCode::Corrupt, "row " + std::to_string(position_) + " of archetype " + std::to_string(archetype_) +
                                             (stage_ == Stage::Rows ? ", table " + std::to_string(table_) : std::string{}) +
                                             " is in none of the chain's files"};
    }

    /// The rows from `position_` to `end` of a member's current run as a block of their own.
    [[nodiscard]] Result<bool> hand_out(Block& block, std::size_t number, std::uint64_t end) {
        const Member& member = members_[number];
        const Run& run = member.runs[member.run];
        const auto count = static_cast<std::uint32_t>(end - position_);
        const auto before = static_cast<std::size_t>(member.rows_before + (position_ - run.first));
        block = member.head;
        current_ = number;
        block.header.kind = stage_ == Stage::Entities ? BlockKind::Entities : BlockKind::Rows;
        block.header.archetype = handed_out_;
        block.header.first = static_cast<std::uint32_t>(position_);
        block.header.rows = count;
        if (stage_ == Stage::Rows) {
            const std::size_t each = member.packed.size() / member.head.header.rows;
            block.content = member.packed.subspan(before * each, count * each);
        } else if (number != 0 || count != member.head.header.rows) {
            made_.clear();
            append_numbers(made_, member.indices.view().subspan(before, count));
            append_numbers(made_, member.generations.view().subspan(before, count));
            if (made_.failed()) {
                return no_memory();
            }
            block.content = made_.view();
        }
        position_ = end;
        return true;
    }

    /// Passes over rows that newer files no longer have, and goes on to the next table that has rows.
    [[nodiscard]] Result<bool> end_column() {
        for (std::size_t i = 0; i < members_.size(); ++i) {
            while (is_in_column(i)) {
                if (auto gone_on = advance(i); !gone_on) {
                    return std::move(gone_on).error();
                }
            }
        }
        constexpr std::uint32_t none_left = std::numeric_limits<TableId>::max() + 1U;
        std::uint32_t table = none_left;
        for (const Member& member : members_) {
            if (is_in_archetype(member)) {
                table = std::min<std::uint32_t>(table, member.head.header.table);
            }
        }
        if (table == none_left) {
            stage_ = Stage::Archetypes;
            return false;
        }
        if (stage_ == Stage::Rows && table <= table_) {
            return Error{ErrorCode::Corrupt, "rows of archetype " + std::to_string(archetype_) + " do not come in order of tables"};
        }
        table_ = static_cast<TableId>(table);
        auto begun = begin_column(Stage::Rows);
        return begun ? Result<bool>{false} : Result<bool>{std::move(begun).error()};
    }

    // What is kept by entity index --------------------------------------------------------------------------------------------------------

    using Key = std::pair<std::uint32_t, std::uint32_t>; ///< Table, and field where that matters.

    /// Which table and field a block is of, if it belongs to this stage.
    [[nodiscard]] bool has_key(const Member& member, BlockKind stage, Key& key) const noexcept {
        const BlockHeader& header = member.head.header;
        const bool belongs =
            !member.ended &&
            (header.kind == stage || (header.kind == BlockKind::Replaced && header.archetype == static_cast<std::uint32_t>(stage)) ||
             (header.kind == BlockKind::ContentPart && stage == BlockKind::Contents));
        key = {header.table, stage == BlockKind::Contents ? header.first : 0U};
        return belongs;
    }

    /// From the newest file to the oldest: of each what none before it has replaced.
    [[nodiscard]] Result<bool> next_by_index(Block& block, BlockKind stage, Stage following) {
        if (member_ == none) {
            bool found = false;
            for (const Member& member : members_) {
                Key key;
                if (has_key(member, stage, key) && (!found || key < key_)) {
                    key_ = key;
                    found = true;
                }
            }
            if (!found) {
                stage_ = following;
                return false;
            }
            covered_.clear();
            member_ = members_.size() - 1;
        }
        for (;; --member_) {
            Member& member = members_[member_];
            Key key;
            while (has_key(member, stage, key) && key == key_) {
                if (member.head.header.kind == BlockKind::Replaced) {
                    ByteReader in{member.head.content};
                    std::vector<Run> runs;
                    if (member_ == 0 || !read_runs(in, member.head.header.rows, runs) || in.remaining() != 0) {
                        return corrupt(member_, "is no list of what has been replaced");
                    }
                    replaced_.add(runs);
                } else {
                    auto some = keep_uncovered(block);
                    if (!some || *some) {
                        spent_ = member_;
                        return some;
                    }
                }
                if (auto gone_on = advance(member_); !gone_on) {
                    return std::move(gone_on).error();
                }
            }
            covered_.add(replaced_.runs());
            replaced_.clear();
            if (member_ == 0) {
                break;
            }
        }
        member_ = none;
        return false;
    }

    /// What of the head is newest, as a block; false where nothing is.
    [[nodiscard]] Result<bool> keep_uncovered(Block& block) {
        Member& member = members_[member_];
        block = member.head;
        current_ = member_;
        const bool freed = block.header.kind == BlockKind::Freed;
        member.freed += freed ? block.header.rows : 0U;
        auto kept = covered_.keep_uncovered(block);
        freed_ += freed && kept && *kept ? block.header.rows : 0U;
        return kept;
    }

    // The rest ----------------------------------------------------------------------------------------------------------------------------

    /// From the oldest file to the newest: later ones overrule earlier ones.
    [[nodiscard]] Result<bool> next_counts(Block& block) {
        for (member_ = member_ == none ? 0 : member_; member_ < members_.size(); ++member_) {
            if (is_at(members_[member_], member_ == 0 ? BlockKind::Counts : BlockKind::ChangedCounts)) {
                block = members_[member_].head;
                current_ = spent_ = member_;
                return true;
            }
        }
        stage_ = Stage::End;
        return false;
    }

    [[nodiscard]] Result<bool> check_end() {
        for (std::size_t i = 0; i < members_.size(); ++i) {
            const Member& member = members_[i];
            if (!member.ended) {
                return corrupt(i, "cannot stand here");
            }
            current_ = i;
            if (member.freed != member.reader.footer().freed) {
                return Error{ErrorCode::Corrupt, "the footer counts other freed indices than there are"};
            }
            if (i != 0 && member.reader.header().base.crc != members_[i - 1].reader.crc()) {
                return Error{ErrorCode::Corrupt, "does not build on " + members_[i - 1].reader.path() + ": its checksum differs"};
            }
        }
        return false;
    }

    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

    List<Member> members_; ///< The full snapshot first.
    std::size_t current_ = 0;
    std::size_t spent_ = none; ///< Whose head was handed out, and is to be left behind.
    Stage stage_ = Stage::Begin;
    std::uint32_t archetype_ = 0;
    std::uint32_t archetype_end_ = 1;
    std::uint32_t handed_out_ = 0;  ///< Archetypes.
    std::vector<std::byte> tables_; ///< Of the archetype being merged, encoded.
    TableId table_ = 0;
    std::uint64_t rows_ = 0;     ///< Of the archetype being merged …
    std::uint64_t position_ = 0; ///< … and how many of a column's have been handed out.
    Key key_;
    std::size_t member_ = none; ///< Whose blocks are being looked at, where that goes file by file.
    Replaced covered_;          ///< What newer files than `member_` have replaced …
    RunSet replaced_;           ///< … and what this one has.
    std::uint64_t freed_ = 0;   ///< Handed out.
    ByteBuffer made_;           ///< A block that no file has as it is.
};

} // namespace ecsdb::snapshot
