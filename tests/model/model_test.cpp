// Random programs against a plain model: of several threads on entities of their own, and of one with every form of transaction. Runs by
// the clock (support/environment.hpp) and prints its seed; ECSDB_TEST_SEED repeats one.
#include "support/environment.hpp"
#include "transaction/random_program.hpp"

#include <array>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace ecsdb::test::model_test {
namespace {

/// A thread's own entities: nobody else changes them, so their state follows from its own program alone.
class Client {
public:
    struct Living {
        std::optional<Position> position;
        std::optional<std::int64_t> account;
        std::optional<std::uint64_t> target;
        bool visible = false;
        std::uint32_t count = 0;
    };

    Client(World8& db, std::uint64_t seed) : db_{&db}, random_{seed} {}

    /// Empty, or the first thing that went wrong.
    std::string run(std::uint64_t until_ns) {
        SystemClock clock;
        while (wrong_.empty() && clock.monotonic_ns() < until_ns) {
            for (int i = 0; i < 50 && wrong_.empty(); ++i) {
                step();
            }
            check();
        }
        while (!pending_.empty()) {
            settle();
        }
        check();
        return wrong_;
    }
    [[nodiscard]] const std::map<Entity, Living>& living() const noexcept { return living_; }
    [[nodiscard]] std::uint64_t transactions() const noexcept { return transactions_; }

private:
    struct Pending {
        Ticket ticket;
        bool fails;
    };

    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    void expect(bool holds, const char* what) {
        if (!holds && wrong_.empty()) {
            wrong_ = what;
        }
    }
    std::map<Entity, Living>::iterator somebody(std::map<Entity, Living>& from) {
        auto chosen = from.begin();
        std::advance(chosen, static_cast<std::ptrdiff_t>(below(from.size())));
        return chosen;
    }
    void settle() {
        Pending pending = std::move(pending_.back());
        pending_.pop_back();
        expect(pending.ticket.wait().has_value() != pending.fails, "a transaction ended otherwise than it must");
    }

    void step() {
        ++transactions_;
        if (below(20) == 0) {
            function();
            return;
        }
        auto tx = db_->begin();
        std::map<Entity, Living> scratch = living_;
        std::set<Entity> touched;
        for (std::uint64_t left = 1 + below(6); left != 0; --left) {
            change(tx, scratch, touched);
        }
        const bool fails = below(4) == 0;
        if (fails) {
            tx.update(graveyard_, Account{1});
        }
        if (below(3) == 0) {
            expect(tx.commit().has_value() != fails, "a commit ended otherwise than it must");
        } else {
            pending_.push_back({tx.submit(), fails});
            if (pending_.size() > 40) {
                settle();
            }
        }
        if (!fails) {
            keep(std::move(scratch), touched);
        }
    }
    void keep(std::map<Entity, Living> scratch, const std::set<Entity>& touched) {
        for (const Entity entity : touched) {
            if (const auto found = scratch.find(entity); found != scratch.end()) {
                ++found->second.count;
            }
        }
        living_ = std::move(scratch);
    }

    template <typename Tx>
    void change(Tx& tx, std::map<Entity, Living>& scratch, std::set<Entity>& touched) {
        if (scratch.size() < 20 || below(8) == 0) {
            const Position position{float(below(100)), 0, 0};
            const Entity entity = tx.create(position);
            expect(given_.insert(entity).second, "an id was handed out twice");
            scratch[entity].position = position;
            touched.insert(entity);
            return;
        }
        const auto [entity, living] = *somebody(scratch);
        Living& values = scratch[entity];
        switch (below(7)) {
        case 0:
            tx.destroy(entity);
            scratch.erase(entity);
            break;
        case 1:
            values.target = below(1000);
            tx.set(entity, Target{*values.target});
            break;
        case 2:
            if (!values.target && !values.visible) {
                return;
            }
            tx.template remove<Target>(entity).template remove<Visible>(entity);
            values.target.reset();
            values.visible = false;
            break;
        case 3:
            values.visible = true;
            tx.set(entity, Visible{});
            break;
        default:
            values.account = static_cast<std::int64_t>(below(1000));
            tx.set(entity, Account{*values.account});
        }
        touched.insert(entity);
    }

    /// Reads what its own earlier transactions wrote, and moves a balance on.
    void function() {
        if (living_.empty()) {
            return;
        }
        const Entity entity = somebody(living_)->first;
        const Living& known = living_[entity];
        const bool gives_up = below(3) == 0;
        const std::int64_t next = static_cast<std::int64_t>(below(1000));
        const Result<bool> result = db_->execute([&](World8::WriteState& state) -> Result<bool> {
            const Account* const account = state.get<Account>(entity);
            bool right = state.is_alive(entity) && (account != nullptr) == known.account.has_value();
            right = right && (account == nullptr || account->balance == *known.account);
            if (auto set = state.set(entity, Account{next}); !set) {
                return std::move(set).error();
            }
            right = right && state.get<Account>(entity)->balance == next;
            if (gives_up) {
                return Error{ErrorCode::Aborted, right ? "right" : "wrong"};
            }
            return right;
        });
        if (gives_up) {
            expect(!result && result.error().message() == "right", "a function that gave up saw something else");
            return;
        }
        expect(result && *result, "a function saw something else than was written");
        living_[entity].account = next;
        ++living_[entity].count;
    }

    void check() {
        while (!pending_.empty()) {
            settle();
        }
        const auto view = db_->read();
        for (const auto& [entity, expected] : living_) {
            const auto [position, account, target, visible] = view.get<Position, Account, Target, Visible>(entity);
            expect(view.is_alive(entity), "an entity is missing");
            expect((position != nullptr) == expected.position.has_value() && (position == nullptr || *position == *expected.position),
                   "a position");
            expect((account != nullptr) == expected.account.has_value() && (account == nullptr || account->balance == *expected.account),
                   "an account");
            expect((target != nullptr) == expected.target.has_value() && (target == nullptr || target->entity == *expected.target),
                   "a target");
            expect((visible != nullptr) == expected.visible, "a tag");
            expect(view.entity_version(entity) == expected.count, "a count of changes");
        }
    }

    World8* db_;
    std::mt19937_64 random_;
    Entity graveyard_{0xFFFFFFF0U, 1, 0};
    std::map<Entity, Living> living_;
    std::set<Entity> given_;
    std::vector<Pending> pending_;
    std::uint64_t transactions_ = 0;
    std::string wrong_;
};

} // namespace

TEST_CASE("random programs of several threads leave what their plain models say", "[model][threads]") {
    const std::uint64_t seed = test_seed("model/model");
    CAPTURE(seed);
    SystemClock clock;
    const std::uint64_t end = clock.monotonic_ns() + test_seconds(3, 60) * 1'000'000'000 / 2;
    World8 db = open_db();
    // What all of them share: a sum that transfers and whole-column updates conserve.
    constexpr std::int64_t banks = 64;
    auto tx = db.begin();
    std::vector<Entity> bank;
    for (std::int64_t i = 0; i < banks; ++i) {
        bank.push_back(tx.create(Velocity{100, 0, 0}, Level{1}));
    }
    REQUIRE(tx.commit());

    std::vector<Client> clients;
    for (std::uint64_t t = 0; t < 3; ++t) {
        clients.emplace_back(db, seed + t);
    }
    std::array<std::string, 3> wrong;
    std::string shared_wrong;
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < clients.size(); ++t) {
            threads.emplace_back([&, t] { wrong[t] = clients[t].run(end); });
        }
        threads.emplace_back([&] {
            std::mt19937_64 random{seed ^ 0x5EED};
            while (clock.monotonic_ns() < end) {
                const Entity from = bank[random() % bank.size()];
                const Entity to = bank[random() % bank.size()];
                if (random() % 8 == 0) {
                    // Turned around twice; a transfer that slips in between goes the other way, and the sum stays.
                    for (int i = 0; i < 2; ++i) {
                        if (!db.update<Velocity, const Level>([](Velocity& v, const Level&) { v.x = -v.x; })) {
                            shared_wrong = "a column update failed";
                        }
                    }
                } else if (!db.execute([&](World8::WriteState& state) -> Result<void> {
                               Velocity one = *state.get<Velocity>(from);
                               one.x -= 1;
                               if (auto taken = state.update(from, one); !taken) {
                                   return taken;
                               }
                               Velocity other = *state.get<Velocity>(to);
                               other.x += 1;
                               return state.update(to, other);
                           })) {
                    shared_wrong = "a transfer failed";
                }
                float sum = 0;
                const auto view = db.read();
                view.each<Velocity>([&](const Velocity& v) { sum += v.x; });
                if (sum != 100.0F * banks && sum != -100.0F * banks) {
                    shared_wrong = "the shared sum is " + std::to_string(sum);
                }
            }
        });
    }
    CHECK(shared_wrong.empty());
    std::uint64_t entities = bank.size();
    for (std::size_t t = 0; t < clients.size(); ++t) {
        CAPTURE(t);
        CHECK(wrong[t] == "");
        CHECK(clients[t].transactions() >= 50);
        entities += clients[t].living().size();
    }
    CHECK(db.read().entity_count() == entities);
}

TEST_CASE("random programs with every form of transaction follow the model, and so does a replica", "[model]") {
    std::uint64_t seed = test_seed("model/model");
    SystemClock clock;
    const std::uint64_t end = clock.monotonic_ns() + test_seconds(3, 60) * 1'000'000'000 / 2;
    std::uint64_t rounds = 0;
    do {
        CAPTURE(seed);
        Recorder recorder;
        World8 db = open_db(stepped());
        db.engine().pipeline().writer().join(recorder);
        RandomProgram program{db, seed++};
        Replica replica{db.schema()};
        for (int round = 0; round < 60; ++round, ++rounds) {
            for (std::uint64_t left = program.below(10); left != 0; --left) {
                program.submit(1 + program.below(12));
            }
            switch (program.below(4)) {
            case 0:
                program.column_update();
                break;
            case 1:
                program.function(15);
                break;
            case 2:
                program.create_many();
                break;
            default:
                break;
            }
            const std::string wrong = program.run();
            CAPTURE(wrong);
            REQUIRE(wrong.empty());
            for (const Recorder::Step& step : recorder.steps) {
                const Result<bool> applied = replica.apply(step.delta, step.time_ns);
                REQUIRE(applied.has_value());
                REQUIRE(replica.hash() == step.hash);
                REQUIRE(replica.counts() == step.counts);
            }
            recorder.steps.clear();
        }
    } while (clock.monotonic_ns() < end);
    CHECK(rounds >= 60);
}

} // namespace ecsdb::test::model_test
