/// @file
/// What every format can do, save a view and load it into a database, and what both can be told.
#pragma once

#include "ecsdb/formats/codec.hpp"
#include "ecsdb/query/view.hpp"
#include "ecsdb/transaction/function.hpp"
#include "ecsdb/transaction/pipeline.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::formats {

/// What of a view is saved: what is not excluded. Tables are called by their names; one that is not in the schema is `InvalidArgument`.
struct SaveOptions {
    /// Only these tables, transient ones among them included, and only entities that have a row in one of them. Empty: all tables.
    std::vector<std::string> tables = {};
    /// Not these tables.
    std::vector<std::string> without_tables = {};
    /// Tables with `persist = "transient"` too.
    bool transient = false;

    /// Only these entities. Empty: all. `NotFound` for one that is not alive, `InvalidArgument` for one named twice.
    std::vector<Entity> entities = {};
    /// Only entities that have a row, or a tag, in each of these tables …
    std::vector<std::string> having = {};
    /// … and in none of these.
    std::vector<std::string> not_having = {};
    /// Only entities for which it is true; called once for each that the rest has left, on the calling thread.
    std::function<bool(const View&, Entity)> where = {};

    /// Components that bring their own pair of functions. Must outlive the call.
    const Codecs* codecs = nullptr;
};

/// What a load does with a reference to an entity that is neither in the file nor, under its stable id, in the database; and with one that
/// named nothing when it was saved.
enum class MissingReference : std::uint8_t {
    Refuse, ///< Nothing is loaded: `InvalidArgument`, naming the reference.
    Null,   ///< It becomes null.
};
/// What a load does with an entity whose stable id is in the database already.
enum class ExistingEntity : std::uint8_t {
    Refuse,  ///< Nothing is loaded: `AlreadyExists`.
    Replace, ///< It stays, and its rows become those of the file; rows in tables that were not saved stay as they are.
};
/// What a load does with a table that the database does not have.
enum class UnknownTable : std::uint8_t {
    Refuse, ///< Nothing is loaded: `SchemaMismatch`, naming the table.
    Skip,   ///< Its rows are left out.
};

struct LoadOptions {
    MissingReference missing_reference = MissingReference::Refuse;
    ExistingEntity existing = ExistingEntity::Refuse;
    UnknownTable unknown_tables = UnknownTable::Refuse;
    /// Entities have the stable ids they were saved with. Otherwise they are new ones each time.
    bool keep_stable_ids = true;
    /// As given when it was saved. Must outlive the call.
    const Codecs* codecs = nullptr;
};

/// What a load has done.
struct LoadReport {
    std::uint64_t created = 0;    ///< Entities that are new.
    std::uint64_t replaced = 0;   ///< Entities that were there (`ExistingEntity::Replace`).
    std::vector<Entity> entities; ///< All of them, in the file's order.
};

/// The database to load into, as one sequence of transactions. A plain value; must not outlive the database.
class LoadTarget {
public:
    /// `producer` is null when there can be none: loading then says why.
    LoadTarget(transaction::Pipeline& pipeline, transaction::ProducerState* producer) noexcept
        : pipeline_{&pipeline}, producer_{producer} {}
    /// That of a `Database`, or of a `Producer`.
    template <typename Db>
    requires requires(Db& db) { db.sequence().pipeline(); }
    explicit LoadTarget(Db& db) noexcept : LoadTarget{db.sequence().pipeline(), db.sequence().producer} {}

    [[nodiscard]] transaction::Pipeline& pipeline() const noexcept { return *pipeline_; }
    [[nodiscard]] const Schema& schema() const noexcept { return pipeline_->store().schema(); }

    /// The first of `count` consecutive ids nobody has had. Errors: `OutOfMemory`, `Forked`.
    [[nodiscard]] Result<Entity> reserve(std::uint32_t count) const noexcept {
        return producer_ == nullptr ? Result<Entity>{pipeline_->no_producer()} : pipeline_->reserve_consecutive(*producer_, count);
    }
    /// Runs `fn(storage::WriteBuffer&)` as one function transaction and waits until it is visible.
    template <typename Fn>
    [[nodiscard]] transaction::OutcomeOf<Fn> run(Fn& fn) const noexcept {
        if (producer_ == nullptr) {
            return pipeline_->no_producer();
        }
        if (pipeline_->writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a load was started from inside a function transaction"};
        }
        transaction::FunctionTask<Fn> task{fn, {&pipeline_->clock(), 0}};
        Result<std::uint64_t> sequence = pipeline_->submit_task(*producer_, task, transaction::CommandHeader::wants_error);
        if (!sequence) {
            return std::move(sequence).error();
        }
        if (Result<void> waited = pipeline_->wait(*producer_, *sequence, no_timeout); !waited) {
            return std::move(waited).error();
        }
        return task.take_outcome();
    }

private:
    transaction::Pipeline* pipeline_;
    transaction::ProducerState* producer_;
};

/// A way to write entities down. Implementations have no state that changes: any thread may call, several at once.
class Format {
public:
    Format() = default;
    Format(const Format&) = delete;
    Format& operator=(const Format&) = delete;
    virtual ~Format() = default;

    /// What it is chosen by: short, in lower case.
    [[nodiscard]] virtual std::string_view format_name() const noexcept = 0;
    /// The newest version it reads, which is the one it writes.
    [[nodiscard]] virtual std::uint32_t format_version() const noexcept = 0;

    /// Appends `view`, which is not empty, to `out`, which is. Equal views and options give equal bytes, unless the format says otherwise.
    /// On failure `out` holds anything. Errors: `InvalidArgument` for options that make no sense, `NotFound`, `OutOfMemory`.
    [[nodiscard]] virtual Result<void> save(const View& view, const SaveOptions& options, ByteBuffer& out) const = 0;

    /// Brings what was saved into a database, as one transaction: all of it, or nothing. Returns when it is visible. The bytes are nobody's
    /// word: whatever they are, the answer is an error that says what is wrong and where.
    ///
    /// Errors: `Corrupt`, `Unsupported` for a newer version, `SchemaMismatch` for tables that are missing or have other rows, what
    /// `LoadOptions` refuse, and whatever a transaction can end with (`ConstraintViolation`, `ReadOnly`, …).
    [[nodiscard]] virtual Result<LoadReport> load(std::span<const std::byte> bytes, const LoadTarget& into,
                                                  const LoadOptions& options) const = 0;
};

/// Saves `view` in `format`, into `out`, which is emptied first and whose memory is used again. See `Format::save`.
[[nodiscard]] inline Result<void> save(const View& view, const Format& format, ByteBuffer& out, const SaveOptions& options = {}) {
    if (!view) {
        return Error{ErrorCode::InvalidArgument, "an empty view has nothing to save"};
    }
    out.clear();
    Result<void> saved = format.save(view, options, out);
    if (saved && out.failed()) {
        saved = Error{ErrorCode::OutOfMemory, "no memory for what is saved"};
    }
    return saved ? Result<void>{} : std::move(saved).error().in("saving as " + std::string{format.format_name()});
}

/// Loads `bytes`, saved in `format`, into a `Database` or `Producer`. See `Format::load`.
template <typename Db>
[[nodiscard]] Result<LoadReport> load(Db& into, const Format& format, std::span<const std::byte> bytes, const LoadOptions& options = {}) {
    Result<LoadReport> loaded = format.load(bytes, LoadTarget{into}, options);
    return loaded ? std::move(loaded) : std::move(loaded).error().in("loading " + std::string{format.format_name()});
}

} // namespace ecsdb::formats
