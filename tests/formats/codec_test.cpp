#include "ecsdb/formats/codec.hpp"

#include "ecsdb/formats/pecs.hpp"
#include "formats/formats_fixture.hpp"

namespace ecsdb::test::codec_test {

/// A component that knows better how it is written: as one byte.
struct Dial {
    std::uint32_t notch;
    std::uint32_t cached;
};
ECSDB_COMPONENT(Dial, notch, cached);

using Dials = Database<Dial, ImportedId>;

} // namespace ecsdb::test::codec_test

template <>
struct ecsdb::formats::ComponentCodec<ecsdb::test::codec_test::Dial> {
    using Dial = ecsdb::test::codec_test::Dial;
    static void serialise(const Dial& dial, ByteBuffer& out) { out.append_le<std::uint8_t>(static_cast<std::uint8_t>(dial.notch)); }
    static Result<Dial> deserialise(std::span<const std::byte> bytes, std::uint32_t version) {
        if (bytes.size() != 1) {
            return Error{ErrorCode::Corrupt, "a dial is one byte"};
        }
        const auto notch = static_cast<std::uint32_t>(bytes[0]);
        return Dial{notch, notch * 100 + version};
    }
};

namespace ecsdb::test::codec_test {

TEST_CASE("a component's own pair of functions writes and reads its rows", "[formats][codec]") {
    Dials from = open_db<Dials>(stepped());
    auto tx = from.begin();
    const Entity entity = tx.create(Dial{5, 77});
    require(tx.commit());
    formats::Codecs codecs;
    codecs.add<Dial>();
    const auto plain = saved(from.read(), formats::PecsFormat{});
    const auto bytes = saved(from.read(), formats::PecsFormat{}, {.codecs = &codecs});
    CHECK(plain.size() == bytes.size() + 7);

    Dials into = open_db<Dials>(stepped());
    value_of(formats::load(into, formats::PecsFormat{}, bytes, {.codecs = &codecs}));
    const Entity copy = into.read().find(from.read().stable_id(entity));
    CHECK(into.get<Dial>(copy)->notch == 5);
    CHECK(into.get<Dial>(copy)->cached == 501);

    // What it says no to is told with the place.
    const std::string message = refused(into, formats::PecsFormat{}, plain, ErrorCode::Corrupt, {.codecs = &codecs});
    CHECK(contains(message, "entity 1 of 1: component `Dial`: a dial is one byte"));
    CHECK(contains(refused(into, formats::PecsFormat{}, bytes, ErrorCode::Corrupt), "does not have the bytes of a row"));
}

TEST_CASE("a codec may be two functions of the program, and the last one counts", "[formats][codec]") {
    formats::Codecs codecs;
    CHECK(codecs.find("Dial") == nullptr);
    codecs.add<Dial>();
    codecs.add<Dial>([](const Dial&, ByteBuffer& out) { out.append_le<std::uint16_t>(9); },
                     [](std::span<const std::byte>, std::uint32_t) -> Result<Dial> {
                         return Dial{1, 2};
                     });
    SystemAllocator memory;
    ByteBuffer out{memory};
    const Dial dial{1, 1};
    codecs.find("Dial")->serialise(reinterpret_cast<const std::byte*>(&dial), out);
    CHECK(out.size() == 2);
}

TEST_CASE("a table with texts can have no codec", "[formats][codec]") {
    Whole db = open_db<Whole>(stepped());
    fill(db);
    formats::Codecs codecs;
    codecs.add("Note", {});
    SystemAllocator memory;
    ByteBuffer out{memory};
    CHECK(code_of(formats::save(db.read(), formats::PecsFormat{}, out, {.codecs = &codecs})) == ErrorCode::Unsupported);
    CHECK(contains(refused(db, formats::PecsFormat{}, saved(db.read(), formats::PecsFormat{}), ErrorCode::Unsupported, {.codecs = &codecs}),
                   "`Note`"));
}

} // namespace ecsdb::test::codec_test
