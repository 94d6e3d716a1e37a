#include "ecsdb/transaction/task.hpp"

#include "ecsdb/delta/view.hpp"
#include "transaction/transaction_fixture.hpp"

#include <vector>

namespace ecsdb::test::task_test {
namespace {

/// Does what it is told and counts how often it was asked.
class Probe final : public transaction::Task {
public:
    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        ++runs;
        version_at_run = state.root().version;
        if (creates) {
            CHECK(state.create(Entity{900, 1, 0}) == storage::Outcome::Done);
        }
        return fails ? Result<void>{Error{ErrorCode::Aborted, "no"}} : Result<void>{};
    }
    [[nodiscard]] bool is_transaction() const noexcept override { return transaction; }
    void finished() noexcept override { ++finishes; }

    bool transaction = true;
    bool creates = false;
    bool fails = false;
    int runs = 0;
    int finishes = 0;
    std::uint64_t version_at_run = 0;
};

Result<void> run(World8& db, Probe& probe) {
    transaction::Pipeline& pipeline = db.engine().pipeline();
    transaction::ProducerState& producer = *pipeline.this_thread_producer();
    auto sequence = pipeline.submit_task(producer, probe, transaction::CommandHeader::wants_error);
    REQUIRE(sequence);
    return pipeline.wait(producer, *sequence, no_timeout);
}

} // namespace

TEST_CASE("a task that fails is rolled back, and finished all the same", "[transaction]") {
    World8 db = open_db(stepped());
    Probe probe;
    probe.creates = probe.fails = true;
    CHECK(code_of(run(db, probe)) == ErrorCode::Aborted);
    CHECK(probe.runs == 1);
    CHECK(probe.finishes == 1);
    CHECK(db.version() == 0);
    CHECK(db.read().entity_count() == 0);
}

TEST_CASE("a chore gets no version, and sees what ran before it in its batch", "[transaction]") {
    World8 db = open_db(stepped());
    static_cast<void>(db.destroy({}));
    static_cast<void>(db.destroy({}));
    Probe chore;
    chore.transaction = false;
    CHECK(run(db, chore));
    CHECK(chore.version_at_run == 2);
    CHECK(db.version() == 2);
    chore.fails = true;
    CHECK(code_of(run(db, chore)) == ErrorCode::Aborted);
    CHECK(db.version() == 2);
    CHECK(chore.finishes == 2);
}

TEST_CASE("a task commits like any transaction", "[transaction]") {
    Recorder recorder;
    World8 db = open_db(stepped());
    db.engine().pipeline().writer().join(recorder);
    Probe probe;
    probe.creates = true;
    CHECK(run(db, probe));
    CHECK(probe.finishes == 1);
    CHECK(db.version() == 1);
    CHECK(db.read().is_alive(Entity{900, 1, 0}));
    REQUIRE(recorder.steps.size() == 1);
    CHECK(delta::DeltaView::parse(recorder.steps[0].delta));
}

} // namespace ecsdb::test::task_test
