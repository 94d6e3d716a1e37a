// Column updates, functions and commands of several threads at once: whether some serial order explains what they read. Runs by
// the clock (support/environment.hpp) and prints its seed; ECSDB_TEST_SEED repeats one, as far as threads can be repeated.
#include "support/environment.hpp"
#include "support/history.hpp"
#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace ecsdb::test::serialisability_test {

// Two columns, each updated from the other. Every row says who wrote it last, and a column update also leaves whose values it read. The
// second is wide, so that an update has pieces enough to be shared with a helper.
struct Left {
    std::uint64_t writer;
    std::uint64_t before; ///< Who had written this row.
    std::uint64_t seen;   ///< Who had written the row of the other column.
};
ECSDB_COMPONENT(Left, writer, before, seen);
struct Right {
    std::uint64_t writer;
    std::uint64_t before;
    std::uint64_t seen;
    std::uint64_t padding[72];
};
ECSDB_COMPONENT(Right, writer, before, seen, padding);
/// Sets one entity apart: its pages are nobody else's.
struct Beacon {};
ECSDB_COMPONENT(Beacon);

namespace {

using World = Database<Left, Right, Visible, Beacon>;
constexpr TableId left_table = 0;
constexpr TableId right_table = 1;

enum class Kind : std::uint8_t { LeftUpdate, RightUpdate, Other };
constexpr std::uint64_t item_of(Entity entity, TableId column) {
    return std::uint64_t{entity.generation()} << 40U | std::uint64_t{entity.index()} << 1U | column;
}

/// Writes the history down, on the writer.
class Witness final : public transaction::Participant {
public:
    [[nodiscard]] bool wants_changes() const noexcept override { return true; }
    [[nodiscard]] Result<void> prepare(storage::WriteBuffer& state) noexcept override {
        state_ = &state;
        return {};
    }
    /// Who it is, its row of the beacon tells: every transaction writes one of them.
    void accepted(const transaction::Accepted&) noexcept override {
        const std::uint64_t left = writer_of<Left>(left_table);
        const std::uint64_t right = writer_of<Right>(right_table);
        const std::uint64_t id = left != beacon_left_ ? left : right;
        beacon_left_ = left;
        const std::lock_guard lock{mutex_};
        const Kind kind = kinds_.at(id);
        Recorded& recorded = announced_[id];
        if (kind == Kind::LeftUpdate) {
            record_update<Left>(recorded, left_table, right_table);
        } else if (kind == Kind::RightUpdate) {
            record_update<Right>(recorded, right_table, left_table);
        }
        history.push_back(std::move(recorded));
        announced_.erase(id);
    }

    /// Any thread, before it is submitted. Then only the writer changes it.
    Recorded& announce(std::uint64_t id, Kind kind) {
        const std::lock_guard lock{mutex_};
        kinds_[id] = kind;
        Recorded& recorded = announced_[id];
        recorded.id = id;
        return recorded;
    }

    Entity beacon;
    std::vector<Recorded> history;
    bool incomplete = false; ///< A column update left out a row.

private:
    template <typename T>
    [[nodiscard]] std::uint64_t writer_of(TableId table) const {
        return reinterpret_cast<const T*>(state_->find_row(beacon, table))->writer;
    }
    template <typename T>
    void record_update(Recorded& recorded, TableId written, TableId read) {
        const storage::Root& root = state_->root();
        storage::for_each_row(root, std::array{written}, [&](std::uint32_t index, const std::byte* const* rows) {
            const auto& row = *reinterpret_cast<const T*>(rows[0]);
            const Entity entity = root.entity_at(index);
            incomplete = incomplete || row.writer != recorded.id;
            if (entity != beacon) {
                recorded.reads.push_back({item_of(entity, written), row.before});
                recorded.reads.push_back({item_of(entity, read), row.seen});
                recorded.writes.push_back(item_of(entity, written));
            }
        });
    }

    storage::WriteBuffer* state_ = nullptr;
    std::uint64_t beacon_left_ = 0;
    std::mutex mutex_;
    std::map<std::uint64_t, Kind> kinds_;
    std::map<std::uint64_t, Recorded> announced_; // nodes stay where they are
};

class Client {
public:
    Client(World& db, Witness& witness, const std::vector<Entity>& entities, std::uint64_t number, std::uint64_t seed)
        : db_{&db}, witness_{&witness}, entities_{&entities}, random_{seed}, next_id_{number << 32U} {}

    void run(int transactions) {
        for (int i = 0; i < transactions; ++i) {
            const std::uint64_t choice = below(10);
            if (choice < 3) {
                update_column();
            } else if (choice < 6) {
                execute();
            } else {
                command();
            }
        }
        for (Ticket& ticket : pending_) {
            failed += !ticket.wait();
        }
    }
    int failed = 0;

private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    Entity somebody() { return (*entities_)[below(entities_->size())]; }

    void update_column() {
        const std::uint64_t id = ++next_id_;
        if (below(2) == 0) {
            witness_->announce(id, Kind::LeftUpdate);
            failed += !db_->update<Left, const Right>([id](Left& left, const Right& right) { left = {id, left.writer, right.writer}; });
        } else {
            witness_->announce(id, Kind::RightUpdate);
            failed += !db_->update<Right, const Left>([id](Right& right, const Left& left) {
                right.before = right.writer;
                right.seen = left.writer;
                right.writer = id;
            });
        }
    }

    /// Reads some rows, and writes some.
    void execute() {
        const std::uint64_t id = ++next_id_;
        Recorded& recorded = witness_->announce(id, Kind::Other);
        std::array<Entity, 4> chosen;
        std::generate(chosen.begin(), chosen.end(), [&] { return somebody(); });
        std::array<TableId, 4> columns;
        std::generate(columns.begin(), columns.end(), [&] { return static_cast<TableId>(below(2)); });
        failed += !db_->execute([&](World::WriteState& state) -> Result<void> {
            for (std::size_t i = 0; i < chosen.size(); ++i) {
                const std::uint64_t writer =
                    columns[i] == left_table ? state.get<Left>(chosen[i])->writer : state.get<Right>(chosen[i])->writer;
                recorded.reads.push_back({item_of(chosen[i], columns[i]), writer});
            }
            // One that it read, and one that it did not.
            for (const auto& [entity, column] : {std::pair{chosen[0], columns[0]}, std::pair{chosen[1], TableId(1 - columns[1])}}) {
                if (Result<void> written = write(state, entity, column, id); !written) {
                    return written;
                }
                recorded.writes.push_back(item_of(entity, column));
            }
            std::sort(recorded.writes.begin(), recorded.writes.end());
            recorded.writes.erase(std::unique(recorded.writes.begin(), recorded.writes.end()), recorded.writes.end());
            return write(state, witness_->beacon, left_table, id);
        });
    }
    static Result<void> write(World::WriteState& state, Entity entity, TableId column, std::uint64_t id) {
        return column == left_table ? state.set(entity, Left{id, 0, 0}) : state.set(entity, Right{id, 0, 0, {}});
    }

    /// Writes without reading; rows move from archetype to archetype, and entities come and go.
    void command() {
        const std::uint64_t id = ++next_id_;
        Recorded& recorded = witness_->announce(id, Kind::Other);
        auto tx = db_->begin();
        const Entity one = somebody();
        const Entity other = somebody();
        tx.set(one, Left{id, 0, 0}).set(other, Right{id, 0, 0, {}}).update(witness_->beacon, Left{id, 0, 0});
        recorded.writes = {item_of(one, left_table), item_of(other, right_table)};
        switch (below(4)) {
        case 0:
            tx.set(one, Visible{});
            break;
        case 1:
            tx.remove<Visible>(one);
            break;
        case 2: {
            const Entity created = tx.create(Left{id, 0, 0}, Right{id, 0, 0, {}});
            recorded.writes.push_back(item_of(created, left_table));
            recorded.writes.push_back(item_of(created, right_table));
            own_.push_back(created);
            break;
        }
        default:
            if (!own_.empty()) {
                tx.destroy(own_.front());
                own_.pop_front();
            }
        }
        pending_.push_back(tx.submit());
    }

    World* db_;
    Witness* witness_;
    const std::vector<Entity>* entities_;
    std::mt19937_64 random_;
    std::uint64_t next_id_;
    std::deque<Entity> own_;
    std::vector<Ticket> pending_;
};

/// The history of several threads' random transactions on one database.
std::vector<Recorded> random_history(std::uint64_t seed, int transactions) {
    Witness witness;
    World db = open_db<World>(stepped());
    db.engine().pipeline().writer().join(witness);
    std::vector<Entity> entities;
    {
        witness.announce(1, Kind::Other);
        auto tx = db.begin();
        for (std::uint32_t i = 0; i < 1100; ++i) {
            entities.push_back(tx.create(Left{}, Right{}));
        }
        witness.beacon = tx.create(Left{1, 0, 0}, Right{1, 0, 0, {}}, Beacon{});
        REQUIRE(tx.commit());
        witness.history.clear();
    }
    std::deque<Client> clients;
    for (std::uint64_t t = 0; t < 3; ++t) {
        clients.emplace_back(db, witness, entities, t + 1, seed + t);
    }
    {
        std::atomic<bool> done{false};
        // As the database's own thread would: it runs what there is to run, and else helps with column updates. The clients, where they
        // wait, run the writer's work as well.
        std::jthread driver{[&] {
            while (!done) {
                if (!db.step() && !db.engine().pipeline().help_desk().help({[](const void*) { return false; }, nullptr})) {
                    std::this_thread::yield();
                }
            }
        }};
        {
            std::vector<std::jthread> running;
            for (Client& client : clients) {
                running.emplace_back([&] { client.run(transactions); });
            }
        }
        done = true;
    }
    int failed = 0;
    for (const Client& client : clients) {
        failed += client.failed;
    }
    CHECK(failed == 0);
    CHECK_FALSE(witness.incomplete);
    CHECK(witness.history.size() == clients.size() * static_cast<std::size_t>(transactions));
    return std::move(witness.history);
}

} // namespace

TEST_CASE("a history that no serial order explains is found out", "[model][history]") {
    constexpr std::uint64_t x = 10;
    constexpr std::uint64_t y = 11;
    SECTION("two that read the same value and both replace it") {
        const std::vector<Recorded> lost_update{{1, {{x, 0}}, {x}}, {2, {{x, 0}}, {x}}};
        CHECK(History{lost_update}.contradiction() == "1 before 2 before 1");
        CHECK_FALSE(History{lost_update}.is_in_order_of_commits());
    }
    SECTION("two that each read what the other replaces") {
        const std::vector<Recorded> skew{{1, {{x, 0}, {y, 0}}, {x}}, {2, {{x, 0}, {y, 0}}, {y}}};
        CHECK(History{skew}.contradiction() == "1 before 2 before 1");
    }
    SECTION("one that sees half of another") {
        const std::vector<Recorded> torn{{1, {}, {x, y}}, {2, {{x, 1}, {y, 0}}, {}}};
        CHECK(History{torn}.contradiction() == "1 before 2 before 1");
    }
    SECTION("a circle of three") {
        const std::vector<Recorded> circle{{1, {{x, 0}}, {y}}, {2, {{y, 1}}, {12}}, {3, {{12, 0}}, {x}}};
        CHECK(History{circle}.contradiction().empty()); // 3 between the others would do
        const std::vector<Recorded> closed{{1, {{13, 0}}, {y}}, {2, {{y, 1}}, {12}}, {3, {{12, 2}}, {13, x}}, {4, {{x, 3}, {y, 0}}, {}}};
        CHECK_FALSE(History{closed}.contradiction().empty());
    }
    SECTION("a value from nowhere") {
        const std::vector<Recorded> invented{{1, {{x, 7}}, {x}}};
        CHECK(History{invented}.contradiction() == "transaction 1 read what nobody had written");
        CHECK_FALSE(History{invented}.is_in_order_of_commits());
    }
}

TEST_CASE("a history that some serial order explains is let through", "[model][history]") {
    constexpr std::uint64_t x = 10;
    constexpr std::uint64_t y = 11;
    CHECK(History{{}}.contradiction().empty());
    const std::vector<Recorded> in_order{{1, {{x, 0}}, {x}}, {2, {{x, 1}}, {y}}, {3, {{x, 1}, {y, 2}}, {x, y}}, {4, {{y, 3}}, {}}};
    CHECK(History{in_order}.contradiction().empty());
    CHECK(History{in_order}.is_in_order_of_commits());
    // The second reads an old value, which is in order if it comes first.
    const std::vector<Recorded> otherwise{{1, {}, {x}}, {2, {{x, 0}}, {y}}};
    CHECK(History{otherwise}.contradiction().empty());
    CHECK_FALSE(History{otherwise}.is_in_order_of_commits());
}

TEST_CASE("column updates, functions and commands of several threads are serialisable, each at the place of its commit",
          "[model][column_update][threads]") {
    std::uint64_t seed = test_seed("model/serialisability");
    SystemClock clock;
    const std::uint64_t end = clock.monotonic_ns() + test_seconds(3, 10) * 1'000'000'000;
    do {
        CAPTURE(seed);
        std::vector<Recorded> transactions = random_history(seed, 60);
        const History history{transactions};
        REQUIRE(history.contradiction() == "");
        REQUIRE(history.is_in_order_of_commits());
        // The same history with one value taken back to what it was one transaction earlier is none any more.
        std::map<std::uint64_t, std::vector<std::uint64_t>> writers;
        bool broken = false;
        for (Recorded& transaction : transactions) {
            for (Recorded::Read& read : transaction.reads) {
                const auto& known = writers[read.item];
                const bool writes_it = std::count(transaction.writes.begin(), transaction.writes.end(), read.item) != 0;
                if (!broken && writes_it && known.size() > 1) {
                    REQUIRE(read.writer == known.back());
                    read.writer = known[known.size() - 2];
                    broken = true;
                }
            }
            for (const std::uint64_t item : transaction.writes) {
                writers[item].push_back(transaction.id);
            }
        }
        REQUIRE(broken);
        REQUIRE_FALSE(History{transactions}.contradiction().empty());
        seed += 3;
    } while (clock.monotonic_ns() < end);
}

} // namespace ecsdb::test::serialisability_test
