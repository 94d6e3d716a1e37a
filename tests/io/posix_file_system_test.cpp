#include "ecsdb/io/posix_file_system.hpp"

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <optional>

#include <sys/resource.h>
#include <sys/wait.h>

namespace posix_file_system_test {

using ecsdb::ErrorCode;
using ecsdb::FileMode;
using ecsdb::test::bytes_of;
using ecsdb::test::text_in;

namespace {

/// A child process that runs `act` and hands back what it returns (0 to 255).
template <typename Act>
int in_child(Act act) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(act());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

TEST_CASE("a second process does not get the lock and learns who has it", "[io][posix]") {
    const ecsdb::test::TemporaryDirectory directory;
    const std::string path = directory / "lock";
    ecsdb::PosixFileSystem files;
    const std::string holder = "held by process " + std::to_string(::getpid());
    std::optional lock{files.lock(path)};
    REQUIRE(*lock);

    CHECK(in_child([&] {
              const auto second = files.lock(path);
              const bool refused = !second && second.error().code() == ErrorCode::Locked;
              return refused && second.error().message() == "lock " + path + ": " + holder ? 0 : 1;
          }) == 0);
    lock.reset();
    CHECK(in_child([&] { return files.lock(path) ? 0 : 1; }) == 0);
}

TEST_CASE("a forked child that lets go of its copy of a lock does not release it", "[io][posix]") {
    const ecsdb::test::TemporaryDirectory directory;
    const std::string path = directory / "lock";
    ecsdb::PosixFileSystem files;
    auto lock = files.lock(path);
    REQUIRE(lock);
    CHECK(in_child([&] {
              lock->reset();
              return 0;
          }) == 0);
    const auto second = files.lock(path);
    REQUIRE_FALSE(second);
    CHECK(second.error().code() == ErrorCode::Locked);
    // Neither does reading the lock file, as it would with the older kind of lock.
    CHECK(text_in(files, path).find("pid " + std::to_string(::getpid()) + "\n") == 0);
    CHECK_FALSE(files.lock(path));
}

TEST_CASE("a lock its holder releases is free although a forked child lives on", "[io][posix]") {
    const ecsdb::test::TemporaryDirectory directory;
    ecsdb::PosixFileSystem files;
    auto lock = files.lock(directory / "lock");
    REQUIRE(lock);
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[1]);
        char byte = 0;
        static_cast<void>(!::read(ends[0], &byte, 1)); // returns when the parent closes its end
        ::_exit(0);
    }
    ::close(ends[0]);
    lock->reset();
    const bool free = files.lock(directory / "lock").has_value();
    ::close(ends[1]);
    ::waitpid(child, nullptr, 0);
    CHECK(free);
}

TEST_CASE("the lock of a killed process is free", "[io][posix]") {
    const ecsdb::test::TemporaryDirectory directory;
    ecsdb::PosixFileSystem files;
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const auto lock = files.lock(directory / "lock");
        const char taken = lock ? 'y' : 'n';
        static_cast<void>(!::write(ends[1], &taken, 1));
        ::pause();
        ::_exit(0);
    }
    char taken = 0;
    REQUIRE(::read(ends[0], &taken, 1) == 1);
    CHECK(taken == 'y');
    CHECK_FALSE(files.lock(directory / "lock"));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(files.lock(directory / "lock"));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("a lock file that says nonsense names nobody", "[io][posix]") {
    const ecsdb::test::TemporaryDirectory directory;
    const std::string path = directory / "lock";
    ecsdb::PosixFileSystem files;
    const auto lock = files.lock(path);
    REQUIRE(lock);
    for (const std::string_view text : {"", "pid", "pid \xFFZ\n", "pid 12", "pid 1x2\n"}) {
        CAPTURE(text);
        auto file = files.open(path, FileMode::ReadWrite);
        REQUIRE((*file)->truncate(0));
        REQUIRE((*file)->pwrite(bytes_of(text), 0));
        CHECK(files.lock(path).error().message() == "lock " + path + ": held by another process");
    }
}

TEST_CASE("the system's reasons become codes a caller can react to", "[io][posix]") {
    CHECK(ecsdb::detail::errno_error("write", "f", ENOSPC).code() == ErrorCode::NoSpace);
    CHECK(ecsdb::detail::errno_error("write", "f", EDQUOT).code() == ErrorCode::NoSpace);
    CHECK(ecsdb::detail::errno_error("open", "f", ENOENT).code() == ErrorCode::NotFound);
    CHECK(ecsdb::detail::errno_error("create", "f", EEXIST).code() == ErrorCode::AlreadyExists);
    CHECK(ecsdb::detail::errno_error("sync", "f", EIO).code() == ErrorCode::Io);
    CHECK(ecsdb::detail::errno_error("sync", "world.wal", EIO).message() == "sync world.wal: Input/output error");
}

TEST_CASE("a full device is reported as such", "[io][posix]") {
    ecsdb::PosixFileSystem files;
    auto full = files.open("/dev/full", FileMode::ReadWrite);
    if (!full) {
        WARN("no /dev/full here");
        SUCCEED();
        return;
    }
    const auto written = (*full)->pwrite(bytes_of("x"), 0);
    REQUIRE_FALSE(written);
    CHECK(written.error().code() == ErrorCode::NoSpace);
    CHECK(written.error().message() == "write /dev/full: No space left on device");
}

TEST_CASE("a write the system takes only in part is resumed, and its failure reported", "[io][posix]") {
    const ecsdb::test::TemporaryDirectory directory;
    CHECK(in_child([&] {
              // Below the limit the system writes a part, beyond it it refuses: both ways through the loop.
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{4096, 4096};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              ecsdb::PosixFileSystem files;
              auto file = files.open(directory / "file", FileMode::CreateNew);
              const std::vector<std::byte> bytes(10'000, std::byte{7});
              const auto written = (*file)->pwrite(bytes, 0);
              return !written && written.error().code() == ErrorCode::Io && *(*file)->size() == 4096 ? 0 : 1;
          }) == 0);
}

TEST_CASE("transfers go on after signals and short counts", "[io][posix]") {
    int call = 0;
    std::size_t done = 0;
    const bool whole = ecsdb::detail::transfer_all(10, done, [&](std::size_t from) -> ssize_t {
        ++call;
        if (call % 2 == 1) {
            errno = EINTR;
            return -1;
        }
        return from < 9 ? 3 : 1;
    });
    CHECK(whole);
    CHECK(done == 10);
    CHECK(call == 8);

    CHECK(ecsdb::detail::transfer_all(10, done, [](std::size_t from) -> ssize_t { return from == 0 ? 4 : 0; }));
    CHECK(done == 4);
    CHECK_FALSE(ecsdb::detail::transfer_all(10, done, [](std::size_t) -> ssize_t {
        errno = EIO;
        return -1;
    }));
    CHECK(done == 0);
}

TEST_CASE("a boot id is read as printed, and anything else is unknown", "[io][posix]") {
    const ecsdb::BootId id = ecsdb::detail::parse_boot_id("00112233-4455-6677-8899-aabbccddeeff\n");
    for (std::size_t at = 0; at < id.size(); ++at) {
        CHECK(static_cast<std::size_t>(id[at]) == at * 0x11);
    }
    for (const std::string_view text : {"", "0011", "00112233-4455-6677-8899-aabbccddeeffa", "zz112233-4455-6677-8899-aabbccddeeff"}) {
        CAPTURE(text);
        CHECK(ecsdb::detail::parse_boot_id(text) == ecsdb::BootId{});
    }
}

TEST_CASE("files are not handed on to programs that are started", "[io][posix]") {
    const ecsdb::test::TemporaryDirectory directory;
    const auto descriptor = ecsdb::detail::open_descriptor(directory / "file", O_RDWR | O_CREAT);
    REQUIRE(descriptor.is_open());
    CHECK((::fcntl(descriptor.number(), F_GETFD) & FD_CLOEXEC) != 0);
}

} // namespace posix_file_system_test
