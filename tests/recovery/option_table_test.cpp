#include "ecsdb/recovery/option_table.hpp"

#include "support/catch.hpp"

#include <set>
#include <string>

namespace option_table_test {

using ecsdb::ErrorCode;
using ecsdb::OptionKind;
using ecsdb::Options;

namespace {

std::string complaint(const Options& options) {
    const auto checked = ecsdb::check_options(options);
    if (!checked) {
        CHECK(checked.error().code() == ErrorCode::InvalidArgument);
    }
    return checked ? std::string{} : checked.error().message();
}

} // namespace

TEST_CASE("an option beyond its bounds is refused by its name", "[options]") {
    CHECK(complaint({}).empty());
    for (const ecsdb::OptionEntry& entry : ecsdb::option_table) {
        if (entry.kind == OptionKind::Text || entry.kind == OptionKind::Flag) {
            continue;
        }
        CAPTURE(entry.name);
        const auto refuses = [&](std::uint64_t value) {
            Options options;
            entry.set(options, value);
            CHECK(entry.get(options) == value);
            const std::string words = complaint(options);
            CHECK(words ==
                  "Options::" + std::string{entry.name} + " is " + std::to_string(value) + ", must be " + ecsdb::describe_bounds(entry));
        };
        if (entry.least != 0) {
            refuses(entry.least - 1);
        }
        if (entry.most < 0xFF || entry.name == "batch_transactions") {
            refuses(entry.most + 1);
        }
    }
}

TEST_CASE("options that contradict each other are refused by both names", "[options]") {
    Options options;
    options.initial_bytes = 2000;
    options.memory_limit = 1000;
    CHECK(complaint(options) == "Options::initial_bytes is 2000, more than Options::memory_limit, which is 1000");
    options = {};
    options.block_growth_percent = 99;
    CHECK(complaint(options) == "Options::block_growth_percent is 99, must be 100 to 1000");
    options = {};
    options.max_block_bytes = 4096;
    CHECK(complaint(options) == "Options::first_block_bytes is 262144, more than Options::max_block_bytes, which is 4096");
    options = {};
    options.durability = ecsdb::Durability::Logged;
    CHECK(complaint(options).find("Options::directory is empty, and Options::durability is not Memory") == 0);
    options.directory = "world";
    CHECK(complaint(options).empty());
    options.publish_before_sync = true;
    CHECK(complaint(options).find("Options::publish_before_sync is set, and Options::durability is not Synced") == 0);
    options.durability = ecsdb::Durability::Synced;
    CHECK(complaint(options).empty());
    options.publish_before_sync = false;
    options.durability = ecsdb::Durability::Memory;
    CHECK(complaint(options).find("Options::directory is given, and Options::durability is Memory") == 0);
    options.mode = ecsdb::OpenMode::ReadOnly;
    CHECK(complaint(options).empty());
    options.directory.clear();
    CHECK(complaint(options).find("Options::directory is empty, and Options::mode is ReadOnly") == 0);
}

TEST_CASE("every option has a name of its own and reads back what was set", "[options]") {
    std::set<std::string_view> names;
    for (const ecsdb::OptionEntry& entry : ecsdb::option_table) {
        CAPTURE(entry.name);
        CHECK(names.insert(entry.name).second);
        Options options;
        if (entry.kind == OptionKind::Text) {
            options.*entry.text = "somewhere";
            continue;
        }
        CHECK(entry.get(options) >= entry.least);
        CHECK(entry.get(options) <= entry.most);
        entry.set(options, entry.most);
        CHECK(entry.get(options) == entry.most);
    }
}

} // namespace option_table_test
