#include "ecsdb/formats/native_reader.hpp"

#include "ecsdb/formats/native.hpp"
#include "formats/formats_fixture.hpp"

#include <random>

namespace ecsdb::test::native_reader_test {

namespace {

using Bytes = std::vector<std::byte>;
using Two = Database<Place, Note, Visible, ImportedId>;
const formats::NativeFormat format;

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
std::size_t groups_at(const Bytes& file) {
    std::size_t at = 40;
    for (std::uint32_t i = 0; i < load_le<std::uint32_t>(file.data() + 32); ++i) {
        at += 12 + load_le<std::uint32_t>(file.data() + at);
    }
    return at;
}

} // namespace

TEST_CASE("a native file cut short at any byte is refused, with and without a good checksum", "[formats][native][hostile]") {
    Two into = open_db<Two>(stepped());
    const Bytes file = small_file();
    for (std::size_t size = 0; size < file.size(); ++size) {
        CAPTURE(size);
        const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(contains(refused(into, format, cut, ErrorCode::Corrupt), "loading native: byte "));
        if (size >= 48) {
            CHECK(contains(refused(into, format, signed_again(cut), ErrorCode::Corrupt), "byte "));
        }
    }
}

TEST_CASE("a native file with any bit flipped is refused; with a good checksum nothing breaks", "[formats][native][hostile]") {
    const Bytes file = small_file();
    Two into = open_db<Two>(stepped());
    for (std::size_t byte = 0; byte < file.size(); ++byte) {
        for (const int bit : {0, 4, 7}) {
            Bytes flipped = file;
            flipped[byte] ^= static_cast<std::byte>(1 << bit);
            CAPTURE(byte, bit);
            CHECK_FALSE(formats::load(into, format, flipped));
            if (byte + 8 < file.size() && bit == 4) {
                Two fresh = open_db<Two>(stepped());
                const auto tried = formats::load(fresh, format, signed_again(flipped));
                CHECK((tried ? fresh.read().entity_count() == 2 : fresh.version() == 0));
            }
        }
    }
    CHECK(into.version() == 0);
}

TEST_CASE("what a native file claims is checked before it is believed", "[formats][native][hostile]") {
    Two into = open_db<Two>(stepped());
    const Bytes file = small_file();
    const std::size_t first = groups_at(file);
    const auto corrupt = [&](const Bytes& bytes, const std::string& what, ErrorCode code = ErrorCode::Corrupt) {
        const std::string message = refused(into, format, bytes, code);
        CAPTURE(message);
        CHECK(contains(message, what));
    };
    corrupt({}, "byte 0: the file ends within its header");
    corrupt(with<std::uint8_t>(file, 0, 'X'), "byte 0: does not begin with `ECSDBNAT`");
    corrupt(with<std::uint32_t>(file, 8, 2), "byte 8: version 2; this program reads version 1", ErrorCode::Unsupported);
    corrupt(with<std::uint32_t>(file, 12, 1), "byte 12: flags 1", ErrorCode::Unsupported);
    corrupt(with<std::uint64_t>(file, 16, ~0ULL), "byte 16: 18446744073709551615 entities do not fit");
    corrupt(with<std::uint64_t>(file, 16, 3), "byte 16: 3 entities, and there are 2 in the groups");
    corrupt(with<std::uint64_t>(file, 24, ~0ULL), "byte 24: 18446744073709551615 references do not fit");
    corrupt(with<std::uint64_t>(file, 24, 1), "bytes after the groups are not 1 references");
    corrupt(with<std::uint32_t>(file, 32, ~0U), "byte 32: 4294967295 tables do not fit");
    corrupt(with<std::uint32_t>(file, 36, ~0U), "byte 36: 4294967295 groups do not fit");
    corrupt(with<std::uint32_t>(file, 40, ~0U), "byte 40: table 1 of 3: reaches past the end of the file");
    corrupt(with<std::uint32_t>(file, 40 + 4 + 5, 2), "was saved with version 2 of the table, and here it has version 1",
            ErrorCode::SchemaMismatch);
    corrupt(with<std::uint32_t>(file, 40 + 4 + 5 + 4, 9), "was saved as rows of 9 bytes, and here it has rows of 8 bytes",
            ErrorCode::SchemaMismatch);
    corrupt(with<std::uint32_t>(file, first, ~0U), "group 1 of 2: reaches past the end of the file");
    corrupt(with<std::uint32_t>(file, first + 4, ~0U), "group 1 of 2: reaches past the end of the file");
    corrupt(with<std::uint32_t>(file, first + 8, 3), "column 1 is of a table that the file does not list");
    corrupt(with<std::uint32_t>(file, first + 12, 0), "column 2 is of a table that the file does not list, or not in its place");
    const std::size_t id = first + 16;
    corrupt(with<std::uint64_t>(with<std::uint64_t>(file, id, 0), id + 8, 0), "its stable id names nothing");
    const std::size_t note = id + 16 + 8;
    corrupt(with<std::uint32_t>(file, note, ~0U), "column 2 reaches past the end of the file");
    corrupt(with<std::uint32_t>(file, note, load_le<std::uint32_t>(file.data() + note) - 1), "is not the bytes of a row");
    // The second entity gets the stable id of the first.
    Bytes twice = file;
    const std::size_t second = note + 4 + load_le<std::uint32_t>(file.data() + note) + 16;
    std::memcpy(twice.data() + second, twice.data() + id, 16);
    corrupt(signed_again(twice), "came before");
}

TEST_CASE("a native file of other tables is refused, or read without them", "[formats][native]") {
    using Fewer = Database<Place, ImportedId>;
    Fewer into = open_db<Fewer>(stepped());
    const Bytes file = small_file();
    CHECK(contains(refused(into, format, file, ErrorCode::SchemaMismatch), "`Note` is not in schema"));
    const formats::LoadOptions skip{.unknown_tables = formats::UnknownTable::Skip};
    CHECK(value_of(formats::load(into, format, file, skip)).created == 2);
    CHECK(into.read().count<Place>() == 2);
}

TEST_CASE("random bytes never pass for a native file, or only for a whole one", "[formats][native][hostile]") {
    const Bytes good = small_file();
    std::mt19937_64 random{7};
    for (int round = 0; round < 200; ++round) {
        Bytes file = good;
        for (int i = 0; i < 4; ++i) {
            file[16 + random() % (file.size() - 24)] = static_cast<std::byte>(random());
        }
        Two fresh = open_db<Two>(stepped());
        const auto loaded = formats::load(fresh, format, signed_again(file));
        CHECK((loaded || fresh.version() == 0));
    }
}

} // namespace ecsdb::test::native_reader_test
