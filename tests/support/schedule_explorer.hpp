/// @file
/// Runs a few threads of a lock-free protocol in every order that can matter, one access at a time.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <setjmp.h>
#include <ucontext.h>

#if defined(__has_feature)
#define ECSDB_TEST_HAS_FEATURE(feature) __has_feature(feature)
#else
#define ECSDB_TEST_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ECSDB_TEST_HAS_FEATURE(address_sanitizer)
#define ECSDB_TEST_ADDRESS_SANITIZER 1
#include <sanitizer/common_interface_defs.h>
#else
#define ECSDB_TEST_ADDRESS_SANITIZER 0
#endif
#if defined(__SANITIZE_THREAD__) || ECSDB_TEST_HAS_FEATURE(thread_sanitizer)
#define ECSDB_TEST_THREAD_SANITIZER 1
#include <sanitizer/tsan_interface.h>
#else
#define ECSDB_TEST_THREAD_SANITIZER 0
#endif

namespace ecsdb::test {

/// Schedules are slow under a sanitizer, and it has nothing to find there that the plain build does not.
inline constexpr bool sanitized = ECSDB_TEST_ADDRESS_SANITIZER != 0 || ECSDB_TEST_THREAD_SANITIZER != 0;

/// One stack that runs a function and can be left and entered again.
class Fiber {
public:
    Fiber() = default;
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    ~Fiber() {
#if ECSDB_TEST_THREAD_SANITIZER
        if (stack_ != nullptr) {
            __tsan_destroy_fiber(tsan_);
        }
#endif
    }

    /// Makes the calling thread's own stack a fiber.
    void adopt_caller() noexcept {
#if ECSDB_TEST_THREAD_SANITIZER
        tsan_ = __tsan_get_current_fiber();
#endif
    }
    /// `entry` must never return.
    void start(void (*entry)()) {
        stack_ = std::make_unique<std::byte[]>(stack_bytes);
        left_ = false;
        ::getcontext(&context_);
        context_.uc_stack.ss_sp = stack_.get();
        context_.uc_stack.ss_size = stack_bytes;
        context_.uc_link = nullptr;
        ::makecontext(&context_, entry, 0);
#if ECSDB_TEST_THREAD_SANITIZER
        tsan_ = __tsan_create_fiber(0);
#endif
    }
    /// To be called first thing by `entry`.
    static void entered(Fiber& from) noexcept {
#if ECSDB_TEST_ADDRESS_SANITIZER
        __sanitizer_finish_switch_fiber(nullptr, &from.bottom_, &from.size_);
#else
        static_cast<void>(from);
#endif
    }
    /// Goes on in `to`; returns when somebody switches back.
    void switch_to(Fiber& to) noexcept {
#if ECSDB_TEST_ADDRESS_SANITIZER
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(&fake, to.stack_ == nullptr ? to.bottom_ : to.stack_.get(),
                                       to.stack_ == nullptr ? to.size_ : stack_bytes);
#endif
#if ECSDB_TEST_THREAD_SANITIZER
        __tsan_switch_to_fiber(to.tsan_, 0);
#endif
#if ECSDB_TEST_ADDRESS_SANITIZER || ECSDB_TEST_THREAD_SANITIZER
        ::swapcontext(&context_, &to.context_);
#else
        // As swapcontext, but for the two calls of the system it makes to save the signal mask: nearly all the time of a schedule.
        left_ = true;
        if (::_setjmp(left_at_) == 0) {
            if (to.left_) {
                ::_longjmp(to.left_at_, 1);
            }
            ::setcontext(&to.context_);
        }
#endif
#if ECSDB_TEST_ADDRESS_SANITIZER
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    }

private:
    static constexpr std::size_t stack_bytes = 256U << 10U;
    ucontext_t context_{};
    std::unique_ptr<std::byte[]> stack_;
    ::jmp_buf left_at_{};
    bool left_ = false; // once at least, last at left_at_
#if ECSDB_TEST_ADDRESS_SANITIZER
    const void* bottom_ = nullptr;
    std::size_t size_ = 0;
#endif
#if ECSDB_TEST_THREAD_SANITIZER
    void* tsan_ = nullptr;
#endif
};

/// Explores a scenario depth first, replaying it from its beginning for every schedule.
///
/// Accesses to shared places are the steps; they are sequentially consistent, except that a store weaker than seq_cst waits in its thread's
/// buffer and reaches the others at any later time (as on x86). Sleep sets leave out schedules that differ from an explored one only in the
/// order of steps that do not touch the same place, or only read it: no behaviour is lost. A scenario is a class with a default
/// constructor, `thread_count`, `run(thread)`, and `finish()`, called once all threads have ended; it reports through `Explorer::fail`.
class Explorer {
public:
    static constexpr std::size_t max_threads = 4;

    struct Result {
        std::uint64_t schedules = 0; ///< Run to their end; no two alike.
        std::uint64_t pruned = 0;    ///< Given up half-way, because every continuation had been seen.
        std::string violation;       ///< The first one; empty when there is none.
    };

    /// The explorer whose scenario is running, or null.
    static Explorer*& current() noexcept {
        static Explorer* explorer = nullptr;
        return explorer;
    }

    /// Every schedule of `Scenario(arguments…)`, or until the first violation.
    template <typename Scenario, typename... Arguments>
    [[nodiscard]] static Result explore(const Arguments&... arguments) {
        Explorer explorer;
        explorer.start_fibers();
        current() = &explorer;
        do {
            Scenario scenario{arguments...};
            explorer.thread_count_ = scenario.thread_count();
            explorer.body_ = [](void* object, std::size_t thread) { static_cast<Scenario*>(object)->run(thread); };
            explorer.object_ = &scenario;
            if (explorer.run_one()) {
                scenario.finish();
                ++explorer.result_.schedules;
            } else {
                ++explorer.result_.pruned;
            }
        } while (explorer.result_.violation.empty() && explorer.backtrack());
        current() = nullptr;
        return std::move(explorer.result_);
    }

    // For scenarios and their atomics --------------------------------------------------------------------------------------------------

    /// The running thread, or `max_threads` outside of threads.
    [[nodiscard]] std::size_t thread() const noexcept { return running_; }
    void fail(const char* what) {
        if (result_.violation.empty()) {
            result_.violation = what;
        }
    }
    /// A step of the running thread: others may run before it. With `drain`, its earlier weak stores come first.
    void step(const void* place, bool write, bool drain) noexcept {
        if (running_ == max_threads) {
            return;
        }
        Thread& self = threads_[running_];
        self.pending = {place, write, drain};
        self.fiber.switch_to(scheduler_);
    }
    using Apply = void (*)(void* place, const void* value);
    /// A weak store of the running thread.
    void buffer_store(void* place, const void* value, Apply apply) noexcept {
        Thread& self = threads_[running_];
        self.buffer[self.buffered++ % self.buffer.size()] = {place, value, apply};
    }
    /// The running thread's newest buffered value for `place`, if any.
    [[nodiscard]] bool find_buffered(const void* place, const void*& value) const noexcept {
        const Thread& self = threads_[running_];
        for (std::size_t i = self.buffered; i > self.flushed; --i) {
            const Store& store = self.buffer[(i - 1) % self.buffer.size()];
            if (store.place == place) {
                value = store.value;
                return true;
            }
        }
        return false;
    }

private:
    struct Step {
        const void* place = nullptr;
        bool write = false;
        bool drain = false;
    };
    struct Store {
        void* place = nullptr;
        const void* value = nullptr;
        Apply apply = nullptr;
    };
    struct Thread {
        Fiber fiber;
        Step pending;
        bool ended = false;
        std::array<Store, 8> buffer{};
        std::size_t buffered = 0;
        std::size_t flushed = 0;
    };
    // Actor t < max_threads is a thread; t + max_threads is its store buffer.
    static constexpr std::size_t max_actors = 2 * max_threads;
    using ActorSet = std::uint32_t;
    struct Choice {
        std::array<Step, max_actors> steps{};
        ActorSet enabled = 0;
        ActorSet done = 0; ///< Explored or asleep.
        std::size_t chosen = 0;
    };

    static ActorSet only(std::size_t actor) noexcept { return ActorSet{1} << actor; }
    static bool independent(const Step& a, std::size_t actor_a, const Step& b, std::size_t actor_b) noexcept {
        return actor_a % max_threads != actor_b % max_threads && (a.place != b.place || (!a.write && !b.write));
    }

    void start_fibers() {
        scheduler_.adopt_caller();
        for (Thread& thread : threads_) {
            thread.fiber.start([] {
                Explorer& self = *current();
                Fiber::entered(self.scheduler_);
                for (;;) {
                    const std::size_t number = self.running_;
                    self.body_(self.object_, number);
                    self.threads_[number].ended = true;
                    self.threads_[number].fiber.switch_to(self.scheduler_);
                }
            });
        }
    }

    void resume(std::size_t thread) noexcept {
        running_ = thread;
        scheduler_.switch_to(threads_[thread].fiber);
        running_ = max_threads;
    }

    void flush_one(Thread& thread) noexcept {
        const Store& store = thread.buffer[thread.flushed++ % thread.buffer.size()];
        store.apply(store.place, store.value);
    }

    void execute(std::size_t actor) noexcept {
        if (actor < max_threads) {
            resume(actor);
        } else {
            flush_one(threads_[actor - max_threads]);
        }
    }

    /// One schedule: the planned choices, then new ones. False when it was given up half-way.
    bool run_one() {
        for (std::size_t i = 0; i < thread_count_; ++i) {
            threads_[i].ended = false;
            threads_[i].buffered = threads_[i].flushed = 0;
            resume(i);
        }
        bool whole = true;
        for (std::size_t depth = 0;; ++depth) {
            if (depth == choices_.size()) {
                Choice next = choice_here();
                if (next.enabled == 0) {
                    return whole;
                }
                if ((next.enabled & ~next.done) == 0) {
                    whole = false;
                    break;
                }
                next.chosen = static_cast<std::size_t>(std::countr_zero(next.enabled & ~next.done));
                choices_.push_back(next);
            }
            execute(choices_[depth].chosen);
        }
        // The fibers must end before the next schedule begins, in whatever order.
        for (std::size_t i = 0; i < thread_count_; ++i) {
            while (!threads_[i].ended) {
                while (threads_[i].flushed != threads_[i].buffered) {
                    flush_one(threads_[i]);
                }
                resume(i);
            }
        }
        return whole;
    }

    [[nodiscard]] Choice choice_here() const noexcept {
        Choice here;
        for (std::size_t i = 0; i < thread_count_; ++i) {
            const Thread& thread = threads_[i];
            const bool buffers = thread.flushed != thread.buffered;
            if (!thread.ended && !(thread.pending.drain && buffers)) {
                here.enabled |= only(i);
                here.steps[i] = thread.pending;
            }
            if (buffers) {
                here.enabled |= only(i + max_threads);
                here.steps[i + max_threads] = {thread.buffer[thread.flushed % thread.buffer.size()].place, true, false};
            }
        }
        if (!choices_.empty()) {
            const Choice& before = choices_.back();
            for (std::size_t actor = 0; actor < max_actors; ++actor) {
                if ((before.done & ~only(before.chosen) & only(actor)) != 0 &&
                    independent(before.steps[actor], actor, before.steps[before.chosen], before.chosen)) {
                    here.done |= only(actor);
                }
            }
        }
        return here;
    }

    /// Plans the next schedule; false when there is none.
    bool backtrack() noexcept {
        while (!choices_.empty()) {
            Choice& last = choices_.back();
            last.done |= only(last.chosen);
            if ((last.enabled & ~last.done) != 0) {
                last.chosen = static_cast<std::size_t>(std::countr_zero(last.enabled & ~last.done));
                return true;
            }
            choices_.pop_back();
        }
        return false;
    }

    Fiber scheduler_;
    std::array<Thread, max_threads> threads_;
    std::size_t thread_count_ = 0;
    std::size_t running_ = max_threads;
    void (*body_)(void*, std::size_t) = nullptr;
    void* object_ = nullptr;
    std::vector<Choice> choices_;
    Result result_;
};

/// Stands in for `std::atomic` of a pointer. Places that only one thread uses, or all only read, are not steps: they change nothing for
/// anybody else. A place used otherwise must have been `share`d, or the exploration fails.
template <typename T>
class ScheduledAtomic {
public:
    ScheduledAtomic() noexcept = default;
    ScheduledAtomic(T value) noexcept : value_{value} {}
    ScheduledAtomic(const ScheduledAtomic&) = delete;
    ScheduledAtomic& operator=(const ScheduledAtomic&) = delete;

    void share() noexcept { shared_ = true; }

    [[nodiscard]] T load(std::memory_order = std::memory_order_seq_cst) const noexcept {
        Explorer* const explorer = enter(false, false);
        const void* buffered = nullptr;
        if (explorer != nullptr && explorer->find_buffered(this, buffered)) {
            return static_cast<T>(const_cast<void*>(buffered));
        }
        return value_;
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        if (Explorer* const explorer = Explorer::current();
            shared_ && order != std::memory_order_seq_cst && explorer != nullptr && explorer->thread() != Explorer::max_threads) {
            explorer->buffer_store(this, value, [](void* place, const void* stored) {
                static_cast<ScheduledAtomic*>(place)->value_ = static_cast<T>(const_cast<void*>(stored));
            });
            return;
        }
        enter(true, order == std::memory_order_seq_cst);
        value_ = value;
    }
    T exchange(T desired, std::memory_order) noexcept {
        enter(true, true);
        return std::exchange(value_, desired);
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order, std::memory_order) noexcept {
        enter(true, true);
        if (value_ != expected) {
            expected = value_;
            return false;
        }
        value_ = desired;
        return true;
    }

private:
    Explorer* enter(bool write, bool drain) const noexcept {
        Explorer* const explorer = Explorer::current();
        if (explorer == nullptr || explorer->thread() == Explorer::max_threads) {
            return nullptr;
        }
        if (shared_) {
            explorer->step(this, write, drain);
            return explorer;
        }
        const auto self = static_cast<std::uint8_t>(1U << explorer->thread());
        users_ = static_cast<std::uint8_t>(users_ | self);
        written_ = written_ || write;
        if (written_ && std::popcount(users_) > 1) {
            explorer->fail("a place that was not shared is written by one thread and used by another");
        }
        return explorer;
    }

    T value_{};
    bool shared_ = false;
    mutable std::uint8_t users_ = 0;
    mutable bool written_ = false;
};

} // namespace ecsdb::test
