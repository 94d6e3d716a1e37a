/// @file
/// Chores of the engine that the writer does between transactions, and waiting for them.
#pragma once

#include "ecsdb/snapshot/writer.hpp"
#include "ecsdb/transaction/pipeline.hpp"

#include <cstdint>
#include <span>
#include <utility>

namespace ecsdb::detail {

/// Has the writer run `task`, and waits for it. Any thread but the writer's.
[[nodiscard]] inline Result<void> run_on_writer(transaction::Pipeline& pipeline, transaction::Task& task) noexcept {
    transaction::ProducerState* const producer = pipeline.this_thread_producer();
    if (producer == nullptr) {
        return pipeline.no_producer();
    }
    auto sequence = pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error);
    if (!sequence) {
        return std::move(sequence).error();
    }
    return pipeline.wait_done(*producer, *sequence, no_timeout);
}

/// Reads the entity versions on the writer, a piece at a time: they lie outside the tree and go on counting, but between two batches they
/// are exactly those of the published version. The writer stops for the copying of one piece: about 20 µs for 32,768 counts.
class CountsFromWriter final : public snapshot::CountSource {
public:
    explicit CountsFromWriter(transaction::Pipeline& pipeline) noexcept : pipeline_{&pipeline} {}

    [[nodiscard]] Result<std::uint64_t> read(std::uint32_t first, std::span<std::uint32_t> counts) noexcept override {
        Piece piece{first, counts};
        if (auto read = run_on_writer(*pipeline_, piece); !read) {
            return std::move(read).error();
        }
        newest_ = std::max(newest_, piece.version);
        return piece.version;
    }

    /// The newest version any piece is of.
    [[nodiscard]] std::uint64_t newest() const noexcept { return newest_; }

private:
    class Piece final : public transaction::Task {
    public:
        Piece(std::uint32_t first, std::span<std::uint32_t> counts) noexcept : first_{first}, counts_{counts} {}

        [[nodiscard]] bool is_transaction() const noexcept override { return false; }
        [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
            // Earlier transactions of this batch may still be discarded: the reading waits until they are published (`finished`).
            state_ = &state;
            return {};
        }
        void finished() noexcept override {
            if (state_ != nullptr) {
                state_->store().entity_versions().copy_to(first_, counts_);
                version = state_->store().published_version();
            }
        }

        std::uint64_t version = 0;

    private:
        std::uint32_t first_;
        std::span<std::uint32_t> counts_;
        storage::WriteBuffer* state_ = nullptr;
    };

    transaction::Pipeline* pipeline_;
    std::uint64_t newest_ = 0;
};

} // namespace ecsdb::detail
