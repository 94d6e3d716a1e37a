#include "ecsdb/metadata.hpp"

#include "support/files.hpp"
#include "transaction/transaction_fixture.hpp"

#include <map>
#include <random>
#include <string>

namespace ecsdb::test::metadata_test {
namespace {

using Known = Database<Account, Metadata>;
using Map = std::map<std::string, std::string>;

Map map_of(const MetadataEntries& entries) {
    Map map;
    std::string last;
    entries.for_each([&](std::string_view key, std::string_view value) {
        CHECK((map.empty() || last < key));
        last = key;
        map[last] = value;
    });
    return map;
}

} // namespace

TEST_CASE("without a table for it, or an entity, there is no metadata, and setting some says so", "[metadata]") {
    World8 plain = open_db(stepped());
    const Entity entity = create_zeroed<Account>(plain, 1);
    CHECK(code_of(set_metadata(plain, entity, "a", "b")) == ErrorCode::InvalidArgument);
    const auto view = plain.read();
    CHECK(metadata_of(view, entity).empty());
    Known db = open_db<Known>(stepped());
    CHECK(code_of(set_metadata(db, Entity{5, 1, 0}, "a", "b")) == ErrorCode::NotFound);
    CHECK(erase_metadata(db, Entity{5, 1, 0}, "a"));
}

TEST_CASE("bytes that are no metadata end it, and are read no further", "[metadata]") {
    const std::byte bytes[] = {std::byte{1}, std::byte{'k'}, std::byte{1}, std::byte{'v'}, std::byte{1}, std::byte{'x'}, std::byte{200}};
    for (std::size_t size = 0; size <= std::size(bytes); ++size) {
        const MetadataEntries entries{std::span{bytes, size}};
        CHECK(map_of(entries) == (size < 4 ? Map{} : Map{{"k", "v"}}));
    }
}

TEST_CASE("metadata is a map per entity: versioned, rolled back, and there again after reopening", "[metadata]") {
    const ScratchDirectory directory;
    Options options;
    options.directory = directory.path();
    options.durability = Durability::Logged;
    Map model;
    Entity entity;
    std::uint64_t hash = 0;
    {
        Known db = open_db<Known>(options);
        auto tx = db.begin();
        entity = tx.create(Account{1});
        const Entity other = tx.create(Account{2});
        REQUIRE(tx.commit());
        REQUIRE(set_metadata(db, other, "stays", "empty"));
        REQUIRE(set_metadata(db, other, "stays", ""));
        std::mt19937_64 random{7};
        for (int i = 0; i < 300; ++i) {
            const std::string key = "key " + std::to_string(random() % 20);
            const auto before = db.read();
            const Map seen = map_of(metadata_of(before, entity));
            REQUIRE(seen == model);
            if (random() % 3 == 0) {
                REQUIRE(erase_metadata(db, entity, key));
                model.erase(key);
            } else {
                model[key] = std::string(random() % 200, 'v');
                REQUIRE(set_metadata(db, entity, key, model[key]));
            }
            REQUIRE(map_of(metadata_of(before, entity)) == seen);
        }
        const Result<void> failed = db.execute([&](auto& state) -> Result<void> {
            const Result<void> set = set_metadata(state, entity, "never", "seen");
            return set ? Result<void>{Error{ErrorCode::Aborted, "a change of mind"}} : set.error().clone();
        });
        CHECK_FALSE(failed);
        const auto view = db.read();
        CHECK(map_of(metadata_of(view, entity)) == model);
        CHECK(metadata_of(view, entity).find("never") == std::nullopt);
        CHECK(metadata_of(view, other).find("stays") == "");
        CHECK(view.count<Metadata>() == 2);
        hash = view.hash();
    }
    Known db = open_db<Known>(options);
    {
        const auto view = db.read();
        CHECK(view.hash() == hash);
        CHECK(map_of(metadata_of(view, entity)) == model);
    }
    for (const auto& [key, value] : model) {
        REQUIRE(erase_metadata(db, entity, key));
    }
    CHECK(db.read().count<Metadata>() == 1);
}

} // namespace ecsdb::test::metadata_test
