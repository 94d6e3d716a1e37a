/// @file
/// What a table takes in the newest version, and what older ones keep of it.
#pragma once

#include "ecsdb/recovery/on_writer.hpp"
#include "ecsdb/storage/figures.hpp"
#include "ecsdb/storage/holders.hpp"
#include "ecsdb/transaction/pipeline.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

namespace detail {

/// Looks on the writer, which alone may look into every pinned version, and alone lets go of any.
class CountTable final : public transaction::Task {
public:
    explicit CountTable(TableId table) noexcept : table_{table} {}

    [[nodiscard]] bool is_transaction() const noexcept override { return false; }
    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        storage::Store& store = state.store();
        const storage::Root& newest = *store.published();
        store.reclaimer().collect(store.pins(), newest.born); // what is kept is filed under its readers now
        std::vector<const storage::Root*> roots;
        storage::detail::for_each_holder(store, [&](const storage::Root& root, const char*) {
            // A pin that is only being tried may name memory of a root that has gone; what is filed under a reader has not.
            if (root.born < newest.born && store.reclaimer().retained_bytes(root.born) != 0) {
                roots.push_back(&root);
            }
        });
        std::sort(roots.begin(), roots.end(), [](const storage::Root* a, const storage::Root* b) { return a->born < b->born; });
        roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
        roots.push_back(&newest);
        figures = storage::table_figures(newest, table_);
        // A page belongs to versions without a gap: what the next one has not is counted here, and nowhere else.
        for (std::size_t i = 0; i + 1 < roots.size(); ++i) {
            figures.retired_bytes += storage::retired_bytes_between(*roots[i], *roots[i + 1], table_);
        }
        return {};
    }

    TableFigures figures;

private:
    TableId table_;
};

} // namespace detail

/// See `AnyDatabase::table_figures`.
[[nodiscard]] inline Result<TableFigures> table_figures(transaction::Pipeline& pipeline, TableId table) noexcept {
    if (table >= pipeline.store().schema().tables().size()) {
        return Error{ErrorCode::NotFound, "table figures: there is no table " + std::to_string(table)};
    }
    if (pipeline.writer().is_this_thread()) {
        return Error{ErrorCode::WouldDeadlock, "table figures: the writer counts and so cannot be waited for on its thread"};
    }
    detail::CountTable task{table};
    if (auto run = detail::run_on_writer(pipeline, task); !run) {
        return std::move(run).error().in("table figures");
    }
    return task.figures;
}

} // namespace ecsdb
