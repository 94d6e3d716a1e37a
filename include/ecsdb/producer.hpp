/// @file
/// An order of transactions that belongs to a job instead of a thread.
#pragma once

#include "ecsdb/writes.hpp"

#include <utility>

namespace ecsdb {

/// What `Database` offers for writing, with an order of its own: transactions submitted through one producer run in the order in which
/// they were submitted, whichever threads the job went through (design D12). Through the database itself that holds per thread.
///
/// One thread at a time; hand it on like any other value. Its tickets may be waited for anywhere, and outlive it; its transactions do not.
/// Must not outlive its database. Cost: 256 KiB of queue, used again by later producers.
template <Component... Ts>
class Producer : public Writes<Producer<Ts...>, Ts...> {
    using Base = Writes<Producer<Ts...>, Ts...>;

public:
    Producer(Engine& engine, const typename Base::TableIds& tables) noexcept
        : Base{tables}, engine_{&engine}, producer_{engine.pipeline().make_producer()} {}
    Producer(Producer&& other) noexcept : Base{other}, engine_{other.engine_}, producer_{std::exchange(other.producer_, nullptr)} {}
    Producer& operator=(Producer&& other) noexcept {
        std::swap(static_cast<Base&>(*this), static_cast<Base&>(other));
        std::swap(engine_, other.engine_);
        std::swap(producer_, other.producer_);
        return *this;
    }
    ~Producer() {
        if (producer_ != nullptr) {
            engine_->pipeline().release_producer(producer_);
        }
    }

    /// False when there was no memory for it, or the handle is a forked child's: whatever is submitted then says so.
    [[nodiscard]] explicit operator bool() const noexcept { return producer_ != nullptr; }

    /// For `Writes`.
    [[nodiscard]] WriteSequence sequence() noexcept { return {engine_, producer_}; }

private:
    Engine* engine_;
    transaction::ProducerState* producer_;
};

} // namespace ecsdb
