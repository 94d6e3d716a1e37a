// What every file system must do, told once and held against each of them.
#include "ecsdb/io/file_system.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <functional>

namespace file_system_test {

using ecsdb::ErrorCode;
using ecsdb::FileMode;
using ecsdb::test::bytes_of;
using ecsdb::test::text_in;
using ecsdb::test::text_of;

namespace {

/// Runs `check(files, directory)` on the machine's files, in memory, and through a wrapper that breaks nothing.
void on_every_file_system(const std::function<void(ecsdb::FileSystem&, const std::string&)>& check) {
    {
        INFO("posix");
        const ecsdb::test::TemporaryDirectory directory;
        ecsdb::PosixFileSystem files;
        check(files, directory.path());
    }
    {
        INFO("simulated");
        ecsdb::SimulatedFileSystem files;
        REQUIRE(files.create_directory("/world"));
        check(files, "/world");
    }
    {
        INFO("wrapped");
        ecsdb::SimulatedFileSystem below;
        ecsdb::FaultFileSystem files{below};
        REQUIRE(files.create_directory("world"));
        check(files, "world");
    }
}

template <typename T>
ErrorCode code_of(const ecsdb::Result<T>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error().code();
}

} // namespace

TEST_CASE("what is not there is not found, by a message that names operation and path", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        const std::string path = directory + "/absent";
        for (const FileMode mode : {FileMode::Read, FileMode::ReadWrite}) {
            const auto opened = files.open(path, mode);
            REQUIRE_FALSE(opened);
            CHECK(opened.error().code() == ErrorCode::NotFound);
            CHECK(opened.error().message().find("open " + path + ": ") == 0);
        }
        CHECK(code_of(files.open(path + "/below", FileMode::CreateNew)) == ErrorCode::NotFound);
        CHECK(code_of(files.create_directory(path + "/below")) == ErrorCode::NotFound);
        CHECK(code_of(files.list(path)) == ErrorCode::NotFound);
        CHECK(code_of(files.rename(path, path + "2")) == ErrorCode::NotFound);
        CHECK(code_of(files.remove(path)) == ErrorCode::NotFound);
        CHECK(code_of(files.file_size(path)) == ErrorCode::NotFound);
        CHECK(code_of(files.sync_directory(path)) == ErrorCode::NotFound);
        CHECK(code_of(files.lock(path + "/below")) == ErrorCode::NotFound);
        CHECK(code_of(ecsdb::read_all(files, path, 10)) == ErrorCode::NotFound);
        const auto exists = files.exists(path);
        REQUIRE(exists);
        CHECK_FALSE(*exists);
    });
}

TEST_CASE("what is there already is not created again", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        const std::string path = directory + "/file";
        REQUIRE(files.open(path, FileMode::CreateNew));
        CHECK(code_of(files.open(path, FileMode::CreateNew)) == ErrorCode::AlreadyExists);
        CHECK(code_of(files.create_directory(path)) == ErrorCode::AlreadyExists);
        CHECK(code_of(files.create_directory(directory)) == ErrorCode::AlreadyExists);
    });
}

TEST_CASE("a directory with something in it is not removed, and a directory is not a file", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        const std::string inner = directory + "/inner";
        REQUIRE(files.create_directory(inner));
        REQUIRE(files.open(inner + "/file", FileMode::CreateNew));
        CHECK(code_of(files.remove(inner)) == ErrorCode::Io);
        CHECK(code_of(files.open(inner, FileMode::ReadWrite)) == ErrorCode::Io);
        CHECK(code_of(files.list(inner + "/file")) == ErrorCode::Io);
        REQUIRE(files.remove(inner + "/file"));
        REQUIRE(files.remove(inner));
        CHECK(code_of(files.list(inner)) == ErrorCode::NotFound);
    });
}

TEST_CASE("a file opened for reading is not written", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        const std::string path = directory + "/file";
        REQUIRE(ecsdb::write_atomically(files, path, bytes_of("kept")));
        auto file = files.open(path, FileMode::Read);
        REQUIRE(file);
        CHECK(code_of((*file)->pwrite(bytes_of("x"), 0)) == ErrorCode::Io);
        CHECK(code_of((*file)->truncate(0)) == ErrorCode::Io);
        CHECK(text_in(files, path) == "kept");
    });
}

TEST_CASE("reads are short only at the end, writes leave zeros before them", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        auto file = files.open(directory + "/file", FileMode::CreateNew);
        REQUIRE(file);
        REQUIRE((*file)->pwrite(bytes_of("world"), 3));
        REQUIRE((*file)->pwrite({}, 100));
        std::byte buffer[16];
        CHECK(*(*file)->pread(buffer, 0) == 8);
        CHECK(text_of(std::span{buffer}.first(8)) == std::string("\0\0\0world", 8));
        CHECK(*(*file)->pread(std::span{buffer}.first(2), 4) == 2);
        CHECK(text_of(std::span{buffer}.first(2)) == "or");
        CHECK(*(*file)->pread(buffer, 8) == 0);
        CHECK(*(*file)->pread(buffer, 1U << 30U) == 0);
        CHECK(*(*file)->size() == 8);
        REQUIRE((*file)->sync());
    });
}

TEST_CASE("what is written past the cache is read like anything else", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        auto file = files.open(directory + "/file", FileMode::CreateNew);
        REQUIRE(file);
        std::vector<std::byte> expected;
        std::size_t seed = 1;
        // Each run begins where the last one ended, in the middle of a block, and in a page the cache knows.
        for (const std::size_t size : {100U, 300'000U, 4096U, 1'500'001U, 262'144U, 7U, 2'400'000U}) {
            std::vector<std::byte> bytes(size);
            for (std::byte& byte : bytes) {
                byte = static_cast<std::byte>(seed = seed * 1103515245 + 12345);
            }
            const std::uint64_t offset = expected.size();
            REQUIRE((*file)->pwrite_uncached(bytes, offset));
            expected.insert(expected.end(), bytes.begin(), bytes.end());
            std::vector<std::byte> found(expected.size());
            CHECK(*(*file)->pread(found, 0) == found.size());
            CHECK(found == expected);
        }
        REQUIRE((*file)->sync());
        (*file)->forget_cached(); // a hint: what is read is the same
        std::vector<std::byte> found(expected.size());
        CHECK(*(*file)->pread(found, 0) == found.size());
        CHECK(found == expected);
    });
}

TEST_CASE("files are cut, extended and preallocated with zeros", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        const std::string path = directory + "/file";
        auto file = files.open(path, FileMode::CreateNew);
        REQUIRE(file);
        REQUIRE((*file)->pwrite(bytes_of("abcdef"), 0));
        REQUIRE((*file)->truncate(2));
        REQUIRE((*file)->truncate(4));
        CHECK(text_in(files, path) == std::string("ab\0\0", 4));
        REQUIRE((*file)->preallocate(3));
        CHECK(*files.file_size(path) == 4);
        REQUIRE((*file)->preallocate(0));
        REQUIRE((*file)->preallocate(10'000));
        CHECK(*files.file_size(path) == 10'000);
        (*file)->begin_write_back(0, 20'000); // a hint: nothing to be seen of it
        CHECK(*files.file_size(path) == 10'000);
        std::byte last{1};
        CHECK(*(*file)->pread({&last, 1}, 9'999) == 1);
        CHECK(last == std::byte{0});
    });
}

TEST_CASE("a renamed file replaces another, and an open one outlives its name", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        REQUIRE(files.create_directory(directory + "/archive"));
        REQUIRE(ecsdb::write_atomically(files, directory + "/old", bytes_of("old")));
        REQUIRE(ecsdb::write_atomically(files, directory + "/new", bytes_of("new")));
        auto old = files.open(directory + "/old", FileMode::ReadWrite);
        REQUIRE(old);
        REQUIRE(files.rename(directory + "/new", directory + "/old"));
        REQUIRE(files.rename(directory + "/old", directory + "/old"));
        CHECK(*files.list(directory) == std::vector<std::string>{"archive", "old"});
        CHECK(text_in(files, directory + "/old") == "new");

        std::byte buffer[3];
        REQUIRE((*old)->pwrite(bytes_of("O"), 0));
        CHECK(*(*old)->pread(buffer, 0) == 3);
        CHECK(text_of(buffer) == "Old");

        REQUIRE(files.rename(directory + "/old", directory + "/archive/1"));
        REQUIRE(files.sync_directory(directory + "/archive"));
        CHECK(*files.list(directory) == std::vector<std::string>{"archive"});
        CHECK(text_in(files, directory + "/archive/1") == "new");
    });
}

TEST_CASE("a lock is taken once, says who holds it, and is free again afterwards", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        const std::string path = directory + "/lock";
        {
            const auto held = files.lock(path);
            REQUIRE(held);
            const auto second = files.lock(path);
            REQUIRE_FALSE(second);
            CHECK(second.error().code() == ErrorCode::Locked);
            CHECK(second.error().message().find(path + ": held by process ") != std::string::npos);
            CHECK(files.lock(directory + "/other"));
        }
        CHECK(files.lock(path));
        CHECK(*files.exists(path));
    });
}

TEST_CASE("the boot id stays the same within one boot", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string&) {
        const ecsdb::BootId id = files.boot_id();
        CHECK(id == files.boot_id());
        CHECK(id != ecsdb::BootId{});
    });
}

TEST_CASE("a whole file is read only if it is no larger than makes sense", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        const std::string path = directory + "/file";
        REQUIRE(ecsdb::write_atomically(files, path, bytes_of("12345")));
        const auto refused = ecsdb::read_all(files, path, 4);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code() == ErrorCode::Corrupt);
        CHECK(refused.error().message() == path + ": holds 5 bytes where at most 4 make sense");
        CHECK(text_of(*ecsdb::read_all(files, path, 5)) == "12345");
        REQUIRE(ecsdb::write_atomically(files, path, {}));
        CHECK(ecsdb::read_all(files, path, 0)->empty());
    });
}

TEST_CASE("replacing a file takes over what a crash left behind, and fails where a directory is in the way", "[io]") {
    on_every_file_system([](ecsdb::FileSystem& files, const std::string& directory) {
        const std::string path = directory + "/file";
        REQUIRE(files.open(path + ".tmp", FileMode::CreateNew));
        REQUIRE(ecsdb::write_atomically(files, path, bytes_of("whole")));
        CHECK(text_in(files, path) == "whole");
        CHECK(*files.list(directory) == std::vector<std::string>{"file"});

        REQUIRE(files.create_directory(directory + "/occupied"));
        CHECK(code_of(ecsdb::write_atomically(files, directory + "/occupied", bytes_of("x"))) == ErrorCode::Io);
        CHECK(*files.list(directory) == std::vector<std::string>{"file", "occupied"});
    });
}

TEST_CASE("a path knows its directory", "[io]") {
    CHECK(ecsdb::parent_directory("file") == ".");
    CHECK(ecsdb::parent_directory("/file") == "/");
    CHECK(ecsdb::parent_directory("a/b/c") == "a/b");
}

} // namespace file_system_test
