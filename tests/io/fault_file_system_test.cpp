#include "ecsdb/io/fault_file_system.hpp"

#include "ecsdb/io/simulated_file_system.hpp"
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

namespace fault_file_system_test {

using ecsdb::ErrorCode;
using ecsdb::Fault;
using ecsdb::FileMode;
using ecsdb::FileOperation;
using ecsdb::test::bytes_of;
using ecsdb::test::text_in;

namespace {

/// Two writes, synced; what a caller sees if any step fails.
ecsdb::Result<void> write_twice(ecsdb::FileSystem& files, const std::string& path) {
    auto file = files.open(path, FileMode::CreateNew);
    if (!file) {
        return std::move(file).error();
    }
    for (const std::uint64_t offset : {0U, 4U}) {
        if (auto written = (*file)->pwrite(bytes_of("data"), offset); !written) {
            return written;
        }
    }
    if (auto synced = (*file)->sync(); !synced) {
        return synced;
    }
    return files.sync_directory(".");
}

} // namespace

TEST_CASE("every call of a piece of work can be made to fail, once", "[io][fault]") {
    ecsdb::SimulatedFileSystem counted;
    ecsdb::FaultFileSystem counter{counted};
    REQUIRE(write_twice(counter, "file"));
    REQUIRE(counter.calls() == 5);
    CHECK(counter.calls(FileOperation::Write) == 2);
    CHECK(counter.failures() == 0);
    for (std::uint64_t call = 1; call <= counter.calls(); ++call) {
        CAPTURE(call);
        ecsdb::SimulatedFileSystem below;
        ecsdb::FaultFileSystem files{below};
        files.inject({.call = call, .code = ErrorCode::NoSpace});
        const auto done = write_twice(files, "file");
        REQUIRE_FALSE(done);
        CHECK(done.error().code() == ErrorCode::NoSpace);
        CHECK(done.error().message().find(": injected fault") != std::string::npos);
        CHECK(files.calls() == call);
        CHECK(files.failures() == 1);
        CHECK(write_twice(files, "second"));
    }
}

TEST_CASE("a fault hits the call of its kind and path, counted from when it was set", "[io][fault]") {
    ecsdb::SimulatedFileSystem below;
    ecsdb::FaultFileSystem files{below};
    REQUIRE(write_twice(files, "before"));
    files.inject({.operation = FileOperation::Write, .call = 2, .path_part = "wal"});
    CHECK(write_twice(files, "other"));
    CHECK_FALSE(write_twice(files, "world.wal"));
    CHECK(text_in(below, "world.wal") == "data");
    CHECK(write_twice(files, "next.wal"));
}

TEST_CASE("a sticky fault stays until it is cleared", "[io][fault]") {
    ecsdb::SimulatedFileSystem below;
    ecsdb::FaultFileSystem files{below};
    auto file = files.open("file", FileMode::CreateNew);
    REQUIRE(file);
    files.inject({.operation = FileOperation::Sync, .call = 2, .sticky = true});
    CHECK((*file)->sync());
    CHECK_FALSE((*file)->sync());
    CHECK_FALSE((*file)->sync());
    CHECK(files.failures() == 2);
    files.clear_faults();
    CHECK((*file)->sync());
}

TEST_CASE("a write can fail after a part of it, at every byte", "[io][fault]") {
    for (std::size_t part = 0; part <= 5; ++part) {
        CAPTURE(part);
        ecsdb::SimulatedFileSystem below;
        ecsdb::FaultFileSystem files{below};
        auto file = files.open("file", FileMode::CreateNew);
        REQUIRE(file);
        files.inject({.operation = FileOperation::Write, .bytes_before = part});
        CHECK_FALSE((*file)->pwrite(bytes_of("data"), 0));
        CHECK(text_in(below, "file") == std::string{"data"}.substr(0, part));
    }
}

TEST_CASE("a call can do its work and still report a failure", "[io][fault]") {
    ecsdb::SimulatedFileSystem below;
    ecsdb::FaultFileSystem files{below};
    REQUIRE(write_twice(files, "from"));
    files.inject({.operation = FileOperation::Rename, .takes_effect = true});
    CHECK_FALSE(files.rename("from", "to"));
    CHECK(*below.list("/") == std::vector<std::string>{"to"});

    files.inject({.operation = FileOperation::Open, .takes_effect = true});
    CHECK_FALSE(files.open("created", FileMode::CreateNew));
    CHECK(*below.exists("created"));
    // Where the work itself fails, that is what is reported.
    files.inject({.operation = FileOperation::Remove, .takes_effect = true});
    CHECK(files.remove("absent").error().code() == ErrorCode::NotFound);
}

TEST_CASE("every kind of call is counted, and can fail", "[io][fault]") {
    ecsdb::SimulatedFileSystem below;
    ecsdb::FaultFileSystem files{below};
    auto file = files.open("file", FileMode::CreateNew);
    REQUIRE(file);
    files.inject({.sticky = true});
    std::byte byte{};
    CHECK_FALSE(files.open("file", FileMode::Read));
    CHECK_FALSE((*file)->pread({&byte, 1}, 0));
    CHECK_FALSE((*file)->pwrite({&byte, 1}, 0));
    CHECK_FALSE((*file)->sync());
    CHECK_FALSE((*file)->truncate(0));
    CHECK_FALSE((*file)->size());
    CHECK_FALSE((*file)->preallocate(1));
    CHECK_FALSE(files.create_directory("d"));
    CHECK_FALSE(files.list("/"));
    CHECK_FALSE(files.rename("file", "other"));
    CHECK_FALSE(files.remove("file"));
    CHECK_FALSE(files.exists("file"));
    CHECK_FALSE(files.file_size("file"));
    CHECK_FALSE(files.sync_directory("/"));
    CHECK_FALSE(files.lock("file"));
    CHECK(files.failures() == ecsdb::file_operation_count);
    for (std::size_t kind = 0; kind < ecsdb::file_operation_count; ++kind) {
        const auto operation = static_cast<FileOperation>(kind);
        CAPTURE(name_of(operation));
        CHECK(files.calls(operation) == (operation == FileOperation::Open ? 2 : 1));
    }
    CHECK(files.boot_id() == below.boot_id());
    CHECK(text_in(below, "file").empty());
}

TEST_CASE("the hook sees each call before it happens", "[io][fault]") {
    ecsdb::SimulatedFileSystem below;
    ecsdb::FaultFileSystem files{below};
    struct Seen {
        ecsdb::SimulatedFileSystem& below;
        std::vector<FileOperation> operations;
        std::vector<std::size_t> changes;
    } seen{below, {}, {}};
    files.set_hook(
        [](void* context, const ecsdb::FileCall& call) {
            auto& log = *static_cast<Seen*>(context);
            log.operations.push_back(call.operation);
            log.changes.push_back(log.below.changes());
        },
        &seen);
    REQUIRE(write_twice(files, "file"));
    CHECK(seen.operations ==
          std::vector{FileOperation::Open, FileOperation::Write, FileOperation::Write, FileOperation::Sync, FileOperation::SyncDirectory});
    CHECK(seen.changes == std::vector<std::size_t>{0, 1, 2, 3, 4});
}

TEST_CASE("a trace repeats on another file system what really happened", "[io][fault]") {
    ecsdb::SimulatedFileSystem below;
    ecsdb::FaultFileSystem files{below};
    files.record_trace(true);
    REQUIRE(files.create_directory("d"));
    REQUIRE(write_twice(files, "d/a"));
    files.inject({.operation = FileOperation::Write, .call = 2, .bytes_before = 2});
    CHECK_FALSE(write_twice(files, "b"));
    files.inject({.operation = FileOperation::Remove});
    CHECK_FALSE(files.remove("b"));
    REQUIRE(files.rename("d/a", "c"));
    {
        auto file = files.open("c", FileMode::ReadWrite);
        REQUIRE((*file)->truncate(6));
        REQUIRE((*file)->preallocate(7));
        std::byte byte{};
        REQUIRE((*file)->pread({&byte, 1}, 0));
    }
    REQUIRE(files.remove("d"));

    const auto trace = files.trace();
    CHECK(trace.size() == files.calls());
    ecsdb::SimulatedFileSystem again;
    REQUIRE(ecsdb::replay(trace, again));
    CHECK(*again.list("/") == *below.list("/"));
    CHECK(text_in(again, "b") == "datada");
    CHECK(text_in(again, "c") == std::string("datada\0", 7));
    CHECK(again.pending() == below.pending());

    // The same work leaves the same trace; a trace that does not fit its target says where.
    ecsdb::SimulatedFileSystem third;
    ecsdb::FaultFileSystem traced{third};
    traced.record_trace(true);
    REQUIRE(ecsdb::replay(trace, traced));
    CHECK(traced.trace().front() == trace.front());
    const auto refused = ecsdb::replay(trace, again);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message().find("replay of call 6: create b: ") == 0);
    const auto unopened = ecsdb::replay(std::span{trace}.subspan(2, 1), again);
    REQUIRE_FALSE(unopened);
    CHECK(unopened.error().code() == ErrorCode::InvalidArgument);
}

} // namespace fault_file_system_test
