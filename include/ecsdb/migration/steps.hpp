/// @file
/// The steps a program knows from old versions of its tables, and of the whole database, to newer ones.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/migration/row.hpp"
#include "ecsdb/query/view.hpp"
#include "ecsdb/schema/component.hpp"
#include "ecsdb/schema/content_handle.hpp"
#include "ecsdb/schema/evolution.hpp"
#include "ecsdb/transaction/write_state.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

namespace detail {

template <typename Call>
[[nodiscard]] Result<void> as_result(Call&& call) {
    if constexpr (std::is_void_v<std::invoke_result_t<Call>>) {
        call();
        return {};
    } else {
        return call();
    }
}

/// A step between two C++ structs, as one between values by name.
template <Component Old, Component New, typename Fn>
class TypedStep {
public:
    /// What is wrong with the structs, if anything is.
    [[nodiscard]] static Result<TypedStep> make(Fn fn) {
        Result<Schema> before = schema_of<Old>("step");
        Result<Schema> after = schema_of<New>("step");
        if (!before || !after) {
            return std::move(before ? after : before).error();
        }
        TypedStep step{std::move(fn)};
        step.before_ = std::make_shared<const Schema>(*std::move(before));
        step.after_ = std::make_shared<const Schema>(*std::move(after));
        return step;
    }

    Result<void> operator()(MigratingRow& row) const {
        FittedRow fitted;
        const Table& table = before_->table(0);
        if (auto fits = row.fit(*before_, table, fitted); !fits) {
            return std::move(fits).error().in("struct `" + table.name + "` of the step");
        }
        // Handles are numbered by what they stand for: a step may move them, and cannot look into them.
        for (const FieldId field : table.contents) {
            const ContentHandle none;
            std::memcpy(fitted.row.data() + table.fields[field].offset, &none, sizeof(none));
        }
        for (std::size_t i = 0; i < fitted.contents.size(); ++i) {
            ContentHandle handle;
            handle.number = ContentHandle::first_stored + i;
            std::memcpy(fitted.row.data() + table.fields[fitted.contents[i].field].offset, &handle, sizeof(handle));
        }
        Old old{};
        if constexpr (!std::is_empty_v<Old>) {
            std::memcpy(&old, fitted.row.data(), sizeof(Old));
        }
        const New fresh = [&] {
            if constexpr (std::is_invocable_v<const Fn&, Entity, const Old&>) {
                return fn_(row.entity(), std::as_const(old));
            } else {
                return fn_(std::as_const(old));
            }
        }();
        const std::size_t size = std::is_empty_v<New> ? 0 : sizeof(New);
        const std::byte* const bytes = row.keep({reinterpret_cast<const std::byte*>(&fresh), size});
        const auto number_in = [&](const Field& field) {
            ContentHandle handle;
            std::memcpy(&handle, bytes + field.offset, sizeof(handle));
            return handle.number;
        };
        const Table& to = after_->table(0);
        for (const FieldId field : to.contents) {
            const std::uint64_t number = number_in(to.fields[field]);
            if (number >= ContentHandle::first_stored + fitted.contents.size()) {
                return Error{ErrorCode::InvalidArgument, "field `" + to.fields[field].name + "` holds no text or blob of the old row"};
            }
        }
        row.assign(*after_, to, bytes, [&](const Field& field) {
            const std::uint64_t number = number_in(field);
            return number < ContentHandle::first_stored ? std::string{} : fitted.contents[number - ContentHandle::first_stored].bytes;
        });
        for (const FieldId field : to.contents) {
            if (number_in(to.fields[field]) == ContentHandle::of_default) {
                row.erase(to.fields[field].name); // what is missing gets its default
            }
        }
        return {};
    }

private:
    explicit TypedStep(Fn fn) : fn_{std::move(fn)} {}

    Fn fn_;
    std::shared_ptr<const Schema> before_;
    std::shared_ptr<const Schema> after_;
};

} // namespace detail

/// The steps of one program. Made once, then only read; functions are called on the thread that migrates.
///
/// ```cpp
/// ecsdb::Migrations migrations;
/// migrations.step("health", 1, 2, [](ecsdb::MigratingRow& row) { return row.rename("hp", "points"); })
///     .step<HealthV2, Health>("health", 2, 3, [](const HealthV2& old) { return Health{old.points, old.points}; })
///     .automatic("mana", 1, 2);
/// ```
class Migrations {
public:
    using RowFunction = std::function<Result<void>(MigratingRow&)>;
    using DatabaseFunction = std::function<Result<void>(const View& before, WriteState& state)>;

    Migrations() = default;

    /// `fn(MigratingRow&)` makes a row of version `to` of one of version `from`. It returns nothing or `Result<void>`; an error refuses the
    /// whole migration.
    template <std::invocable<MigratingRow&> Fn>
    Migrations& step(std::string table, std::uint32_t from, std::uint32_t to, Fn fn) {
        return add({std::move(table), from, to},
                   [fn = std::move(fn)](MigratingRow& row) mutable { return detail::as_result([&] { return fn(row); }); });
    }
    /// The same between two structs: `fn(const Old&)` or `fn(Entity, const Old&)` returns a `New`. Fields are known by their names, and
    /// `Old` must have all that the row has. Handles of texts and blobs may be moved to other fields, not looked into.
    template <Component Old, Component New, typename Fn>
    requires std::is_invocable_r_v<New, Fn&, const Old&> || std::is_invocable_r_v<New, Fn&, Entity, const Old&> Migrations&
    step(std::string table, std::uint32_t from, std::uint32_t to, Fn fn) {
        auto made = detail::TypedStep<Old, New, Fn>::make(std::move(fn));
        if (!made) {
            note(std::move(made).error().in("step of table `" + table + "`"));
            return *this;
        }
        return add({std::move(table), from, to}, *std::move(made));
    }
    /// Between these versions a table changes in nothing but what is done without a step: for chains in which others do.
    Migrations& automatic(std::string table, std::uint32_t from, std::uint32_t to) { return add({std::move(table), from, to}, {}); }

    /// `fn(const View& before, WriteState& state)` runs when all rows have become those of the new schema: `before` is the whole database
    /// as it was, in its old schema, `state` the new one, to be changed in any way. From and to are the database's own versions
    /// (`[database] version`). It is one transaction, constraints included. It returns nothing or `Result<void>`.
    template <std::invocable<const View&, WriteState&> Fn>
    Migrations& database(std::string from, std::string to, Fn fn) {
        if (from == to) {
            note(Error{ErrorCode::InvalidArgument, "a step of the database leads from version `" + from + "` to itself"});
        }
        database_steps_.push_back({std::move(from), std::move(to)});
        database_functions_.push_back([fn = std::move(fn)](const View& before, WriteState& state) mutable {
            return detail::as_result([&] { return fn(before, state); });
        });
        return *this;
    }

    /// The first thing wrong with what was registered.
    [[nodiscard]] Result<void> check() const { return problem_ ? Result<void>{problem_->clone()} : Result<void>{}; }
    [[nodiscard]] const std::vector<TableStep>& steps() const noexcept { return steps_; }
    [[nodiscard]] const std::vector<DatabaseStep>& database_steps() const noexcept { return database_steps_; }
    [[nodiscard]] const RowFunction& function(std::size_t step) const noexcept { return functions_[step]; }
    [[nodiscard]] const DatabaseFunction& database_function(std::size_t step) const noexcept { return database_functions_[step]; }

private:
    Migrations& add(TableStep step, RowFunction function) {
        if (step.from == 0 || step.to <= step.from) {
            note(Error{ErrorCode::InvalidArgument, "a step of table `" + step.table + "` leads from version " + std::to_string(step.from) +
                                                       " to " + std::to_string(step.to) + ": versions count from 1, and only up"});
        }
        steps_.push_back(std::move(step));
        functions_.push_back(std::move(function));
        return *this;
    }
    void note(Error error) {
        if (!problem_) {
            problem_.emplace(std::move(error));
        }
    }

    std::vector<TableStep> steps_;
    std::vector<RowFunction> functions_; ///< One for each step; an empty one does nothing.
    std::vector<DatabaseStep> database_steps_;
    std::vector<DatabaseFunction> database_functions_;
    std::optional<Error> problem_;
};

} // namespace ecsdb
