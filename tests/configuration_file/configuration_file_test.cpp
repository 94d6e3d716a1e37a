#include "ecsdb/configuration_file.hpp"

#include "support/catch.hpp"

#include <string>

namespace configuration_file_test {

using ecsdb::ErrorCode;
using ecsdb::Options;

namespace {

std::string refusal(const std::string& text) {
    const auto read = ecsdb::options_from_text({}, text, "world.toml");
    REQUIRE_FALSE(read);
    CHECK(read.error().code() == ErrorCode::InvalidArgument);
    return read.error().message();
}

} // namespace

TEST_CASE("a configuration says what its options are, and leaves the others alone", "[configuration]") {
    Options options;
    options.queue_transactions = 5;
    const auto read = ecsdb::options_from_text(options, R"(
[options]
directory = "/var/world"
durability = "synced"
own_thread = false
segment_bytes = "128 MiB"
batch_transactions = 64
batch_ns = "1 ms"
memory_limit = "unlimited"
)",
                                               "world.toml");
    if (!read) {
        FAIL(read.error().to_string());
    }
    CHECK(read->directory == "/var/world");
    CHECK(read->durability == ecsdb::Durability::Synced);
    CHECK_FALSE(read->own_thread);
    CHECK(read->segment_bytes == std::size_t{128} << 20U);
    CHECK(read->batch_transactions == 64);
    CHECK(read->batch_ns == 1'000'000);
    CHECK(read->queue_transactions == 5);
    CHECK(ecsdb::options_from_text({}, "", "world.toml"));
}

TEST_CASE("what a configuration cannot say is refused with its place", "[configuration]") {
    CHECK(refusal("[options]\nsegment_byte = 1\n") == "world.toml:2:1: there is no option `segment_byte` (did you mean `segment_bytes`?)");
    CHECK(refusal("[options]\nbatch_transactions = 0\n") == "world.toml:2:22: option `batch_transactions` is `0`, must be 1 to 8192");
    CHECK(refusal("[options]\nbatch_transactions = -1\n") == "world.toml:2:22: option `batch_transactions` is `-1`, must be 1 to 8192");
    CHECK(refusal("[options]\nbatch_ns = \"1 hour\"\n").find("world.toml:2:12: option `batch_ns` is `1 hour`, and `hour` is none") == 0);
    CHECK(refusal("[options]\ndirectory = 7\n") == "world.toml:2:13: option `directory` must be text in quotes");
    CHECK(refusal("[options]\nown_thread = 1\n") == "world.toml:2:14: option `own_thread` must be true or false");
    CHECK(refusal("[options]\nshard = 1.0\n") == "world.toml:2:9: option `shard` must be a whole number, or text with a unit");
    CHECK(refusal("[option]\nshard = 1\n").find("world.toml:1:2: `option` is not the table `[options]`") == 0);
    CHECK(refusal("[option]\nshard = 1\n").find("did you mean `options`?") != std::string::npos);
    CHECK(refusal("shard = 1\n").find("world.toml:1:1: `shard` is not the table") == 0);
    CHECK(refusal("[options\n").find("world.toml:1:") == 0);
    const auto missing = ecsdb::options_from_file({}, "/nowhere/at/all.toml");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code() == ErrorCode::Io);
    CHECK(missing.error().message().find("/nowhere/at/all.toml") == 0);
}

TEST_CASE("code is overruled by a file, and both by the environment", "[configuration]") {
    Options options;
    options.batch_transactions = 7;
    const char* const variables[] = {"ECSDB_BATCH_TRANSACTIONS=9", nullptr};
    const char* const none[] = {nullptr};
    const auto text = ecsdb::options_from_text(options, "[options]\nbatch_transactions = 8\n", "world.toml");
    REQUIRE(text);
    CHECK(text->batch_transactions == 8);
    CHECK(ecsdb::configure(*text, {}, variables)->batch_transactions == 9);
    CHECK(ecsdb::configure(options, {}, none)->batch_transactions == 7);
    CHECK_FALSE(ecsdb::configure(options, "/nowhere/at/all.toml", none));
    options.initial_bytes = 100;
    options.memory_limit = 10;
    const auto contradiction = ecsdb::configure(options, {}, none);
    REQUIRE_FALSE(contradiction);
    CHECK(contradiction.error().message().find("Options::initial_bytes is 100, more than Options::memory_limit") == 0);
}

} // namespace configuration_file_test
