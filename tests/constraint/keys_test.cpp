#include "ecsdb/constraint/keys.hpp"

#include "constraint/constraint_fixture.hpp"

#include <vector>

namespace ecsdb::test::keys_test {
namespace {

constexpr std::string_view items = R"(
[tables.item]
fields = [ { name = "code", type = "string[7]", constraint = "unique" }, { name = "grams", type = "u32" } ]
[tables.slot]
fields = [ { name = "number", type = "u16", nullable = true, constraint = "unique" },
           { name = "holds", type = "entity", constraint = "unique" } ]
[tables.label]
fields = [ { name = "code", type = "string[7]", foreign_key = "item.code" } ]
[tables.price]
fields = [ { name = "code", type = "string[7]", foreign_key = "item.code", on_delete = "cascade" } ]
[tables.wish]
fields = [ { name = "code", type = "string[7]", nullable = true, foreign_key = "item.code", on_delete = "set_null" } ]
)";

/// Items by their codes.
struct Shop : Scene {
    Shop() : Scene{items} {}
    Entity item(std::string_view code) { return add(row("item", "code", code)); }
    auto rename(Entity entity, std::string_view code) {
        return [this, entity, code](auto& tx) { tx.set(entity, row("item", "code", code)); };
    }
};

} // namespace

TEST_CASE("two rows cannot have one unique value, and both are named", "[constraint][keys]") {
    Shop shop;
    shop.item("apple");
    const Entity pear = shop.item("pear");
    shop.refuse({"table `item`", "field `code`", "unique", "entity 0 (generation 1)"},
                [&](auto& tx) { tx.insert(tx.create(), shop.row("item", "code", "apple")); });
    shop.refuse({"`code`", "entity 0", "entity 1"}, shop.rename(pear, "apple"));
    shop.refuse({"unique"}, [&](auto& tx) {
        tx.insert(tx.create(), shop.row("item", "code", "fig"));
        tx.insert(tx.create(), shop.row("item", "code", "fig"));
    });
    shop.item("fig");
}

TEST_CASE("absent values and null references are not alike", "[constraint][keys]") {
    Shop shop;
    shop.add(shop.row("slot"));
    shop.add(shop.row("slot"));
    const Entity item = shop.item("apple");
    Row taken = shop.row("slot", "holds", item);
    Scene::put(taken, "number", std::uint16_t{0});
    shop.add(taken);
    shop.refuse({"field `holds`", "unique"}, [&](auto& tx) { tx.insert(tx.create(), shop.row("slot", "holds", item)); });
    shop.refuse({"field `number`", "unique"}, [&](auto& tx) { tx.insert(tx.create(), shop.row("slot", "number", std::uint16_t{0})); });
}

TEST_CASE("values change places, move on and come back within one transaction", "[constraint][keys]") {
    Shop shop;
    const Entity a = shop.item("a");
    const Entity b = shop.item("b");
    const Entity c = shop.item("c");
    shop.accept([&](auto& tx) { // a ring of three
        shop.rename(a, "b")(tx);
        shop.rename(b, "c")(tx);
        shop.rename(c, "a")(tx);
    });
    shop.refuse({"unique"}, [&](auto& tx) {
        shop.rename(a, "c")(tx);
        shop.rename(c, "b")(tx);
    });
    shop.accept([&](auto& tx) { // away and back
        shop.rename(a, "x")(tx);
        shop.rename(a, "b")(tx);
    });
    shop.accept([&](auto& tx) { // a row that goes leaves its value to another
        tx.destroy(a);
        tx.insert(tx.create(), shop.row("item", "code", "b"));
    });
    shop.accept([&](auto& tx) {
        tx.remove_row(b, shop.table("item"));
        shop.rename(b, "z")(tx);
        tx.insert(tx.create(), shop.row("item", "code", "c"));
    });
    shop.refuse({"unique"}, shop.rename(b, "c"));
}

TEST_CASE("a change that leaves the keys alone costs no key", "[constraint][keys]") {
    Shop shop;
    const Entity a = shop.item("a");
    const auto grams = *find_field<std::uint32_t>(shop.schema(), "item", "grams");
    shop.accept([&](auto& tx) { tx.update(a, grams, 5U); });
    CHECK(shop.get<std::uint32_t>(a, "item", "grams") == 5);
    CHECK(shop.key_count() == 1);
}

TEST_CASE("a foreign key to a unique field names a value that somebody has", "[constraint][keys]") {
    Shop shop;
    shop.refuse({"table `label`", "field `code`", "entity 0", "`item.code`", "no row has"},
                [&](auto& tx) { tx.insert(tx.create(), shop.row("label", "code", "apple")); });
    const Entity apple = shop.item("apple");
    const Entity label = shop.add(shop.row("label", "code", "apple"));
    shop.add(shop.row("wish")); // absent names nothing
    const std::string by = "entity " + std::to_string(label.index());
    shop.refuse({"`label`", by, "restrict"}, [&](auto& tx) { tx.destroy(apple); });
    shop.refuse({"`label`", by}, [&](auto& tx) { tx.remove_row(apple, shop.table("item")); });
    shop.accept([&](auto& tx) { // the value stays, whoever has it
        tx.destroy(apple);
        tx.insert(tx.create(), shop.row("item", "code", "apple"));
    });
}

TEST_CASE("rows that name a value go or forget it when its row goes", "[constraint][keys]") {
    Shop shop;
    const Entity apple = shop.item("apple");
    const Entity pear = shop.item("pear");
    std::vector<Entity> prices;
    for (int i = 0; i < 5; ++i) {
        prices.push_back(shop.add(shop.row("price", "code", i == 4 ? "pear" : "apple")));
    }
    const Entity wish = shop.add(shop.row("wish", "code", "apple"));
    shop.accept([&](auto& tx) { tx.destroy(apple); });
    for (int i = 0; i < 5; ++i) {
        CHECK(shop.has(prices[static_cast<std::size_t>(i)], "price") == (i == 4));
    }
    CHECK_FALSE(shop.is_present(wish, "wish", "code"));
    shop.accept([&](auto& tx) { tx.remove_row(pear, shop.table("item")); });
    CHECK_FALSE(shop.has(prices[4], "price"));
    CHECK(shop.key_count() == 0);
}

TEST_CASE("a value that is named cannot be renamed, however its keys would follow a removal", "[constraint][keys]") {
    Shop shop;
    const Entity apple = shop.item("apple");
    const Entity price = shop.add(shop.row("price", "code", "apple"));
    const Entity wish = shop.add(shop.row("wish", "code", "apple"));
    shop.refuse({"still names"}, shop.rename(apple, "pear"));
    shop.refuse({"still names"}, [&](auto& tx) {
        shop.rename(apple, "pear")(tx);
        tx.set(wish, shop.row("wish", "code", "pear"));
    });
    shop.accept([&](auto& tx) {
        shop.rename(apple, "pear")(tx);
        tx.set(wish, shop.row("wish", "code", "pear"));
        tx.set(price, shop.row("price", "code", "pear"));
    });
    // Renamed and gone is gone.
    shop.accept([&](auto& tx) {
        shop.rename(apple, "plum")(tx);
        tx.destroy(apple);
    });
    CHECK_FALSE(shop.has(price, "price"));
    CHECK_FALSE(shop.is_present(wish, "wish", "code"));
}

TEST_CASE("who had a value before the transaction decides, not who had it for a moment within", "[constraint][keys]") {
    Scene scene{R"(
[tables.box]
[tables.item]
fields = [ { name = "code", type = "u8", constraint = "unique" },
           { name = "box", type = "entity", foreign_key = "box.entity_id", on_delete = "cascade" } ]
[tables.price]
fields = [ { name = "code", type = "u8", foreign_key = "item.code", on_delete = "cascade" } ]
)"};
    const auto item = [&](std::uint8_t code, Entity box) {
        Row row = scene.row("item", "code", code);
        Scene::put(row, "box", box);
        return row;
    };
    const Entity box = scene.add(scene.row("box"));
    const Entity first = scene.add(item(1, {}));
    const Entity second = scene.add(item(2, box));
    const Entity price = scene.add(scene.row("price", "code", std::uint8_t{1}));
    // The second item takes the value over and is swept away with its box.
    scene.refuse({"table `price`", "still names"}, [&](auto& tx) {
        tx.set(first, item(3, {}));
        tx.set(second, item(1, box));
        tx.destroy(box);
    });
    scene.accept([&](auto& tx) {
        tx.destroy(first);
        tx.set(second, item(1, box));
        tx.destroy(box);
    });
    CHECK_FALSE(scene.has(price, "price"));
    CHECK(scene.key_count() == 0);
}

TEST_CASE("keys refused memory at any point fail the transaction, and the next one finds all in order", "[constraint][keys]") {
    for (const std::uint64_t rows : {1U, 60U, 400U}) {
        for (std::uint64_t refuse = 0;; ++refuse) {
            struct Refusing final : Allocator {
                void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
                    return armed && calls++ == refuse ? nullptr : memory.allocate(bytes, alignment);
                }
                void deallocate(void* place, std::size_t bytes, std::size_t alignment) noexcept override {
                    memory.deallocate(place, bytes, alignment);
                }
                SystemAllocator memory;
                bool armed = false;
                std::uint64_t calls = 0;
                std::uint64_t refuse = 0;
            } refusing;
            refusing.refuse = refuse;
            Options options;
            options.allocator = &refusing;
            Scene scene{items, options};
            const auto fill = [&](auto& tx) {
                for (std::uint64_t i = 0; i < rows; ++i) {
                    const Entity entity = tx.create();
                    tx.insert(entity, scene.row("item", "code", std::to_string(i)));
                    tx.insert(entity, scene.row("wish", "code", std::to_string(i)));
                }
            };
            refusing.armed = true;
            const bool first = scene.commit(fill).has_value();
            const bool refused = refusing.calls > refuse;
            refusing.armed = false;
            if (!first) {
                REQUIRE(refused);
                REQUIRE(scene.db().read().entity_count() == 0);
                scene.accept(fill);
            }
            CHECK(scene.key_count() == 2 * rows);
            if (!refused) {
                CHECK(refuse > 1);
                break;
            }
        }
    }
}

} // namespace ecsdb::test::keys_test
