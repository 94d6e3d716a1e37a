#include "ecsdb/formats/native.hpp"

#include "ecsdb/formats/registry.hpp"
#include "formats/formats_fixture.hpp"

#include <memory>

namespace ecsdb::test::native_test {
namespace {

/// A component that knows better how it is written: as one byte.
struct Dial {
    std::uint32_t notch;
    std::uint32_t cached;
};
ECSDB_COMPONENT(Dial, notch, cached);

} // namespace

TEST_CASE("the native format carries every byte of every component, there and back", "[formats][native]") {
    const formats::NativeFormat format;
    CHECK(format.format_name() == "native");
    CHECK(format.format_version() == 1);
    check_round_trips(format);
}

TEST_CASE("the native format is chosen by its name", "[formats][native]") {
    formats::Registry registry;
    require(registry.add(std::make_unique<formats::NativeFormat>()));
    CHECK(value_of(registry.choose("native"))->format_version() == 1);
    CHECK_FALSE(registry.choose("columns"));
}

TEST_CASE("an empty database is saved and loaded natively", "[formats][native]") {
    Whole db = open_db<Whole>(stepped());
    const auto bytes = saved(db.read(), formats::NativeFormat{});
    CHECK(value_of(formats::load(db, formats::NativeFormat{}, bytes)).created == 0);
    CHECK(db.version() == 0);
}

TEST_CASE("a component's own pair of functions writes and reads native rows", "[formats][native][codec]") {
    using Dials = Database<Dial, ImportedId>;
    Dials from = open_db<Dials>(stepped());
    auto tx = from.begin();
    const Entity entity = tx.create(Dial{5, 77});
    require(tx.commit());
    formats::Codecs codecs;
    codecs.add<Dial>([](const Dial& dial, ByteBuffer& out) { out.append_le<std::uint8_t>(static_cast<std::uint8_t>(dial.notch)); },
                     [](std::span<const std::byte> bytes, std::uint32_t version) -> Result<Dial> {
                         if (bytes.size() != 1) {
                             return Error{ErrorCode::Corrupt, "a dial is one byte"};
                         }
                         return Dial{static_cast<std::uint32_t>(bytes[0]), version};
                     });
    const auto bytes = saved(from.read(), formats::NativeFormat{}, {.codecs = &codecs});
    Dials into = open_db<Dials>(stepped());
    value_of(formats::load(into, formats::NativeFormat{}, bytes, {.codecs = &codecs}));
    const Entity copy = into.read().find(from.read().stable_id(entity));
    CHECK(into.get<Dial>(copy)->notch == 5);
    CHECK(into.get<Dial>(copy)->cached == 1);
    CHECK(contains(refused(into, formats::NativeFormat{}, bytes, ErrorCode::SchemaMismatch), "rows of any length"));
}

} // namespace ecsdb::test::native_test
