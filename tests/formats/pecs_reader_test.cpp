#include "ecsdb/formats/pecs_reader.hpp"

#include "ecsdb/formats/pecs.hpp"
#include "formats/formats_fixture.hpp"

#include <random>

namespace ecsdb::test::pecs_reader_test {

namespace {

using Bytes = std::vector<std::byte>;
using Two = Database<Place, Note, Visible, ImportedId>;
const formats::PecsFormat format;

Bytes small_file() {
    Two db = open_db<Two>(stepped());
    auto tx = db.begin();
    Note note;
    note.body = tx.text("text");
    static_cast<void>(tx.create(Place{1, 2}, note));
    static_cast<void>(tx.create(Place{3, 4}, Visible{}));
    require(tx.commit());
    return saved(db.read(), format);
}
/// The file with a checksum that is right for it.
Bytes signed_again(Bytes file) {
    store_le<std::uint64_t>(file.data() + file.size() - 8, crc64_xz(std::span{file}.first(file.size() - 8)));
    return file;
}
template <typename T>
Bytes with(Bytes file, std::size_t offset, T value) {
    store_le<T>(file.data() + offset, value);
    return signed_again(std::move(file));
}
std::size_t entities_at(const Bytes& file) {
    std::size_t at = 24;
    for (std::uint32_t i = 0; i < load_le<std::uint32_t>(file.data() + 20); ++i) {
        at += 24 + load_le<std::uint32_t>(file.data() + at + 16);
    }
    return at;
}

} // namespace

TEST_CASE("a PECS file cut short at any byte is refused, with and without a good checksum", "[formats][pecs][hostile]") {
    Two into = open_db<Two>(stepped());
    const Bytes file = small_file();
    for (std::size_t size = 0; size < file.size(); ++size) {
        CAPTURE(size);
        const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(contains(refused(into, format, cut, ErrorCode::Corrupt), "loading pecs: byte "));
        if (size >= 32) {
            CHECK(contains(refused(into, format, signed_again(cut), ErrorCode::Corrupt), "byte "));
        }
    }
}

TEST_CASE("a PECS file with any bit flipped is refused; with a good checksum nothing breaks", "[formats][pecs][hostile]") {
    const Bytes file = small_file();
    Two into = open_db<Two>(stepped());
    for (std::size_t byte = 0; byte < file.size(); ++byte) {
        Bytes flipped = file;
        flipped[byte] ^= std::byte{0x10};
        CAPTURE(byte);
        const auto loaded = formats::load(into, format, flipped);
        CHECK_FALSE(loaded);
        if (byte + 8 < file.size()) {
            Two fresh = open_db<Two>(stepped());
            const auto tried = formats::load(fresh, format, signed_again(flipped));
            CHECK((tried ? fresh.read().entity_count() == 2 : fresh.version() == 0));
        }
    }
    CHECK(into.version() == 0);
}

TEST_CASE("what a PECS file claims is checked before it is believed", "[formats][pecs][hostile]") {
    Two into = open_db<Two>(stepped());
    const Bytes file = small_file();
    const std::size_t first = entities_at(file);
    const auto corrupt = [&](const Bytes& bytes, const std::string& what) {
        const std::string message = refused(into, format, bytes, ErrorCode::Corrupt);
        CAPTURE(message);
        CHECK(contains(message, what));
    };
    corrupt({}, "byte 0: the file ends within its header");
    corrupt(with<std::uint8_t>(file, 0, 'X'), "byte 0: does not begin with `PECS`");
    CHECK(contains(refused(into, format, with<std::uint32_t>(file, 4, 2), ErrorCode::Unsupported),
                   "byte 4: version 2; this program reads version 1"));
    CHECK(contains(refused(into, format, with<std::uint32_t>(file, 8, 1), ErrorCode::Unsupported), "byte 8: flags 1"));
    corrupt(with<std::uint64_t>(file, 12, ~0ULL), "byte 12: 18446744073709551615 entities do not fit");
    corrupt(with<std::uint64_t>(file, 12, 3), "entity 3 of 3: the file ends within it");
    corrupt(with<std::uint64_t>(file, 12, 1), "are left over after the last entity");
    corrupt(with<std::uint32_t>(file, 20, ~0U), "byte 20: 4294967295 types do not fit");
    corrupt(with<std::uint32_t>(file, 24 + 16, ~0U), "byte 24: type 1 of 3: reaches past the end of the file");
    corrupt(with<std::uint8_t>(file, 24, 0), "its id is not that of its name, `Place`");
    corrupt(with<std::uint64_t>(with<std::uint64_t>(file, first, 0), first + 8, 0), "its stable id names nothing");
    corrupt(with<std::uint32_t>(file, first + 16, ~0U), "4294967295 components, and the file has 3 types");
    corrupt(with<std::uint8_t>(file, first + 20, 0), "component 1 of 8 bytes is of a type that the file does not list");
    corrupt(with<std::uint32_t>(file, first + 36, ~0U), "component 1 (`Place`) of 4294967295 bytes claims more bytes than follow");
    corrupt(with<std::uint32_t>(file, first + 36, 7), "component 1 (`Place`) of 7 bytes does not have the bytes of a row");
    const std::size_t note = first + 20 + 20 + 8;
    corrupt(with<std::uint32_t>(file, note + 20 + 4, ~0U), "component 2 (`Note`)");
    // The second entity gets the stable id of the first, and the first one twice the same component.
    Bytes twice = file;
    const std::size_t second = note + 20 + load_le<std::uint32_t>(file.data() + note + 16);
    std::memcpy(twice.data() + second, twice.data() + first, 16);
    corrupt(signed_again(twice), "entity 2 of 2: its stable id");
    twice = file;
    std::memcpy(twice.data() + second + 40 + 8, twice.data() + second + 20, 16);
    store_le<std::uint32_t>(twice.data() + second + 40 + 8 + 16, 0);
    corrupt(signed_again(twice), "component 2 (`Place`) of 0 bytes does not have the bytes of a row");
}

TEST_CASE("a PECS file of other tables is refused, or read without them", "[formats][pecs]") {
    using Fewer = Database<Place, ImportedId>;
    Fewer into = open_db<Fewer>(stepped());
    const Bytes file = small_file();
    CHECK(contains(refused(into, format, file, ErrorCode::SchemaMismatch), "table `Note` is not in schema"));
    const formats::LoadOptions skip{.unknown_tables = formats::UnknownTable::Skip};
    CHECK(value_of(formats::load(into, format, file, skip)).created == 2);
    CHECK(into.read().count<Place>() == 2);

    // The table's version follows its name.
    Two other = open_db<Two>(stepped());
    const std::string message = refused(other, format, with<std::uint32_t>(file, 24 + 20 + 5, 2), ErrorCode::SchemaMismatch);
    CHECK(contains(message, "`Place`: was saved with version 2 of the table, and here it has version 1"));
}

TEST_CASE("constraints of the database hold for what is loaded", "[formats][pecs]") {
    Two into = open_db<Two>(stepped());
    const Bytes file = small_file();
    const std::size_t text = entities_at(file) + 20 + 28 + 20 + 4 + 4;
    REQUIRE(file[text] == std::byte{'t'});
    CHECK(contains(refused(into, format, with<std::uint8_t>(file, text, 0xFF), ErrorCode::ConstraintViolation), "field `body`"));
}

TEST_CASE("random bytes never pass for a PECS file, or only for a whole one", "[formats][pecs][hostile]") {
    const Bytes good = small_file();
    std::mt19937_64 random{7};
    for (int round = 0; round < 100; ++round) {
        Bytes file = good;
        for (int i = 0; i < 4; ++i) {
            file[12 + random() % (file.size() - 20)] = static_cast<std::byte>(random());
        }
        Two fresh = open_db<Two>(stepped());
        const auto loaded = formats::load(fresh, format, signed_again(file));
        CHECK((loaded || fresh.version() == 0));
    }
}

} // namespace ecsdb::test::pecs_reader_test
