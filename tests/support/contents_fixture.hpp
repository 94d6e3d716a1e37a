/// @file
/// What tests of texts and blobs build with: components that have them, a database of those, and a replica fed with deltas.
#pragma once

#include "ecsdb/transaction/apply_delta.hpp"
#include "transaction/transaction_fixture.hpp"

#include <memory>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::test {

struct Note {
    std::uint32_t stars = 0;
    Text body;
    Nullable<Text> remark;
    Blob data;
};
ECSDB_COMPONENT(Note, stars, body, remark, data);

/// Nothing but a text, and sparse: no packed bytes at all.
struct Label {
    Text words;
};
ECSDB_COMPONENT(Label, words);

/// The same in a table, and limited.
struct Title {
    Text words;
};
ECSDB_COMPONENT(Title, words);

struct Place {
    float x, y;
};
ECSDB_COMPONENT(Place, x, y);

} // namespace ecsdb::test

template <>
struct ecsdb::ComponentOptions<ecsdb::test::Label> {
    static constexpr Storage storage = Storage::Sparse;
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::Title> {
    static void constrain(TableEditor& table) { table.field("words").max_length(16).default_value("untitled"); }
};

namespace ecsdb::test {

using Notes = Database<Note, Label, Title, Place>;

[[nodiscard]] inline std::string as_string(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline std::span<const std::byte> as_span(const std::string& text) {
    return std::as_bytes(std::span{text.data(), text.size()});
}

/// The schema of `Notes`.
[[nodiscard]] inline Schema notes_schema() {
    Result<Schema> schema = ecsdb::schema_of<Note, Label, Title, Place>("ecsdb");
    REQUIRE(schema);
    return *std::move(schema);
}

/// An empty state that deltas are applied to, one batch after another.
class ContentReplica {
public:
    explicit ContentReplica(Schema schema = notes_schema())
        : store_{storage::Store::create(memory_, {}, std::make_shared<const Schema>(std::move(schema)))} {
        REQUIRE(store_ != nullptr);
        buffer_ = std::make_unique<storage::WriteBuffer>(*store_);
        REQUIRE(buffer_->create_first_root(0));
        store_->publish(&buffer_->root());
        applier_ = std::make_unique<transaction::DeltaApplier>(*buffer_);
    }
    ContentReplica(const ContentReplica&) = delete;
    ContentReplica& operator=(const ContentReplica&) = delete;
    ~ContentReplica() {
        applier_.reset();
        buffer_.reset();
        store_->drop_owner();
    }

    [[nodiscard]] Result<bool> apply(std::span<const std::byte> delta) {
        REQUIRE(buffer_->begin_batch());
        Result<bool> applied = applier_->apply(delta, 1);
        const storage::Root* const next = buffer_->finish_batch();
        if (next->version != store_->published()->version) {
            store_->publish(next);
        }
        return applied;
    }
    [[nodiscard]] const storage::Root& published() const noexcept { return *store_->published(); }
    [[nodiscard]] std::uint64_t hash() const { return storage::hash_of(published()); }

private:
    SystemAllocator memory_;
    storage::Store* store_;
    std::unique_ptr<storage::WriteBuffer> buffer_;
    std::unique_ptr<transaction::DeltaApplier> applier_;
};

} // namespace ecsdb::test
