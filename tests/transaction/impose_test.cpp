#include "ecsdb/transaction/impose.hpp"

#include "transaction/random_program.hpp"

#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::impose_test {
namespace {

using Bytes = std::vector<std::byte>;

Result<void> run(World8& db, transaction::Task& task) {
    transaction::Pipeline& pipeline = db.engine().pipeline();
    transaction::ProducerState* const producer = pipeline.this_thread_producer();
    auto sequence = pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error);
    REQUIRE(sequence);
    return pipeline.wait(*producer, *sequence, no_timeout);
}

Bytes difference_to(World8& from, World8& to, std::uint64_t from_version, std::uint64_t to_version) {
    SystemAllocator memory;
    ByteBuffer bytes{memory};
    transaction::Difference difference{from.read().root(), &from.engine().store().entity_versions(), to.read().root(),
                                       to.engine().store().entity_versions(), memory};
    REQUIRE(difference.write(from_version, to_version, 0, transaction::TransientRows::Go, bytes));
    return {bytes.view().begin(), bytes.view().end()};
}

} // namespace

TEST_CASE("a delta of several versions is one transaction that takes them all", "[transaction][delta]") {
    Recorder recorder; // outlives the writer
    World8 db = open_db(stepped());
    db.engine().pipeline().writer().join(recorder);
    World8 source = open_db(stepped());
    RandomProgram program{source, 3};
    for (int i = 0; i < 30; ++i) {
        program.submit(8);
    }
    REQUIRE(program.run().empty());
    const Bytes bytes = difference_to(db, source, 0, 9);
    transaction::ApplyDelta task{db.engine().pipeline(), bytes};
    REQUIRE(run(db, task));
    CHECK(db.version() == 9);
    CHECK(db.read().hash() == source.read().hash());
    // Those who keep deltas got all of it in one, and can follow.
    REQUIRE(recorder.steps.size() == 1);
    Replica replica{db.schema()};
    std::uint64_t version = 0;
    for (const Recorder::Step& step : recorder.steps) {
        const auto view = delta::DeltaView::parse(step.delta);
        REQUIRE(view);
        CHECK(view->header().from == version);
        version = view->header().to;
        CHECK(step.version == version);
        CHECK(step.hash == db.read().hash());
        REQUIRE(replica.apply(step.delta, step.time_ns));
    }
    CHECK(version == 9);

    transaction::ApplyDelta again{db.engine().pipeline(), bytes};
    const auto refused = run(db, again);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::Gap);
    CHECK(db.version() == 9);
}

TEST_CASE("more versions than a log should be filled with are refused where there is one", "[transaction][delta]") {
    World8 source = open_db(stepped());
    RandomProgram program{source, 4};
    program.submit(8);
    REQUIRE(program.run().empty());
    const std::uint64_t far = transaction::ImposingTask::most_versions_logged + 1;
    World8 alone = open_db(stepped());
    const Bytes bytes = difference_to(alone, source, 0, far);
    transaction::ApplyDelta task{alone.engine().pipeline(), bytes};
    REQUIRE(run(alone, task));
    CHECK(alone.version() == far);
    Recorder recorder;
    World8 kept = open_db(stepped());
    kept.engine().pipeline().writer().join(recorder);
    transaction::ApplyDelta refused{kept.engine().pipeline(), bytes};
    const auto outcome = run(kept, refused);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code() == ErrorCode::Unsupported);
    CHECK(kept.version() == 0);
}

TEST_CASE("ids that a delta brings to life are not handed out again, nor those it ends too early", "[transaction][delta]") {
    World8 db = open_db(stepped());
    World8 source = open_db(stepped());
    for (int i = 0; i < 100; ++i) {
        auto tx = source.begin();
        const Entity entity = tx.create(Account{i});
        REQUIRE(tx.commit());
        if (i % 3 == 0) {
            REQUIRE(source.destroy(entity).wait());
        }
    }
    auto held = db.begin();
    held.create(Account{-1}); // its id is reserved, and nobody there yet
    const Bytes bytes = difference_to(db, source, 0, 1);
    transaction::ApplyDelta task{db.engine().pipeline(), bytes};
    REQUIRE(run(db, task));
    CHECK(held.commit().error().code() == ErrorCode::AlreadyExists);
    for (int i = 0; i < 200; ++i) {
        auto tx = db.begin();
        const Entity entity = tx.create(Account{1000 + i});
        CHECK_FALSE(source.read().is_alive(entity));
        REQUIRE(tx.commit());
        CHECK(db.get<Account>(entity) == Account{1000 + i});
    }
}

TEST_CASE("what a delta cannot do leaves no trace", "[transaction][delta]") {
    World8 source = open_db(stepped());
    RandomProgram other{source, 6};
    other.submit(10);
    other.submit(10);
    REQUIRE(other.run().empty());
    World8 db = open_db(stepped());
    auto tx = db.begin();
    tx.create(Account{7});
    REQUIRE(tx.commit());
    const std::uint64_t hash = db.read().hash();
    const Bytes bytes = difference_to(db, source, 1, 2);
    for (std::size_t size = 0; size < bytes.size() && db.version() == 1; ++size) {
        transaction::ApplyDelta task{db.engine().pipeline(), std::span{bytes}.first(size)};
        const auto outcome = run(db, task);
        CAPTURE(size);
        if (!outcome) { // it may end after any of its sections
            CHECK(outcome.error().code() == ErrorCode::Corrupt);
            CHECK(db.read().hash() == hash);
        }
    }
    for (const std::uint64_t from : {0U, 5U}) {
        const Bytes elsewhere = difference_to(db, source, from, 9);
        transaction::ApplyDelta task{db.engine().pipeline(), elsewhere};
        const std::uint64_t before = db.version();
        const auto outcome = run(db, task);
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().code() == ErrorCode::Gap);
        CHECK(db.version() == before);
    }
}

} // namespace ecsdb::test::impose_test
