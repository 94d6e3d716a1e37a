/// @file
/// A thread that is asked to stop and waited for when it goes: a std::jthread that costs whoever includes it next to nothing per use.
#pragma once

#include "ecsdb/core/owner.hpp"

#include <atomic>
#include <thread>
#include <utility>

namespace ecsdb {

/// Runs one callable on a thread of its own. Started by construction, which throws what std::thread throws; neither copied nor moved.
/// In a forked child the thread does not exist: there it must not be destroyed.
class Thread {
public:
    /// By which the callable learns that it shall end.
    class Stop {
    public:
        [[nodiscard]] bool requested() const noexcept { return requested_.load(std::memory_order_acquire); }

    private:
        friend class Thread;
        std::atomic<bool> requested_{false}; // release in `request_stop` pairs with the acquire in `requested`
    };

    /// Calls `fn(stop)`, once. `fn` is destroyed together with this.
    template <typename Fn>
    requires requires(Fn& fn, const Stop& stop) { fn(stop); }
    explicit Thread(Fn fn) : work_{new CallWork<Fn>{std::move(fn)}}, thread_{&Thread::run, this} {}
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;
    /// Asks it to stop and waits until it has ended.
    ~Thread() {
        request_stop();
        join();
    }

    /// Any thread. Whoever sleeps has to be woken too.
    void request_stop() noexcept { stop_.requested_.store(true, std::memory_order_seq_cst); }

    /// Waits until it has ended. One thread at a time, not its own.
    void join() {
        if (thread_.joinable()) {
            thread_.join();
        }
    }

private:
    struct Work {
        virtual ~Work() = default;
        virtual void run(const Stop& stop) = 0;
    };
    template <typename Fn>
    struct CallWork final : Work {
        explicit CallWork(Fn&& callable) : fn{std::move(callable)} {}
        void run(const Stop& stop) override { fn(stop); }
        Fn fn;
    };

    static void run(Thread* self) { self->work_->run(self->stop_); }

    Stop stop_;
    Owner<Work> work_;
    std::thread thread_; // uses the above
};

} // namespace ecsdb
