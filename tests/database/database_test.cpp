#include "ecsdb/database.hpp"

#include "transaction/transaction_fixture.hpp"

#include <cstring>
#include <string>
#include <utility>

namespace ecsdb {
namespace other {

/// Not the Position the database was made with.
struct Position {
    double x, y, z;
};
ECSDB_COMPONENT(Position, x, y, z);

struct Account {
    std::int64_t money;
};
ECSDB_COMPONENT(Account, money);

/// The name of a tag, but with something in it.
struct Visible {
    std::uint8_t how;
};
ECSDB_COMPONENT(Visible, how);

struct Unknown {
    std::uint32_t x;
};
ECSDB_COMPONENT(Unknown, x);

} // namespace other

namespace test {
namespace {

Schema small_schema() {
    Result<Schema> schema = schema_of<Position, Account, Visible, Target>("small");
    REQUIRE(schema);
    return std::move(*schema);
}

template <typename Db>
std::string refusal(Schema schema) {
    const Result<Db> opened = Db::open(stepped(), std::move(schema));
    if (opened) {
        return "opened";
    }
    CHECK(opened.error().code() == ErrorCode::SchemaMismatch);
    return opened.error().message();
}

} // namespace

TEST_CASE("a component that does not match its table is refused, by table and field", "[database]") {
    CHECK(refusal<Database<other::Position>>(small_schema()).find("table `Position`, field `x`") != std::string::npos);
    CHECK(refusal<Database<Position, other::Account>>(small_schema()).find("table `Account`, field `money`") != std::string::npos);
    CHECK(refusal<Database<other::Visible>>(small_schema()).find("table `Visible`, field `how`") != std::string::npos);
    CHECK(refusal<Database<other::Unknown>>(small_schema()).find("table `Unknown`: is not in the schema") != std::string::npos);
}

TEST_CASE("two components of one name make no schema", "[database]") {
    const auto opened = Database<Position, other::Position>::open({});
    CHECK(code_of(opened) == ErrorCode::InvalidSchema);
}

TEST_CASE("a database in memory can be neither durable nor read-only, nor opened without a schema", "[database]") {
    Options options;
    options.durability = Durability::Synced;
    CHECK(code_of(World8::open(options)) == ErrorCode::InvalidArgument);
    options = {};
    options.mode = OpenMode::ReadOnly;
    CHECK(code_of(World8::open(options)) == ErrorCode::InvalidArgument);
    CHECK(code_of(Database<>::open({})) == ErrorCode::InvalidArgument);
    World8 db = open_db();
    CHECK(code_of(db.snapshot()) == ErrorCode::InvalidArgument);
    CHECK(code_of(db.flush(Durability::Synced)) == ErrorCode::InvalidArgument);
    CHECK(db.flush(Durability::Memory));
}

TEST_CASE("options that cannot work are refused by name", "[database]") {
    const auto refused = [](auto&& spoil) {
        Options options = stepped();
        spoil(options);
        const Result<World8> opened = World8::open(options);
        return opened ? std::string{"opened"} : opened.error().to_string();
    };
    CHECK(refused([](Options& options) { options.batch_transactions = 0; }) ==
          "InvalidArgument: Options::batch_transactions is 0, must be 1 to 8192");
    CHECK(refused([](Options& options) { options.batch_transactions = 8193; }) ==
          "InvalidArgument: Options::batch_transactions is 8193, must be 1 to 8192");
    CHECK(refused([](Options& options) { options.batch_transactions = 8192; }) == "opened");
    CHECK(refused([](Options& options) { options.batch_ns = 1'000'000'001; }) ==
          "InvalidArgument: Options::batch_ns is 1000000001, must be at most 1000000000, a second");
    CHECK(refused([](Options& options) { options.batch_ns = 1'000'000'000; }) == "opened");
    CHECK(refused([](Options& options) { options.queue_transactions = 0; }) ==
          "InvalidArgument: Options::queue_transactions is 0, must be at least 1");
    CHECK(refused([](Options& options) { options.queue_bytes = 0; }) == "opened");
}

TEST_CASE("a view tells what its tables take, and the database what old versions do", "[database]") {
    World8 db = open_db(stepped());
    const Entity first = create_zeroed<Position, Wide>(db, 100);
    REQUIRE(db.set(first, Target{1}).wait());
    const auto view = db.read();
    CHECK(view.figures<Position>().rows == 100);
    CHECK(view.figures<Position>().used_bytes == 100 * sizeof(Position));
    CHECK(view.figures<Position>().pages == 1);
    CHECK(view.figures<Wide>().pages == 100);
    CHECK(view.figures<Wide>().allocated_bytes >= 100 * sizeof(Wide));
    CHECK(view.figures<Target>().rows == 1);
    CHECK(view.figures<Level>().rows == 0);
    CHECK(view.table_figures(view.table_of<Position>()).rows == 100);
    CHECK(view.table_figures(1000).rows == 0);
    CHECK(view.entity_figures().rows == 100);
    for (int i = 0; i < 50; ++i) {
        REQUIRE(db.update(first, Wide{}).wait());
    }
    const Statistics statistics = db.statistics();
    CHECK(statistics.retained_bytes >= sizeof(Wide));
    CHECK(statistics.retained_bytes <= statistics.retired_bytes);
    CHECK(statistics.retired_bytes < statistics.used_bytes);
}

TEST_CASE("memory that is refused is an error of opening", "[database]") {
    Options options = stepped();
    options.memory_limit = 1000;
    CHECK(code_of(World8::open(options)) == ErrorCode::OutOfMemory);
    options.memory_limit = std::size_t{1} << 20U;
    options.initial_bytes = options.memory_limit - 100; // which leaves no room for the first version
    CHECK(code_of(World8::open(options)) == ErrorCode::OutOfMemory);
    options.initial_bytes = std::size_t{8} << 20U; // which can only be a mistake
    CHECK(code_of(World8::open(options)) == ErrorCode::InvalidArgument);
}

TEST_CASE("components in an order of their own, or only some of them, bind by name", "[database]") {
    Result<Database<Target, Account>> opened = Database<Target, Account>::open(stepped(), small_schema());
    REQUIRE(opened);
    auto tx = opened->begin();
    const Entity entity = tx.create(Account{4}, Target{5});
    REQUIRE(tx.commit());
    const auto view = opened->read();
    CHECK(view.get<Account>(entity)->balance == 4);
    CHECK(view.table_of<Account>() == 1);
    CHECK(view.table_of<const Target>() == 3);
    CHECK(view.components_of(entity) == std::vector<TableId>{1, 3});
    CHECK(opened->update<Account>([](Account& account) { account.balance *= 2; }));
    CHECK(opened->get<Account>(entity)->balance == 8);
}

TEST_CASE("an untyped database speaks table ids and bytes", "[database]") {
    Result<Database<>> opened = Database<>::open(stepped(), small_schema());
    REQUIRE(opened);
    Database<>& db = *opened;
    const TableId position = db.schema().find_table("Position")->id;
    const TableId visible = db.schema().find_table("Visible")->id;
    const TableId target = db.schema().find_table("Target")->id;
    const Position here{1, 2, 3};
    const auto bytes = std::as_bytes(std::span{&here, 1});
    auto tx = db.begin();
    const Entity entity = tx.create();
    tx.insert_row(entity, position, bytes);
    tx.insert_row(entity, visible, {});
    tx.update_part(entity, position, 4, std::as_bytes(std::span{&here.z, 1}));
    REQUIRE(tx.commit());
    const auto view = db.read();
    const std::byte* const row = view.find_row(entity, position);
    REQUIRE(row != nullptr);
    Position found;
    std::memcpy(&found, row, sizeof(found));
    CHECK(found == Position{1, 3, 3});
    CHECK(view.find_row(entity, visible) != nullptr);
    CHECK(view.find_row(entity, target) == nullptr);
    CHECK(view.count_rows(visible) == 1);
    std::size_t rows = 0;
    const TableId both[] = {position, visible};
    view.for_each_row(both, [&](Entity who, const std::byte* const* found_rows) {
        CHECK(who == entity);
        CHECK(found_rows[0] == row);
        ++rows;
    });
    CHECK(rows == 1);
    const Result<bool> in_function = db.execute([&](auto& state) -> Result<bool> {
        const std::uint64_t whom = entity.to_bits();
        CHECK(state.insert_row(entity, target, std::as_bytes(std::span{&whom, 1})));
        return state.find_row(entity, target) != nullptr;
    });
    REQUIRE(in_function);
    CHECK(*in_function);
    CHECK(db.destroy(entity).wait());
    CHECK(db.read().entity_count() == 0);
}

TEST_CASE("ids carry the shard, and those of another are refused", "[database]") {
    Options options = stepped();
    options.shard = 1000;
    World8 db = open_db(options);
    auto tx = db.begin();
    const Entity entity = tx.create(Account{1});
    REQUIRE(tx.commit());
    CHECK(entity.shard() == 1000);
    CHECK(db.read().is_alive(entity));
    CHECK_FALSE(db.read().is_alive(Entity{entity.index(), entity.generation(), 0}));
    CHECK(code_of(db.update(Entity{entity.index(), entity.generation(), 0}, Account{2}).wait()) == ErrorCode::WrongShard);
    CHECK(db.get<Account>(entity)->balance == 1);
    REQUIRE(db.destroy(entity).wait());
    const Result<Entity> many = db.execute([](auto& state) { return state.template create_many<>(3); });
    REQUIRE(many);
    CHECK(many->shard() == 1000);
}

TEST_CASE("single operations are transactions of their own", "[database]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(); });
    REQUIRE(entity);
    CHECK(db.insert(*entity, Position{1, 2, 3}).wait());
    CHECK(code_of(db.insert(*entity, Position{}).wait()) == ErrorCode::AlreadyExists);
    CHECK(code_of(db.update(*entity, Target{}).wait()) == ErrorCode::NotFound);
    CHECK(db.set(*entity, Target{9}).wait());
    CHECK(db.update(*entity, Target{10}).wait());
    CHECK(db.insert(*entity, Visible{}).wait());
    CHECK(db.update(*entity, Visible{}).wait());
    CHECK(db.remove<Position>(*entity).wait());
    CHECK(db.remove<Position>(*entity).wait());
    CHECK(db.get<Target>(*entity)->entity == 10);
    CHECK(db.get<Visible>(*entity));
    CHECK_FALSE(db.get<Position>(*entity));
    CHECK(db.destroy(*entity).wait());
    CHECK(db.destroy(*entity).wait());
    CHECK(db.version() == 10);
    const Statistics statistics = db.statistics();
    CHECK(statistics.committed == 10);
    CHECK(statistics.failed == 2);
    CHECK(statistics.entities == 0);
    CHECK(statistics.version == 10);
}

TEST_CASE("a version can be waited for, and does not come by waiting", "[database]") {
    World8 db = open_db();
    CHECK(db.wait_for_version(0));
    CHECK(code_of(db.wait_for_version(1, 1'000'000)) == ErrorCode::Timeout);
    Ticket ticket = db.destroy({});
    CHECK(db.wait_for_version(1, 60'000'000'000));
    CHECK(db.version() == 1);
    CHECK(ticket.wait());
}

TEST_CASE("a database moves, with its tables, and is closed once", "[database]") {
    World8 first = open_db();
    const Result<Entity> entity = first.execute([](auto& state) { return state.create(Account{1}); });
    REQUIRE(entity);
    World8 second = std::move(first);
    CHECK(second.update(*entity, Account{2}).wait());
    World8 third = open_db();
    third = std::move(second);
    CHECK(third.get<Account>(*entity)->balance == 2);
    CHECK(third.schema().name() == "ecsdb");
    CHECK(third.close());
}

TEST_CASE("memory comes from the allocator given, and all of it goes back", "[database]") {
    class Counting final : public Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
            live += bytes;
            return system_.allocate(bytes, alignment);
        }
        void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
            live -= bytes;
            system_.deallocate(memory, bytes, alignment);
        }
        std::size_t live = 0;

    private:
        SystemAllocator system_;
    } allocator;
    {
        Options options = stepped();
        options.allocator = &allocator;
        options.initial_bytes = std::size_t{1} << 20U;
        World8 db = open_db(options);
        CHECK(allocator.live >= options.initial_bytes);
        CHECK(db.statistics().allocated_bytes >= options.initial_bytes);
        const auto view = db.read();
        for (int i = 0; i < 100; ++i) {
            auto tx = db.begin();
            tx.create(Wide{}, Target{}, Position{});
            REQUIRE(tx.commit());
        }
        REQUIRE(db.update<Position>([](Position& position) { ++position.x; }));
        auto unfinished = db.begin();
        unfinished.create();
    }
    CHECK(allocator.live == 0);
}

TEST_CASE("room for the rows a schema expects is taken when a database opens, and kept", "[database]") {
    constexpr std::uint32_t rows = 100'000;
    const auto opened = [](std::uint64_t capacity, Options options = stepped()) {
        std::vector<Table> tables;
        auto described = schema_of<Position, Target>("expected");
        REQUIRE(described);
        tables = described->tables();
        tables[0].capacity = capacity;
        auto schema = finish_schema(Schema{"expected", "1", std::move(tables), {}, {}});
        REQUIRE(schema);
        auto db = Database<Position, Target>::open(options, std::move(*schema));
        REQUIRE(db);
        return std::move(*db);
    };
    const auto allocated = [](auto& db) { return db.statistics().allocated_bytes; };
    auto plain = opened(0);
    auto small = opened(100);
    CHECK(allocated(small) == allocated(plain)); // fits the first block
    auto db = opened(rows);
    const std::size_t before = allocated(db);
    CHECK(before > allocated(plain) + rows * sizeof(Position));
    CHECK(before < allocated(plain) + 3 * rows * sizeof(Position) + (std::size_t{6} << 20U));
    for (int i = 0; i < 10; ++i) {
        REQUIRE(db.create_many(rows / 10, Position{1, 2, 3}).wait());
    }
    CHECK(allocated(db) == before); // nothing more was needed

    // A hint is no demand: an allocator or a limit that has less is no error.
    Options limited = stepped();
    limited.memory_limit = std::size_t{4} << 20U;
    auto little = opened(~std::uint64_t{0} >> 1U, limited);
    CHECK(allocated(little) <= limited.memory_limit);
    CHECK(little.create(Position{}).wait());

    SimulatedClock clock;
    Options idle = stepped();
    idle.clock = &clock;
    auto kept = opened(rows, idle);
    for (int i = 0; i < 1000; ++i) {
        clock.advance(1'000'000'000);
        kept.step();
    }
    CHECK(allocated(kept) >= before);
}

} // namespace test
} // namespace ecsdb
