/// @file
/// Tells a listener that the log has failed or accepts writes again, where all callbacks run and never on the thread that found out.
#pragma once

#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/transaction/pipeline.hpp"
#include "ecsdb/wal/shared_log.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

namespace ecsdb {

/// Hears of changes of the log's state.
class LogStateListener {
public:
    virtual ~LogStateListener() = default;
    virtual void changed(const LogState& state) noexcept = 0;
};

template <typename Fn>
class CallOnLogState final : public LogStateListener {
public:
    explicit CallOnLogState(Fn fn) : fn_{std::move(fn)} {}
    void changed(const LogState& state) noexcept override { fn_(state); }

private:
    Fn fn_;
};

/// Where the state that is told of comes from. Any thread.
class LogStateSource {
public:
    [[nodiscard]] virtual LogState log_state() noexcept = 0;

protected:
    ~LogStateSource() = default;
};

/// Brings changes of the log's state to the notifier's thread. Any thread; the source must outlive it.
class LogStateFeed {
public:
    LogStateFeed() = default;
    LogStateFeed(const LogStateFeed&) = delete;
    LogStateFeed& operator=(const LogStateFeed&) = delete;

    /// `listener` hears of every change from now on, through the callbacks of `pipeline`; null for nobody. When this returns, the listener
    /// before it has heard its last, unless a callback calls.
    void listen(std::shared_ptr<LogStateListener> listener, transaction::Pipeline& pipeline) noexcept {
        {
            const std::lock_guard lock{mutex_};
            pipeline_ = &pipeline;
            listener_.swap(listener);
        }
        // Acquire pairs with the release in `tell`.
        while (listener != nullptr && !pipeline.is_notifying() && telling_.load(std::memory_order_acquire) == listener.get()) {
            std::this_thread::yield();
        }
    }

    /// The state has changed; `source` says to what by the time the listener is called. Where memory is refused nobody is told: the state
    /// itself says it too.
    void announce(LogStateSource& source) noexcept {
        std::unique_lock lock{mutex_};
        auto* const telling = listener_ == nullptr ? nullptr : new (std::nothrow) Telling{*this, source};
        transaction::Pipeline* const pipeline = pipeline_;
        lock.unlock();
        if (telling != nullptr) {
            // Goes on at once.
            pipeline->await(*telling, nullptr, 0, Durability::Memory, Error{ErrorCode::ReadOnly, "the log's state has changed"});
        }
    }

private:
    class Telling final : public transaction::Continuation {
    public:
        Telling(LogStateFeed& feed, LogStateSource& source) noexcept : feed_{&feed}, source_{&source} {}
        void resume(Result<void>) noexcept override {
            const Owner<Telling> gone_afterwards{this};
            feed_->tell(source_->log_state());
        }

    private:
        LogStateFeed* feed_;
        LogStateSource* source_;
    };

    void tell(const LogState& state) noexcept {
        std::shared_ptr<LogStateListener> listener;
        {
            const std::lock_guard lock{mutex_};
            listener = listener_; // it may take itself away
            telling_.store(listener.get(), std::memory_order_relaxed);
        }
        if (listener != nullptr) {
            listener->changed(state);
        }
        listener.reset();
        telling_.store(nullptr, std::memory_order_release); // pairs with the acquire in `listen`
    }

    std::mutex mutex_;
    transaction::Pipeline* pipeline_ = nullptr;
    std::shared_ptr<LogStateListener> listener_;
    std::atomic<const LogStateListener*> telling_{nullptr};
};

} // namespace ecsdb
