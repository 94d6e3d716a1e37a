#include "ecsdb/transaction/participant.hpp"

#include "transaction/random_program.hpp"

#include <string>
#include <vector>

namespace ecsdb::test::participant_test {
namespace {

/// Writes down what it is told, and objects on demand.
class Witness final : public transaction::Participant {
public:
    explicit Witness(std::string& log, char name, bool wants) : log_{&log}, name_{name}, wants_{wants} {}

    [[nodiscard]] bool wants_changes() const noexcept override { return wants_; }
    [[nodiscard]] Result<void> prepare(storage::WriteBuffer& state) noexcept override {
        note('p');
        changes += state.changes().list().size();
        if (veto) {
            return Error{ErrorCode::ConstraintViolation, "there may be only one"};
        }
        return {};
    }
    void accepted(const transaction::Accepted& transaction) noexcept override {
        note('a');
        version = transaction.version;
    }
    [[nodiscard]] Result<void> seal(const storage::Root& previous, storage::Root& next) noexcept override {
        note('s');
        CHECK(next.version > previous.version);
        if (fail_seal) {
            return Error{ErrorCode::Io, "the disk is gone"};
        }
        return {};
    }
    void published(const storage::Root& root) noexcept override {
        note('P');
        CHECK(root.version == version);
    }
    void discarded() noexcept override { note('d'); }
    [[nodiscard]] Result<void> raise_index_mark(std::uint64_t mark) noexcept override {
        note('m');
        marks.push_back(mark);
        if (refuse_mark) {
            return Error{ErrorCode::Io, "the mark cannot be kept"};
        }
        return {};
    }

    bool veto = false;
    bool fail_seal = false;
    bool refuse_mark = false;
    std::size_t changes = 0;
    std::uint64_t version = 0;
    std::vector<std::uint64_t> marks;

private:
    void note(char what) {
        *log_ += what;
        *log_ += name_;
        *log_ += ' ';
    }
    std::string* log_;
    char name_;
    bool wants_;
};

struct Scene {
    std::string log;
    Witness first{log, '1', true};
    Witness second{log, '2', false};
    World8 db = open_db(stepped());
    Entity entity;

    Scene() {
        db.engine().pipeline().writer().join(first);
        db.engine().pipeline().writer().join(second);
        auto tx = db.begin();
        entity = tx.create(Account{1}, Position{});
        REQUIRE(tx.commit());
    }
};

} // namespace

TEST_CASE("participants are asked in turn, per transaction and per batch", "[transaction][participant]") {
    Scene scene;
    CHECK(scene.log == "p1 p2 a1 a2 s1 s2 P1 P2 ");
    CHECK(scene.first.changes == 3);
    scene.log.clear();
    Ticket good = scene.db.update(scene.entity, Account{2});
    Ticket bad = scene.db.insert(scene.entity, Account{3});
    Ticket more = scene.db.update(scene.entity, Account{4});
    step_all(scene.db);
    CHECK(scene.log == "p1 p2 a1 a2 p1 p2 a1 a2 s1 s2 P1 P2 ");
    CHECK(good.wait());
    CHECK_FALSE(bad.wait());
    CHECK(more.wait());
    scene.log.clear();
    CHECK_FALSE(scene.db.insert(scene.entity, Account{3}).wait());
    CHECK(scene.log.empty());
}

TEST_CASE("a veto rolls the transaction back and spares its neighbours", "[transaction][participant]") {
    Scene scene;
    scene.second.veto = true;
    scene.log.clear();
    const std::uint64_t before = scene.db.read().hash();
    auto tx = scene.db.begin();
    tx.update(scene.entity, Account{2}).create(Position{});
    const Result<void> vetoed = tx.commit();
    REQUIRE_FALSE(vetoed);
    CHECK(vetoed.error().to_string() == "ConstraintViolation: there may be only one");
    CHECK(scene.log == "p1 p2 ");
    CHECK(scene.db.read().hash() == before);
    CHECK(scene.db.read().entity_version(scene.entity) == 1U);
    CHECK(code_of(scene.db.execute([](auto& state) { return state.create(); })) == ErrorCode::ConstraintViolation);
    CHECK(code_of(scene.db.update<Account>([](Account& account) { account.balance = 9; })) == ErrorCode::ConstraintViolation);
    CHECK(scene.db.read().hash() == before);
    scene.second.veto = false;
    CHECK(scene.db.update(scene.entity, Account{5}).wait());
    CHECK(scene.db.version() == 2);
}

TEST_CASE("a batch that cannot be sealed never was", "[transaction][participant]") {
    Scene scene;
    auto& db = scene.db;
    const Entity doomed = [&] {
        auto tx = db.begin();
        const Entity entity = tx.create(Burning{});
        REQUIRE(tx.commit());
        return entity;
    }();
    scene.second.fail_seal = true;
    const std::uint64_t before = db.read().hash();
    const std::uint64_t counts = hash_of_counts(db.read().root(), db.engine().store().entity_versions());
    for (int round = 0; round < 3; ++round) {
        scene.log.clear();
        Ticket one = db.update(scene.entity, Account{2});
        Ticket own_fault = db.insert(scene.entity, Account{2});
        Ticket two = db.destroy(doomed);
        auto tx = db.begin();
        const Entity ghost = tx.create(Wide{}, Target{});
        Ticket three = tx.submit();
        const Result<void> four = db.update<Account>([](Account& account) { ++account.balance; });
        CHECK(code_of(one.wait()) == ErrorCode::Io);
        CHECK(code_of(own_fault.wait()) == ErrorCode::AlreadyExists);
        CHECK(code_of(two.wait()) == ErrorCode::Io);
        CHECK(code_of(three.wait()) == ErrorCode::Io);
        CHECK(code_of(four) == ErrorCode::Io);
        CHECK(scene.log.substr(scene.log.size() - 12) == "s1 s2 d1 d2 ");
        CHECK(db.read().hash() == before);
        CHECK(hash_of_counts(db.read().root(), db.engine().store().entity_versions()) == counts);
        CHECK_FALSE(db.read().is_alive(ghost));
    }
    scene.second.fail_seal = false;
    CHECK(db.destroy(doomed).wait());
    CHECK(db.update(scene.entity, Account{3}).wait());
    CHECK(db.get<Account>(scene.entity)->balance == 3);
    CHECK(db.version() == 4);
}

TEST_CASE("discarding batches at random leaves what the others did", "[transaction][participant]") {
    std::string log;
    Witness witness{log, '1', true};
    World8 db = open_db(stepped());
    db.engine().pipeline().writer().join(witness);
    RandomProgram program{db, 7};
    for (int round = 0; round < 300; ++round) {
        CAPTURE(round);
        for (std::uint64_t left = 1 + program.below(10); left != 0; --left) {
            program.submit(8);
        }
        std::string wrong = program.run();
        REQUIRE(wrong.empty());
        // What is discarded is not in the program's model, and must not be in the database.
        witness.fail_seal = true;
        for (std::uint64_t left = program.below(6); left != 0; --left) {
            auto tx = db.begin();
            const Entity ghost = tx.create(Position{}, Target{}, Wide{});
            tx.remove<Position>(ghost);
            for (const auto& [index, living] : program.model().living) {
                if (program.below(3) == 0) {
                    tx.destroy(Entity{index, living.generation, 0});
                } else {
                    tx.set(Entity{index, living.generation, 0}, Level{9});
                }
            }
            REQUIRE(tx.post());
        }
        step_all(db);
        witness.fail_seal = false;
        wrong = program.check();
        REQUIRE(wrong.empty());
    }
}

TEST_CASE("indices are handed out only below a mark that every participant knows", "[transaction][participant]") {
    Scene scene;
    scene.db.engine().pipeline().ids().lower_mark(scene.db.engine().pipeline().ids().next_fresh());
    scene.first.refuse_mark = true;
    auto tx = scene.db.begin();
    for (int i = 0; i < 100 && tx.create() != Entity{}; ++i) {
    }
    CHECK(tx.create().is_null());
    CHECK(code_of(tx.commit()) == ErrorCode::Io);
    CHECK(code_of(scene.db.execute([](auto& state) { return state.template create_many<>(1000); })) == ErrorCode::Io);
    scene.first.refuse_mark = false;
    auto again = scene.db.begin();
    const Entity entity = again.create();
    REQUIRE(again.commit());
    CHECK(scene.db.read().is_alive(entity));
    CHECK(entity.index() < scene.first.marks.back());
    const Result<Entity> many = scene.db.execute([](auto& state) { return state.template create_many<>(100'000); });
    REQUIRE(many);
    CHECK(many->index() + 100'000 <= scene.first.marks.back());
    CHECK(scene.second.marks ==
          std::vector<std::uint64_t>(scene.first.marks.end() - std::ptrdiff_t(scene.second.marks.size()), scene.first.marks.end()));
}

} // namespace ecsdb::test::participant_test
