#include "ecsdb/storage/pins.hpp"

#include "ecsdb/storage/reclaim.hpp"
#include "support/schedule_explorer.hpp"
#include "support/storage_fixture.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::pins_test {
namespace {

using storage::Node;
using storage::PagePool;
using storage::PinTable;
using storage::PoolOptions;
using storage::Reclaimer;
using storage::Stamp;

constexpr std::uint32_t alive = 0xA11FE;
constexpr std::uint32_t freed = 0xDEAD;

/// Pages and roots are equally large, so that the pool hands a freed root's address to the next root or page.
struct TestPage : Node {
    std::uint32_t canary;
};
struct TestRoot : Node {
    std::uint32_t canary;
    std::uint32_t version;
    std::array<Node*, 2> pages;
};
static_assert(sizeof(TestRoot) <= 64);

using Table = PinTable<TestRoot, ScheduledAtomic>;
using Slot = Table::Slot;
using Pin = Table::Pin;

enum class Variant {
    Real,
    NoSecondLoad,        ///< The reader trusts the root it has stored.
    ScanBeforePublish,   ///< The writer looks at the slots too early.
    EverythingIgnored,   ///< The writer frees although a reader has announced that it may need every version.
    CopyToLaterSlot,     ///< A view copies its pin into a slot that is scanned after its own, then gives its own back.
    CopyToEarlierSlot,   ///< … into one that is scanned before its own.
    ForkScannedLast,     ///< A fork copies a pin into its own table; the writer scans that one second …
    ForkScannedFirst,    ///< … or first.
    ReadersShareOneSlot, ///< Both readers start their search for a slot at the same one.
};

struct Setup {
    Variant variant = Variant::Real;
    std::size_t readers = 1;
    std::uint32_t commits = 3;
    int pins_each = 1;
};

/// Thread 0 commits; every other pins, looks at all it can reach, and unpins.
class PinScenario {
public:
    explicit PinScenario(const Setup& setup) : setup_{setup} {
        published_.share();
        for (std::uint32_t i = 0; i < 3; ++i) {
            for (Table* const table : {&table_, &fork_table_}) {
                const TestRoot any{};
                const ScheduledAtomic<const TestRoot*> here{&any};
                Slot* const slot = table->pin(here, i).slot;
                slots_[table == &table_ ? 0 : 1][i] = slot;
                slot->root.share();
                Table::unpin(*slot);
            }
        }
        current_ = make_root(0);
        for (Node*& page : current_->pages) {
            page = make_page(0);
        }
        published_.store(current_);
    }

    [[nodiscard]] std::size_t thread_count() const noexcept { return 1 + setup_.readers; }

    void run(std::size_t thread) {
        if (thread == 0) {
            for (std::uint32_t stamp = 1; stamp <= setup_.commits; ++stamp) {
                commit(stamp);
            }
            return;
        }
        for (int i = 0; i < setup_.pins_each; ++i) {
            read(thread - 1);
        }
    }

    /// Nothing is pinned any more: all but the current version must be free now.
    void finish() {
        collect(setup_.commits);
        if (reclaimer_.holds_anything() || reclaimer_.retired_bytes() != 0 || pool_.used_bytes() != 3 * 64) {
            Explorer::current()->fail("something was never freed");
        }
    }

private:
    /// What the writer consults before it frees: one table, or a fork's as well. Between the looking and the freeing others may run.
    struct Pins {
        PinScenario* scenario;
        [[nodiscard]] std::size_t slot_count() const noexcept { return scenario->table_.slot_count() + scenario->fork_table_.slot_count(); }
        template <typename Visit>
        [[nodiscard]] bool scan(Visit&& visit) const noexcept {
            const bool fork_first = scenario->setup_.variant == Variant::ForkScannedFirst;
            const bool complete = (fork_first ? scenario->fork_table_ : scenario->table_).scan(visit) &&
                                  (!scenario->has_fork() || (fork_first ? scenario->table_ : scenario->fork_table_).scan(visit));
            Explorer::current()->step(&scenario->contents_, true, false);
            return complete || scenario->setup_.variant == Variant::EverythingIgnored;
        }
    };

    [[nodiscard]] bool has_fork() const noexcept {
        return setup_.variant == Variant::ForkScannedLast || setup_.variant == Variant::ForkScannedFirst;
    }

    TestRoot* make_root(std::uint32_t stamp) {
        auto* const root = static_cast<TestRoot*>(take(sizeof(TestRoot), stamp));
        root->canary = alive;
        root->version = stamp;
        return root;
    }
    Node* make_page(std::uint32_t stamp) {
        auto* const page = static_cast<TestPage*>(take(sizeof(TestPage), stamp));
        page->canary = alive;
        return page;
    }
    Node* take(std::uint32_t bytes, std::uint32_t stamp) {
        Node* const node = pool_.take(bytes);
        if (node == nullptr) {
            std::abort(); // the scenario has outgrown its pool
        }
        node->born = stamp;
        return node;
    }

    void commit(std::uint32_t stamp) {
        TestRoot* const old = current_;
        current_ = make_root(stamp);
        current_->pages = old->pages;
        // One page lives for one version, the other for two.
        for (std::size_t i = 0; i < 1 + stamp % 2; ++i) {
            reclaimer_.retire(std::exchange(current_->pages[i], make_page(stamp)), stamp);
        }
        reclaimer_.retire(old, stamp);
        if (setup_.variant == Variant::ScanBeforePublish) {
            collect(stamp);
            published_.store(current_);
        } else {
            published_.store(current_);
            collect(stamp);
        }
    }

    void collect(Stamp published) {
        reclaimer_.collect(Pins{this}, published);
        // Whatever the pool would hand out is free: mark it, and give it back in the order in which it came.
        free_.clear();
        const std::size_t used = pool_.used_bytes();
        while (Node* const node = pool_.take(64)) {
            static_cast<TestPage*>(node)->canary = freed;
            free_.push_back(node);
        }
        while (!free_.empty()) {
            pool_.give(free_.back());
            free_.pop_back();
        }
        if (pool_.used_bytes() != used) {
            std::abort();
        }
        for (const TestRoot* const root : held_) {
            check(root);
        }
    }

    void read(std::size_t reader) {
        const auto hint = static_cast<std::uint32_t>(setup_.variant == Variant::ReadersShareOneSlot ? 0 : reader);
        Pin pin = setup_.variant == Variant::NoSecondLoad ? pin_without_second_load(hint) : table_.pin(published_, hint);
        held_[reader] = pin.root;
        check(pin.root);
        switch (setup_.variant) {
        case Variant::CopyToLaterSlot:
            move_pin(pin, *slots_[0][2]);
            break;
        case Variant::CopyToEarlierSlot:
            move_pin(pin, *slots_[0][0]);
            break;
        case Variant::ForkScannedLast:
        case Variant::ForkScannedFirst:
            move_pin(pin, *slots_[1][0]);
            break;
        default:
            break;
        }
        Explorer::current()->step(&contents_, false, false);
        check(pin.root);
        held_[reader] = nullptr;
        Table::unpin(*pin.slot);
    }

    Pin pin_without_second_load(std::uint32_t hint) {
        const ScheduledAtomic<const TestRoot*> seen{published_.load()};
        return table_.pin(seen, hint);
    }

    /// Announces the pinned root in a second slot, then gives the first one back.
    static void move_pin(Pin& pin, Slot& to) {
        to.root.store(pin.root);
        Table::unpin(*std::exchange(pin.slot, &to));
    }

    void check(const TestRoot* root) {
        if (root == nullptr) {
            return;
        }
        bool good = root->canary == alive && root->version == root->born;
        for (std::size_t i = 0; good && i < root->pages.size(); ++i) {
            good = static_cast<const TestPage*>(root->pages[i])->canary == alive && root->pages[i]->born <= root->born;
        }
        if (!good) {
            Explorer::current()->fail("a pinned version was freed");
        }
    }

    static PoolOptions one_block() {
        PoolOptions options;
        options.first_block_bytes = options.max_block_bytes = options.memory_limit = 2048;
        return options;
    }

    Setup setup_;
    SystemAllocator allocator_;
    PagePool pool_{allocator_, one_block()};
    Reclaimer reclaimer_{allocator_, pool_};
    Table table_{allocator_};
    Table fork_table_{allocator_};
    ScheduledAtomic<const TestRoot*> published_{nullptr};
    TestRoot* current_ = nullptr;
    std::array<std::array<Slot*, 3>, 2> slots_{};
    std::array<const TestRoot*, 3> held_{};
    std::vector<Node*> free_;
    char contents_ = 0; ///< Stands for everything that can be freed.
};

Explorer::Result explore(const Setup& setup) {
    return Explorer::explore<PinScenario>(setup);
}

} // namespace

TEST_CASE("the explorer finds what is wrong with broken ways of pinning", "[storage][pins]") {
    for (const Variant variant : {Variant::NoSecondLoad, Variant::ScanBeforePublish, Variant::EverythingIgnored, Variant::CopyToEarlierSlot,
                                  Variant::ForkScannedFirst}) {
        CAPTURE(int(variant));
        Setup setup;
        setup.variant = variant;
        setup.commits = variant == Variant::EverythingIgnored ? 4 : 3;
        if (variant == Variant::CopyToEarlierSlot) {
            setup.readers = 2; // the second one's own slot lies behind the first
        }
        CHECK(explore(setup).violation == "a pinned version was freed");
    }
}

TEST_CASE("one reader beside a writer at full speed: no schedule frees what is pinned", "[storage][pins]") {
    Setup setup;
    setup.commits = 5; // enough for two failed tries and `everything`, with commits to spare
    const auto result = explore(setup);
    CHECK(result.violation == "");
    CHECK(result.schedules > 1000);
}

TEST_CASE("one reader that pins again and again: no schedule frees what is pinned", "[storage][pins]") {
    Setup setup;
    setup.pins_each = 2;
    setup.commits = 3;
    const auto result = explore(setup);
    CHECK(result.violation == "");
    CHECK(result.schedules > 1000);
}

TEST_CASE("two readers and three commits: no schedule frees what is pinned", "[storage][pins]") {
    Setup setup;
    setup.readers = 2;
    setup.commits = sanitized ? 1 : 3;
    const auto result = explore(setup);
    CHECK(result.violation == "");
    CHECK(result.schedules > (sanitized ? 100 : 100000));
}

TEST_CASE("two readers that want the same slot: no schedule frees what is pinned", "[storage][pins]") {
    Setup setup;
    setup.variant = Variant::ReadersShareOneSlot;
    setup.readers = 2;
    setup.commits = sanitized ? 1 : 2;
    const auto result = explore(setup);
    CHECK(result.violation == "");
    CHECK(result.schedules > 100);
}

TEST_CASE("a pin may be copied to where the writer looks later, in the same table or a fork's", "[storage][pins]") {
    for (const Variant variant : {Variant::CopyToLaterSlot, Variant::ForkScannedLast}) {
        CAPTURE(int(variant));
        Setup setup;
        setup.variant = variant;
        const auto result = explore(setup);
        CHECK(result.violation == "");
        CHECK(result.schedules > 100);
    }
}

} // namespace ecsdb::test::pins_test
