#include "ecsdb/write_sequence.hpp"

#include "transaction/transaction_fixture.hpp"

namespace ecsdb::test::write_sequence_test {

TEST_CASE("without a producer nothing is queued, and why is told", "[writes]") {
    World8 db = open_db(stepped());
    const WriteSequence nowhere{&db.engine(), nullptr};
    Ticket ticket = nowhere.submit(transaction::OperationKind::Destroy, Entity{1, 1, 0}, 0, {});
    CHECK_FALSE(ticket.is_submitted());
    CHECK(code_of(ticket.wait()) == ErrorCode::OutOfMemory);
    auto fn = [](storage::WriteBuffer&) { return 1; };
    CHECK(code_of(nowhere.run_function(fn)) == ErrorCode::OutOfMemory);
    CHECK(db.version() == 0);
}

TEST_CASE("what goes through one sequence runs in its order", "[writes]") {
    World8 db = open_db(stepped());
    const Entity entity = *db.create(Account{1}).wait();
    const WriteSequence to = db.sequence();
    const Account two{2};
    Ticket first = to.submit(transaction::OperationKind::Update, entity, db.table_of<Account>(), detail::row_bytes(two));
    auto fn = [&](storage::WriteBuffer& state) {
        return reinterpret_cast<const Account*>(state.find_row(entity, db.table_of<Account>()))->balance;
    };
    const Result<std::int64_t> seen = to.run_function(fn);
    REQUIRE(seen);
    CHECK(*seen == 2);
    CHECK(first.wait());
}

} // namespace ecsdb::test::write_sequence_test
