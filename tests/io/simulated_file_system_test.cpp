#include "ecsdb/io/simulated_file_system.hpp"

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <thread>

namespace simulated_file_system_test {

using ecsdb::CrashPlan;
using ecsdb::ErrorCode;
using ecsdb::FileMode;
using ecsdb::KeepPending;
using ecsdb::test::bytes_of;
using ecsdb::test::text_in;

namespace {

using Names = std::vector<std::string>;

/// A file whose name and contents are durable.
void create_durably(ecsdb::SimulatedFileSystem& files, const std::string& path, std::string_view text) {
    auto file = files.open(path, FileMode::CreateNew);
    REQUIRE(file);
    REQUIRE((*file)->pwrite(bytes_of(text), 0));
    REQUIRE((*file)->sync());
    REQUIRE(files.sync_directory(ecsdb::parent_directory(path)));
}

} // namespace

TEST_CASE("a created file is lost with the power, however well its contents were synced", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    auto file = files.open("file", FileMode::CreateNew);
    REQUIRE((*file)->pwrite(bytes_of("data"), 0));
    REQUIRE((*file)->sync());
    CHECK(files.after_crash({})->list("/")->empty());
    REQUIRE(files.sync_directory("."));
    CHECK(text_in(*files.after_crash({}), "file") == "data");
}

TEST_CASE("unsynced writes are lost, synced ones stay", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "0123456789");
    auto file = files.open("file", FileMode::ReadWrite);
    REQUIRE((*file)->pwrite(bytes_of("ab"), 0));
    REQUIRE((*file)->sync());
    REQUIRE((*file)->pwrite(bytes_of("cd"), 4));
    REQUIRE((*file)->truncate(8));
    CHECK(files.pending() == 2);
    CHECK(text_in(files, "file") == "ab23cd67");
    CHECK(text_in(*files.after_crash({}), "file") == "ab23456789");
    CHECK(text_in(*files.after_crash({.keep = KeepPending::All}), "file") == "ab23cd67");
    CHECK(text_in(*files.after_crash({.keep = KeepPending::Cached}), "file") == "ab23cd67");
}

TEST_CASE("a rename may be lost until its directory is synced, and never leaves neither file", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "manifest", "old");
    create_durably(files, "manifest.tmp", "new");
    REQUIRE(files.rename("manifest.tmp", "manifest"));
    CHECK(*files.list("/") == Names{"manifest"});
    CHECK(text_in(*files.after_crash({}), "manifest") == "old");
    CHECK(text_in(*files.after_crash({}), "manifest.tmp") == "new");
    for (std::uint64_t seed = 0; seed < 32; ++seed) {
        CAPTURE(seed);
        const auto image = files.after_crash({.seed = seed, .keep = KeepPending::Subset});
        const std::string text = text_in(*image, "manifest");
        CHECK((text == "old" || text == "new"));
    }
    REQUIRE(files.sync_directory("/"));
    CHECK(*files.after_crash({})->list("/") == Names{"manifest"});
    CHECK(text_in(*files.after_crash({}), "manifest") == "new");
}

TEST_CASE("a removed file is back after a crash, until its directory is synced", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "data");
    REQUIRE(files.remove("file"));
    CHECK(text_in(*files.after_crash({}), "file") == "data");
    REQUIRE(files.sync_directory("/"));
    CHECK(text_in(*files.after_crash({}), "file") == "<NotFound>");
}

TEST_CASE("a rename between directories is durable in both or in neither", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    REQUIRE(files.create_directory("archive"));
    REQUIRE(files.sync_directory("/"));
    auto file = files.open("segment", FileMode::CreateNew);
    REQUIRE((*file)->pwrite(bytes_of("data"), 0));
    REQUIRE((*file)->sync());
    REQUIRE(files.rename("segment", "archive/segment"));
    CHECK(*files.after_crash({})->list("/") == Names{"archive"});
    // Only the target is synced, but the creation the rename builds upon goes with it: nothing comes back under the old name.
    REQUIRE(files.sync_directory("archive"));
    const auto image = files.after_crash({});
    CHECK(*image->list("/") == Names{"archive"});
    CHECK(text_in(*image, "archive/segment") == "data");
    CHECK(*files.after_crash({.keep = KeepPending::All})->list("/") == Names{"archive"});
    CHECK(files.pending() == 0);
}

TEST_CASE("a write survives torn at every byte", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "....");
    auto file = files.open("file", FileMode::ReadWrite);
    REQUIRE((*file)->pwrite(bytes_of("ab"), 0));
    REQUIRE((*file)->pwrite(bytes_of("cdef"), 2));
    REQUIRE(files.pending() == 2);
    const auto cut = [&](std::size_t prefix, std::size_t torn) {
        return text_in(*files.after_crash({.keep = KeepPending::Prefix, .prefix = prefix, .torn_bytes = torn}), "file");
    };
    CHECK(cut(0, 0) == "....");
    CHECK(cut(0, 1) == "a...");
    CHECK(cut(1, 0) == "ab..");
    CHECK(cut(1, 1) == "abc.");
    CHECK(cut(1, 3) == "abcde");
    CHECK(cut(1, 99) == "abcdef");
    CHECK(cut(2, 0) == "abcdef");
}

TEST_CASE("pending writes survive in any combination", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "...");
    auto file = files.open("file", FileMode::ReadWrite);
    for (const std::uint64_t at : {0U, 1U, 2U}) {
        REQUIRE((*file)->pwrite(bytes_of("x"), at));
    }
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        seen.insert(text_in(*files.after_crash({.seed = seed, .keep = KeepPending::Subset}), "file"));
    }
    CHECK(seen.size() == 8);
}

TEST_CASE("one run gives the image of a crash after each of its changes", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "old");
    files.record_history();
    REQUIRE(ecsdb::write_atomically(files, "file", bytes_of("new!")));
    REQUIRE(files.changes() == 5); // create, write, sync, rename, sync directory
    for (std::size_t change = 0; change <= files.changes(); ++change) {
        CAPTURE(change);
        CHECK(text_in(*files.after_crash_at(change, {}), "file") == (change < 5 ? "old" : "new!"));
        CHECK(text_in(*files.after_crash_at(change, {.keep = KeepPending::All}), "file") == (change < 4 ? "old" : "new!"));
        for (std::uint64_t seed = 0; seed < 32; ++seed) {
            const auto image = files.after_crash_at(change, {.seed = seed, .keep = KeepPending::Subset, .tear = 1});
            const std::string text = text_in(*image, "file");
            CHECK((text == "old" || text == "new!"));
            // A crash at any point is repaired by doing it again, and a crash may follow at once.
            REQUIRE(ecsdb::write_atomically(*image, "file", bytes_of("next")));
            CHECK(text_in(*image->after_crash({}), "file") == "next");
        }
    }
}

TEST_CASE("a crash kills open files and locks, and boots anew", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "data");
    auto file = files.open("file", FileMode::ReadWrite);
    auto lock = files.lock("lock");
    REQUIRE(lock);
    const ecsdb::BootId before = files.boot_id();

    files.crash({.keep = KeepPending::Cached});
    CHECK(files.boot_id() == before);
    CHECK(*files.exists("lock"));
    std::byte byte{};
    const auto read = (*file)->pread({&byte, 1}, 0);
    REQUIRE_FALSE(read);
    CHECK(read.error().message() == "read file: the machine has crashed");
    CHECK_FALSE((*file)->pwrite({&byte, 1}, 0));
    CHECK_FALSE((*file)->sync());
    CHECK_FALSE((*file)->truncate(0));
    CHECK_FALSE((*file)->preallocate(9));
    CHECK_FALSE((*file)->size());

    auto next = files.lock("lock");
    REQUIRE(next);
    lock->reset();
    CHECK(files.lock("lock").error().code() == ErrorCode::Locked);
    CHECK(files.pending() == 1);

    files.crash({});
    CHECK(files.boot_id() != before);
    CHECK_FALSE(*files.exists("lock"));
    CHECK(text_in(files, "file") == "data");
    CHECK(files.pending() == 0);
}

TEST_CASE("an image and the running system do not disturb each other", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "data");
    const auto image = files.after_crash({});
    REQUIRE(ecsdb::write_atomically(*image, "file", bytes_of("theirs")));
    REQUIRE(ecsdb::write_atomically(files, "file", bytes_of("ours")));
    CHECK(text_in(*image, "file") == "theirs");
    CHECK(text_in(files, "file") == "ours");
}

TEST_CASE("a full disk takes a part of a write, and everything again once there is room", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "other", "0123456789");
    files.set_quota(14);
    auto file = files.open("file", FileMode::CreateNew);
    const auto written = (*file)->pwrite(bytes_of("abcdef"), 0);
    REQUIRE_FALSE(written);
    CHECK(written.error().code() == ErrorCode::NoSpace);
    CHECK(text_in(files, "file") == "abcd");
    CHECK(files.bytes_in_use() == 14);
    CHECK((*file)->pwrite(bytes_of("ABCD"), 0));
    CHECK((*file)->preallocate(5).error().code() == ErrorCode::NoSpace);
    CHECK((*file)->truncate(5).error().code() == ErrorCode::NoSpace);
    CHECK(ecsdb::write_atomically(files, "third", bytes_of("x")).error().code() == ErrorCode::NoSpace);
    CHECK(*files.list("/") == Names{"file", "other"});
    REQUIRE(files.remove("other"));
    CHECK((*file)->pwrite(bytes_of("abcdef"), 0));
    CHECK((*file)->preallocate(14));
    CHECK(text_in(files, "file").size() == 14);
}

TEST_CASE("an offset gone wrong fails instead of taking all memory", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    auto file = files.open("file", FileMode::CreateNew);
    CHECK((*file)->pwrite(bytes_of("x"), ~std::uint64_t{0}).error().code() == ErrorCode::NoSpace);
    CHECK((*file)->truncate(~std::uint64_t{0}).error().code() == ErrorCode::NoSpace);
    CHECK(*(*file)->size() == 0);
}

TEST_CASE("a lying disk says that it synced, and loses it all", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "old");
    files.ignore_sync(true);
    REQUIRE(ecsdb::write_atomically(files, "file", bytes_of("new")));
    CHECK(text_in(files, "file") == "new");
    CHECK(text_in(*files.after_crash({}), "file") == "old");
    files.ignore_sync(false);
    REQUIRE(ecsdb::write_atomically(files, "file", bytes_of("newer")));
    CHECK(text_in(*files.after_crash({}), "file") == "newer");
}

TEST_CASE("a sync that failed drops the pages: they can be read, sync again, and are gone after a crash", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "old");
    auto file = files.open("file", FileMode::ReadWrite);
    REQUIRE((*file)->pwrite(bytes_of("new"), 0));
    files.fail_sync_once_dropping_pages();
    const auto synced = (*file)->sync();
    REQUIRE_FALSE(synced);
    CHECK(synced.error().code() == ErrorCode::Io);
    CHECK((*file)->sync());
    CHECK(text_in(files, "file") == "new");
    CHECK(text_in(*files.after_crash({.keep = KeepPending::All}), "file") == "old");
    REQUIRE((*file)->pwrite(bytes_of("N"), 0));
    REQUIRE((*file)->sync());
    CHECK(text_in(*files.after_crash({}), "file") == "Nld");
}

TEST_CASE("a sync that was to fail can be let off", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "old");
    files.fail_sync_once_dropping_pages();
    files.fail_sync_once_dropping_pages(false);
    auto file = files.open("file", FileMode::ReadWrite);
    REQUIRE((*file)->pwrite(bytes_of("new"), 0));
    REQUIRE((*file)->sync());
    CHECK(text_in(*files.after_crash({}), "file") == "new");
}

TEST_CASE("a misdirected write succeeds, and lies elsewhere", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "0123456789");
    auto file = files.open("file", FileMode::ReadWrite);
    files.misdirect_next_write(4);
    REQUIRE((*file)->pwrite(bytes_of("ab"), 1));
    REQUIRE((*file)->pwrite(bytes_of("x"), 0));
    CHECK(text_in(files, "file") == "x1234ab789");
}

TEST_CASE("damage is on the medium at once, within the file, and no change of the program's", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    create_durably(files, "file", "abc");
    const std::size_t changes = files.changes();
    CHECK(files.damage("file", 2, bytes_of("\x01\x01")));
    CHECK_FALSE(files.damage("nothing", 0, bytes_of("x")));
    CHECK(text_in(files, "file") == "abb");
    CHECK(text_in(*files.after_crash({}), "file") == "abb");
    CHECK(files.changes() == changes);
}

TEST_CASE("a directory is renamed with what is in it, but only to a free name beside it", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    REQUIRE(files.create_directory("a"));
    REQUIRE(files.create_directory("b"));
    create_durably(files, "a/file", "data");
    CHECK(files.rename("a", "b").error().code() == ErrorCode::Io);
    CHECK(files.rename("a", "b/a").error().code() == ErrorCode::Io);
    CHECK(files.rename("a/file", "b").error().code() == ErrorCode::Io);
    REQUIRE(files.rename("a", "c"));
    CHECK(text_in(files, "./c//file") == "data");
    CHECK(files.remove("/").error().code() == ErrorCode::Io);
}

TEST_CASE("threads that write different files at once all find their bytes", "[io][simulated]") {
    ecsdb::SimulatedFileSystem files;
    const auto work = [&](const std::string& name) {
        auto file = files.open(name, FileMode::CreateNew);
        for (std::uint64_t at = 0; at < 500; ++at) {
            static_cast<void>((*file)->pwrite(bytes_of(name), at * name.size()));
            static_cast<void>((*file)->sync());
        }
    };
    std::thread other{work, "one"};
    work("two");
    other.join();
    REQUIRE(files.sync_directory("/"));
    const auto image = files.after_crash({});
    for (const std::string name : {"one", "two"}) {
        const std::string text = text_in(*image, name);
        CHECK(text.size() == 1500);
        CHECK(text.substr(1497) == name);
    }
}

} // namespace simulated_file_system_test
