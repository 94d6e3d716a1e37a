#include "ecsdb/configuration.hpp"

#include "support/catch.hpp"

#include <string>
#include <vector>

namespace configuration_test {

using ecsdb::ErrorCode;
using ecsdb::Options;

namespace {

Options set(const std::string& name, const std::string& value) {
    Options options;
    const auto done = ecsdb::set_option(options, name, value);
    if (!done) {
        FAIL(done.error().to_string());
    }
    return options;
}
std::string refusal(const std::string& name, const std::string& value) {
    Options options;
    const auto done = ecsdb::set_option(options, name, value);
    REQUIRE_FALSE(done);
    CHECK(done.error().code() == ErrorCode::InvalidArgument);
    return done.error().message();
}

} // namespace

TEST_CASE("options are set by name, with units", "[configuration]") {
    CHECK(set("directory", "/var/world").directory == "/var/world");
    CHECK(set("durability", "synced").durability == ecsdb::Durability::Synced);
    CHECK(set("mode", "read_only").mode == ecsdb::OpenMode::ReadOnly);
    CHECK_FALSE(set("own_thread", "false").own_thread);
    CHECK(set("block_growth_percent", "150").block_growth_percent == 150);
    CHECK(set("publish_before_sync", "true").publish_before_sync);
    CHECK(set("held_log_limit", "1 GiB").held_log_limit == std::uint64_t{1} << 30U);
    CHECK(set("shard", "1023").shard == 1023);
    CHECK(set("segment_bytes", "64 MiB").segment_bytes == std::size_t{64} << 20U);
    CHECK(set("segment_bytes", "20kB").segment_bytes == 20'000);
    CHECK(set("segment_bytes", "8192").segment_bytes == 8192);
    CHECK(set("memory_limit", "1 TiB").memory_limit == std::size_t{1} << 40U);
    CHECK(set("memory_limit", "unlimited").memory_limit == ~std::size_t{0});
    CHECK(set("batch_ns", "250 us").batch_ns == 250'000);
    CHECK(set("trim_after_ns", "2 min").trim_after_ns == 120'000'000'000);
    CHECK(set("trim_after_ns", "unlimited").trim_after_ns == ecsdb::no_timeout);
}

TEST_CASE("what an option cannot be is refused, with what it can be", "[configuration]") {
    CHECK(refusal("segmentbytes", "1") == "there is no option `segmentbytes` (did you mean `segment_bytes`?)");
    CHECK(refusal("nonsense", "1") == "there is no option `nonsense`");
    CHECK(refusal("batch_transactions", "9000") == "option `batch_transactions` is `9000`, must be 1 to 8192");
    CHECK(refusal("batch_transactions", "1 kB") == "option `batch_transactions` is `1 kB`, must be a whole number without a unit");
    CHECK(refusal("batch_ns", "2 s") == "option `batch_ns` is `2 s`, must be at most 1000000000, a second");
    CHECK(refusal("batch_ns", "2 sec").find("and `sec` is none of the units `ns`, `us`") != std::string::npos);
    CHECK(refusal("segment_bytes", "64 mib").find("none of the units `B`, `KiB`") != std::string::npos);
    CHECK(refusal("segment_bytes", "large") == "option `segment_bytes` is `large`, must be a whole number and a unit, as in `64 MiB`");
    CHECK(refusal("segment_bytes", "-1").find("must be a whole number") != std::string::npos);
    CHECK(refusal("segment_bytes", "1.5 GiB").find("`.5 GiB` is none of the units") != std::string::npos);
    CHECK(refusal("segment_bytes", "") == "option `segment_bytes` is ``, must be a whole number and a unit, as in `64 MiB`");
    CHECK(refusal("segment_bytes", "unlimited").find("must be a whole number") != std::string::npos);
    CHECK(refusal("memory_limit", "20000000 TiB").find("more than fits in 64 bits") != std::string::npos);
    CHECK(refusal("memory_limit", "99999999999999999999").find("more than fits in 64 bits") != std::string::npos);
    CHECK(refusal("durability", "sinced") ==
          "option `durability` is `sinced`, must be one of `memory`, `logged`, `synced` (did you mean `synced`?)");
    CHECK(refusal("own_thread", "1").find("must be one of `false`, `true`") != std::string::npos);
    CHECK(refusal("shard", "1024").find("must be at most 1023") != std::string::npos);
}

TEST_CASE("the environment overrules what is there, and only that", "[configuration]") {
    Options options;
    options.batch_transactions = 7;
    options.directory = "from code";
    const char* const variables[] = {"PATH=/bin",
                                     "ECSDB_DIRECTORY=from=there",
                                     "ECSDB_SEGMENT_BYTES=1 MiB",
                                     "ECSDB_TEST_SEED=3",
                                     "ECSDB_EXAMPLE_QUICK=1",
                                     "ECSDB_",
                                     "ECSDB_=",
                                     nullptr};
    const auto read = ecsdb::options_from_environment(options, variables);
    if (!read) {
        FAIL(read.error().to_string());
    }
    CHECK(read->directory == "from=there");
    CHECK(read->segment_bytes == 1U << 20U);
    CHECK(read->batch_transactions == 7);
    CHECK(ecsdb::options_from_environment({}));
}

TEST_CASE("a bad variable, and one that is no option's, are refused by name", "[configuration]") {
    const char* const bad[] = {"ECSDB_SEGMENT_BYTES=big", nullptr};
    const auto refused = ecsdb::options_from_environment({}, bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message().find("environment variable ECSDB_SEGMENT_BYTES: option `segment_bytes` is `big`") == 0);
    const char* const misspelt[] = {"ECSDB_DURABILTY=synced", nullptr};
    const auto unknown = ecsdb::options_from_environment({}, misspelt);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().message() == "environment variable ECSDB_DURABILTY: there is no option `durabilty` (did you mean `durability`?)");
    const char* const foreign[] = {"ECSDB_COLOUR_OF_THE_SKY=blue", nullptr};
    const auto nowhere_near = ecsdb::options_from_environment({}, foreign);
    REQUIRE_FALSE(nowhere_near);
    CHECK(nowhere_near.error().message() == "environment variable ECSDB_COLOUR_OF_THE_SKY: there is no option `colour_of_the_sky`");
}

} // namespace configuration_test
