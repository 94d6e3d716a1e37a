// Any bytes as a delta: refused as a whole and without a trace, or applied; and merging it alone says the same.
#include "ecsdb/delta/merge.hpp"
#include "ecsdb/delta/validate.hpp"
#include "ecsdb/transaction/apply_delta.hpp"
#include "fuzz/deltas.hpp"
#include "simulation/program.hpp"

using namespace ecsdb;

namespace {

/// An empty state, made anew for each input.
class EmptyState {
public:
    explicit EmptyState(const std::shared_ptr<const Schema>& schema)
        : store_{storage::Store::create(memory_, {.first_block_bytes = 64 << 10, .max_block_bytes = 1 << 20, .memory_limit = 48 << 20},
                                        schema)} {
        buffer_ = std::make_unique<storage::WriteBuffer>(*store_);
        fuzz::require(buffer_->create_first_root(0), "there is memory for an empty state");
        store_->publish(&buffer_->root());
        applier_ = std::make_unique<transaction::DeltaApplier>(*buffer_);
    }
    EmptyState(const EmptyState&) = delete;
    EmptyState& operator=(const EmptyState&) = delete;
    ~EmptyState() {
        applier_.reset();
        buffer_.reset();
        store_->drop_owner();
    }
    Result<bool> apply(std::span<const std::byte> delta) {
        fuzz::require(buffer_->begin_batch(), "there is memory for a batch");
        auto applied = applier_->apply(delta, 1);
        const storage::Root* const next = buffer_->finish_batch();
        if (next->version != store_->published()->version) {
            store_->publish(next);
        }
        return applied;
    }
    [[nodiscard]] std::uint64_t hash() const { return storage::hash_of(*store_->published()); }

private:
    fuzz::Memory memory_;
    storage::Store* store_;
    std::unique_ptr<storage::WriteBuffer> buffer_;
    std::unique_ptr<transaction::DeltaApplier> applier_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace test::simulation;
    static const auto schema = std::make_shared<const Schema>(*schema_of<Spot, Purse, Carries, Story, Asleep, Pose>("ecsdb"));
    const auto bytes = std::as_bytes(std::span{data, size});
    const auto view = delta::DeltaView::parse(bytes);
    if (!view) {
        fuzz::require(fuzz::is_refusal(view.error()), "a delta is refused as such");
        return 0;
    }
    if (fuzz::names_many(*view)) {
        return 0;
    }
    const auto valid = delta::validate(*view, *schema);
    EmptyState state{schema};
    const std::uint64_t empty = state.hash();
    const auto applied = state.apply(bytes);
    fuzz::require(applied || state.hash() == empty, "a delta that is refused leaves no trace");
    fuzz::require(valid || !applied || !*applied, "a delta that is not valid is not applied");

    SystemAllocator allocator;
    ByteBuffer merged{allocator};
    const std::span<const std::byte> deltas[] = {bytes};
    if (!delta::merge(*schema, deltas, merged, allocator)) {
        return 0;
    }
    const auto canonical = delta::DeltaView::parse(merged.view());
    fuzz::require(canonical.has_value(), "a merged delta is a delta");
    if (applied && *applied) {
        EmptyState other{schema};
        const auto applied_merged = other.apply(merged.view());
        fuzz::require(applied_merged && other.hash() == state.hash(), "a merged delta does the same");
    }
    ByteBuffer again{allocator};
    const std::span<const std::byte> once_more[] = {merged.view()};
    fuzz::require(delta::merge(*schema, once_more, again, allocator) && std::ranges::equal(again.view(), merged.view()),
                  "merging a merged delta changes nothing");
    return 0;
}
