#include "ecsdb/core/stable_id.hpp"

#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <unordered_set>

namespace ecsdb::test::stable_id_test {

TEST_CASE("text that is no stable id is refused", "[core][stable_id]") {
    const std::string good = "0123abcd-0123-4567-89ab-0123456789ab";
    REQUIRE(StableId::parse(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
        CAPTURE(i);
        for (const char wrong : {'g', 'G', '-', '/', ':', '@', '`', ' ', '\0', '0'}) {
            std::string text = good;
            text[i] = wrong;
            const bool dash = good[i] == '-';
            const bool fits = wrong == '-' ? dash : wrong == '0' && !dash;
            CHECK(StableId::parse(text).has_value() == fits);
        }
        CHECK_FALSE(StableId::parse(good.substr(0, i)));
    }
    const auto refused = StableId::parse(good + "0");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::InvalidArgument);
    CHECK(refused.error().message().find(good + "0") != std::string::npos);
}

TEST_CASE("a stable id is written as 8-4-4-4-12 digits and read back, in letters of either case", "[core][stable_id]") {
    const StableId id{0x0123ABCD01234567, 0x89AB0123456789AB};
    CHECK(id.to_string() == "0123abcd-0123-4567-89ab-0123456789ab");
    CHECK(*StableId::parse("0123ABCD-0123-4567-89aB-0123456789Ab") == id);
    CHECK(StableId{}.to_string() == "00000000-0000-0000-0000-000000000000");
    const StableId all{~std::uint64_t{0}, ~std::uint64_t{0}};
    CHECK(all.to_string() == "ffffffff-ffff-ffff-ffff-ffffffffffff");
    for (unsigned bit = 0; bit < 128; ++bit) {
        const StableId one{bit < 64 ? 0 : std::uint64_t{1} << (bit - 64), bit < 64 ? std::uint64_t{1} << bit : 0};
        CHECK(*StableId::parse(one.to_string()) == one);
    }
}

TEST_CASE("only the id of all zeros is null", "[core][stable_id]") {
    CHECK(StableId{}.is_null());
    CHECK_FALSE(StableId{});
    CHECK(StableId{0, 1});
    CHECK(StableId{1, 0});
}

TEST_CASE("stable ids are ordered as numbers", "[core][stable_id]") {
    CHECK(StableId{0, 5} < StableId{1, 0});
    CHECK(StableId{1, 0} < StableId{1, 1});
    CHECK(StableId{1, 1} == StableId{1, 1});
}

TEST_CASE("a derived id leads back to its entity in its own database, and to nothing in another", "[core][stable_id]") {
    const Entity entity{7, 3, 2};
    const StableId id = StableId::derive(0xFEED, entity);
    CHECK(id.derived_from(0xFEED) == entity);
    CHECK(id.derived_from(0xFEEE).is_null());
    // Written down, because it is in other people's files.
    CHECK(id == StableId{0xFEED, entity.to_bits()});
    CHECK(id.to_string() == "00000000-0000-feed-0080-000300000007");
}

TEST_CASE("ids of one database spread over a hash table", "[core][stable_id]") {
    std::unordered_set<std::size_t> places;
    for (std::uint32_t i = 0; i < 1024; ++i) {
        places.insert(std::hash<StableId>{}(StableId::derive(1, Entity{i, 1, 0})) % 4096);
    }
    CHECK(places.size() > 800); // by chance 908
}

} // namespace ecsdb::test::stable_id_test
