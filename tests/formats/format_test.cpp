#include "ecsdb/formats/format.hpp"

#include "ecsdb/formats/pecs.hpp"
#include "formats/formats_fixture.hpp"

namespace ecsdb::test::format_test {

TEST_CASE("an empty view is not saved, and a load does not start within a function transaction", "[formats]") {
    SystemAllocator memory;
    ByteBuffer out{memory};
    CHECK(code_of(formats::save(View{}, formats::PecsFormat{}, out)) == ErrorCode::InvalidArgument);
    Whole db = open_db<Whole>(stepped());
    fill(db);
    const auto bytes = saved(db.read(), formats::PecsFormat{});
    const auto nested = db.execute([&](auto&) -> Result<void> {
        auto loaded = formats::load(db, formats::PecsFormat{}, bytes, {.keep_stable_ids = false});
        return loaded ? Result<void>{} : Result<void>{std::move(loaded).error()};
    });
    CHECK(code_of(nested) == ErrorCode::WouldDeadlock);
}

TEST_CASE("a producer can be loaded into, and saving uses the buffer's memory again", "[formats]") {
    Whole from = open_db<Whole>(stepped());
    const std::size_t entities = fill(from).size();
    SystemAllocator memory;
    ByteBuffer out{memory};
    require(formats::save(from.read(), formats::PecsFormat{}, out));
    const std::byte* const place = out.data();
    const std::size_t size = out.size();
    require(formats::save(from.read(), formats::PecsFormat{}, out));
    CHECK(out.data() == place);
    CHECK(out.size() == size);
    Whole into = open_db<Whole>(stepped());
    auto producer = into.producer();
    CHECK(value_of(formats::load(producer, formats::PecsFormat{}, out.view())).created == entities);
    CHECK(into.version() == 1);
}

} // namespace ecsdb::test::format_test
