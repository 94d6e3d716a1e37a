/// @file
/// How a caller with much to compute gets the help of a writer that has nothing else to do.
#pragma once

#include "ecsdb/core/clock.hpp"

#include <atomic>
#include <cstdint>
#include <thread>

namespace ecsdb::transaction {

/// Work in many small pieces, which two threads may do at once: its owner from the front, one helper from the back.
class SharedWork {
public:
    SharedWork() noexcept = default;
    SharedWork(const SharedWork&) = delete;
    SharedWork& operator=(const SharedWork&) = delete;

    /// Whether the helper has something better to do; asked after every piece.
    struct IsNeeded {
        bool (*ask)(const void* context);
        const void* context;

        [[nodiscard]] bool operator()() const noexcept { return ask(context); }
    };
    /// Does pieces on the helper's thread, until none is left or the helper is needed.
    virtual void help(const IsNeeded& is_needed) noexcept = 0;

protected:
    virtual ~SharedWork() = default;

    static constexpr std::uint32_t no_piece = ~std::uint32_t{0};

    /// Before the work is offered.
    void set_pieces(std::uint32_t pieces) noexcept {
        left_.store(std::uint64_t{pieces + 1} << 32U | 1U, std::memory_order_relaxed);
        helper_left_.store(false, std::memory_order_relaxed);
    }
    /// The next piece for the owner, or `no_piece`. Relaxed: a claim hands over no data; what a helper wrote is seen once it has left.
    [[nodiscard]] std::uint32_t claim_front() noexcept {
        const std::uint64_t left = left_.fetch_add(1, std::memory_order_relaxed);
        return front(left) < back(left) ? front(left) - 1 : no_piece;
    }
    /// The next piece for the helper, or `no_piece`; then it must not ask again.
    [[nodiscard]] std::uint32_t claim_back() noexcept {
        const std::uint64_t left = left_.fetch_sub(std::uint64_t{1} << 32U, std::memory_order_relaxed);
        return front(left) < back(left) ? back(left) - 2 : no_piece;
    }

private:
    friend class HelpDesk;
    // Both ends count from 1, so that the one claim a helper makes in vain does not wrap round.
    static std::uint32_t front(std::uint64_t left) noexcept { return static_cast<std::uint32_t>(left); }
    static std::uint32_t back(std::uint64_t left) noexcept { return static_cast<std::uint32_t>(left >> 32U); }

    std::atomic<std::uint64_t> left_{0}; ///< The first piece not claimed below, one past the last above.
    std::atomic<bool> helper_left_{false};
};

/// Where work is offered to the writer, one piece of work at a time.
class HelpDesk {
public:
    /// Offers `work`, unless there is another offer. An offer must be withdrawn before the work goes. Any thread. Release: the helper sees
    /// the work prepared.
    [[nodiscard]] bool offer(SharedWork& work) noexcept {
        SharedWork* expected = nullptr;
        return offered_.compare_exchange_strong(expected, &work, std::memory_order_release, std::memory_order_relaxed);
    }

    /// Ends the offer of `work`: nobody is helping any more, and what a helper did is visible. Waits for the piece a helper is in the
    /// middle of.
    void withdraw(SharedWork& work) noexcept {
        SharedWork* expected = &work;
        if (offered_.compare_exchange_strong(expected, nullptr, std::memory_order_relaxed)) {
            return; // nobody came
        }
        // Acquire pairs with the release in `help`.
        for (int spins = 0; !work.helper_left_.load(std::memory_order_acquire); ++spins) {
            if (spins < 64) {
                cpu_pause();
            } else {
                std::this_thread::yield();
            }
        }
    }

    /// Helps with what is offered until it is done or `is_needed` says so. False when nothing is offered. One thread at a time.
    bool help(const SharedWork::IsNeeded& is_needed) noexcept {
        if (offered_.load(std::memory_order_relaxed) == nullptr) {
            return false;
        }
        SharedWork* const work = offered_.exchange(nullptr, std::memory_order_acquire);
        if (work == nullptr) {
            return false;
        }
        work->help(is_needed);
        work->helper_left_.store(true, std::memory_order_release); // the last look at it: its owner may go
        return true;
    }

private:
    std::atomic<SharedWork*> offered_{nullptr};
};

} // namespace ecsdb::transaction
