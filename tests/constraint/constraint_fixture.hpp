/// @file
/// What tests of constraints build with: a database opened from the text of a schema file, rows by name, and transactions that must be
/// refused without a trace.
#pragma once

#include "ecsdb/database.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/schema/row.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "support/catch.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ecsdb::test {

[[nodiscard]] inline Schema schema_from(std::string_view toml) {
    auto schema = parse_schema(toml, "test.toml");
    if (!schema) {
        FAIL(schema.error().to_string());
    }
    return std::move(*schema);
}

/// A database from TOML text. Nothing runs before somebody waits, so everything happens on the test's thread.
class Scene {
public:
    explicit Scene(std::string_view toml, Options options = {}) : db_{opened(toml, std::move(options))} {}

    [[nodiscard]] Database<>& db() noexcept { return db_; }
    [[nodiscard]] const Schema& schema() const noexcept { return db_.schema(); }
    [[nodiscard]] TableId table(std::string_view name) const {
        const Table* const found = schema().find_table(name);
        REQUIRE(found != nullptr);
        return found->id;
    }
    [[nodiscard]] Row row(std::string_view name) const { return Row{schema(), table(name)}; }
    /// A row with one field set.
    template <typename T>
    [[nodiscard]] Row row(std::string_view name, std::string_view field, const T& value) const {
        Row made = row(name);
        put(made, field, value);
        return made;
    }
    template <typename T>
    static void put(Row& row, std::string_view field, const T& value) {
        Result<void> set;
        if constexpr (std::is_convertible_v<T, std::string_view>) {
            set = row.set_text(field, value);
        } else {
            set = row.set(field, value);
        }
        if (!set) {
            FAIL(set.error().to_string());
        }
    }

    /// Runs `fill(transaction)` as one command transaction.
    template <typename Fill>
    Result<void> commit(Fill&& fill) {
        auto tx = db_.begin();
        fill(tx);
        return tx.commit();
    }
    /// The same, which must succeed.
    template <typename Fill>
    void accept(Fill&& fill) {
        if (const Result<void> done = commit(fill); !done) {
            FAIL(done.error().to_string());
        }
        CHECK(key_count() == keys_there());
    }
    /// The same, which must be refused by a constraint, in these words, and leave no trace.
    template <typename Fill>
    void refuse(std::initializer_list<std::string_view> words, Fill&& fill) {
        const std::uint64_t hash = db_.read().hash();
        const std::uint64_t version = db_.version();
        const Result<void> done = commit(fill);
        REQUIRE_FALSE(done);
        INFO(done.error().to_string());
        CHECK(done.error().code() == ErrorCode::ConstraintViolation);
        for (const std::string_view word : words) {
            CAPTURE(word);
            CHECK(done.error().message().find(word) != std::string::npos);
        }
        CHECK(db_.read().hash() == hash);
        CHECK(db_.version() == version);
        CHECK(key_count() == keys_there());
    }
    /// A new entity with these rows.
    template <typename... Rows>
    Entity add(const Rows&... rows) {
        Entity entity;
        accept([&](auto& tx) {
            entity = tx.create();
            (tx.insert(entity, rows), ...);
        });
        return entity;
    }

    [[nodiscard]] bool is_alive(Entity entity) const { return db_.read().is_alive(entity); }
    [[nodiscard]] bool has(Entity entity, std::string_view name) const {
        const auto view = db_.read();
        return view.find_row(entity, table(name)) != nullptr;
    }
    /// A field of a row that is there.
    template <typename T>
    [[nodiscard]] T get(Entity entity, std::string_view name, std::string_view field) const {
        const auto view = db_.read();
        const std::byte* const found = view.find_row(entity, table(name));
        REQUIRE(found != nullptr);
        auto handle = find_field<T>(schema(), name, field);
        REQUIRE(handle);
        return handle->in(found);
    }
    /// Whether a nullable field of a row has a value.
    [[nodiscard]] bool is_present(Entity entity, std::string_view name, std::string_view field) const {
        const auto view = db_.read();
        const std::byte* const found = view.find_row(entity, table(name));
        REQUIRE(found != nullptr);
        return found[schema().find_table(name)->find_field(field)->presence_offset] != std::byte{};
    }
    /// Keys the constraints know of, as of the last transaction that stood.
    [[nodiscard]] std::size_t key_count() {
        const constraint::Constraints* const constraints = db_.engine().constraints();
        return constraints == nullptr ? 0 : constraints->keys().size();
    }

    /// The keys there are, counted row by row.
    [[nodiscard]] std::size_t keys_there() const {
        const constraint::Rules rules{schema()};
        std::size_t count = 0;
        for (std::uint32_t id = 0; id < rules.slot_count(); ++id) {
            const constraint::KeySlot& slot = rules.slot(id);
            db_.read().for_each_row(std::array{slot.table->id},
                                    [&](Entity, const std::byte* const* rows) { count += slot.place.is_null(rows[0]) ? 0U : 1U; });
        }
        return count;
    }

private:
    static Database<> opened(std::string_view toml, Options options) {
        options.own_thread = false;
        auto db = Database<>::open(options, schema_from(toml));
        if (!db) {
            FAIL(db.error().to_string());
        }
        return std::move(*db);
    }

    Database<> db_;
};

} // namespace ecsdb::test
