#include "ecsdb/transaction/column_function.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace ecsdb::test::column_function_test {

TEST_CASE("columns that are written come first, whatever the order of the types", "[transaction]") {
    using Function = transaction::ColumnFunction<const Position, Account, const Visible, Level>;
    STATIC_REQUIRE(Function::written == 2);
    const transaction::UpdateTables tables = Function::tables({10, 11, 12, 13});
    CHECK(tables.written == 2);
    CHECK(tables.count == 4);
    CHECK(tables.ids[0] == 11);
    CHECK(tables.ids[1] == 13);
    CHECK(tables.ids[2] == 10);
    CHECK(tables.ids[3] == 12);
}

TEST_CASE("a function is called once for each row, with what is written in a place of its own", "[transaction]") {
    constexpr std::uint32_t rows = 37; // two blocks and some more
    std::vector<Account> before(rows);
    std::vector<Account> after(rows);
    std::vector<Level> levels(rows);
    for (std::uint32_t i = 0; i < rows; ++i) {
        before[i].balance = i;
        levels[i].number = 2;
    }
    std::uint32_t calls = 0;
    auto fn = [&](Account& account, const Level& level) {
        account.balance *= level.number;
        ++calls;
    };
    using Function = transaction::ColumnFunction<Account, const Level>;
    const std::array<const std::byte*, 2> in{reinterpret_cast<const std::byte*>(before.data()),
                                             reinterpret_cast<const std::byte*>(levels.data())};
    const std::array<std::byte*, 2> out{reinterpret_cast<std::byte*>(after.data()), nullptr};
    Function::compute<decltype(fn)>(&fn, in.data(), out.data(), rows);
    CHECK(calls == rows);
    for (std::uint32_t i = 0; i < rows; ++i) {
        CHECK(before[i].balance == i);
        CHECK(after[i].balance == 2 * i);
    }
}

} // namespace ecsdb::test::column_function_test
