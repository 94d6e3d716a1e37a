#include "ecsdb/wal/shared_log.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "wal/log_fixture.hpp"

namespace shared_log_test {

using namespace ecsdb;
using namespace ecsdb::test;
using namespace ecsdb::wal;

namespace {

class Observer final : public LogObserver {
public:
    Result<void> may_grow() override { return {}; }
    Result<void> segment_begun(const LogWriter&) override {
        ++told;
        return fails ? Result<void>{Error{ErrorCode::Io, "the manifest could not be stored"}} : Result<void>{};
    }
    void state_changed() noexcept override { ++changes; }
    int told = 0;
    int changes = 0;
    bool fails = false;
};

struct Scene {
    SimulatedFileSystem disk;
    FaultFileSystem files{disk};
    Observer observer;
    SharedLog log{open_log(files), system_allocator(), observer};

    bool write(std::uint64_t from, std::uint64_t to, Visibility visibility, bool sync = false) {
        ByteBuffer group = group_of(from, to);
        return log.write(all_of(group), visibility, sync).has_value();
    }
    std::uint64_t last_on_disk() {
        const auto scan = read_log(*disk.after_crash({}));
        REQUIRE(scan);
        return scan->end.lsn;
    }
};

} // namespace

TEST_CASE("after a failure nothing is accepted, and what was visible is in the log after resuming, in one copy", "[wal]") {
    for (const bool at_sync : {false, true}) {
        Scene scene;
        REQUIRE(scene.write(1, 3, Visibility::Visible, true));
        REQUIRE(scene.write(4, 5, Visibility::Visible));
        scene.files.inject({.operation = at_sync ? FileOperation::Sync : FileOperation::Write});
        CHECK_FALSE(scene.write(6, 7, Visibility::Visible, at_sync));
        CHECK(scene.log.failed());
        CHECK_FALSE(scene.write(8, 8, Visibility::Visible)); // visible before anybody knew
        CHECK_FALSE(scene.log.sync());
        CHECK_FALSE(scene.log.rotate());
        CHECK_FALSE(scene.log.close(0));
        CHECK(scene.log.durable_version() == 3);
        CHECK(scene.log.state().writes.error().code() == ErrorCode::Io);
        CHECK(scene.log.refusal().code() == ErrorCode::ReadOnly);
        REQUIRE(scene.log.resume());
        CHECK(scene.log.accepts());
        CHECK(scene.log.state().writes);
        CHECK(scene.log.durable_version() == 8);
        CHECK(scene.log.written_version() == 8);
        CHECK(scene.last_on_disk() == 8);
        REQUIRE(scene.write(9, 9, Visibility::Visible, true));
        CHECK(scene.last_on_disk() == 9);
    }
}

TEST_CASE("what was pending when the log failed is no part of it after resuming", "[wal]") {
    for (const bool takes_effect : {false, true}) {
        Scene scene;
        REQUIRE(scene.write(1, 3, Visibility::Pending));
        scene.files.inject({.operation = FileOperation::Sync, .takes_effect = takes_effect});
        CHECK_FALSE(scene.write(4, 6, Visibility::Pending, true));
        CHECK(scene.log.written_version() == 3);
        REQUIRE(scene.log.resume());
        CHECK(scene.log.durable_version() == 3);
        REQUIRE(scene.write(4, 4, Visibility::Pending, true));
        CHECK(scene.last_on_disk() == 4);
    }
}

TEST_CASE("a manifest that cannot be stored fails the log, at a new segment and at resuming", "[wal]") {
    Scene scene;
    REQUIRE(scene.write(1, 2, Visibility::Visible));
    scene.observer.fails = true;
    CHECK_FALSE(scene.log.rotate());
    CHECK(scene.log.failed());
    CHECK_FALSE(scene.log.resume());
    CHECK(scene.log.failed());
    CHECK_FALSE(scene.write(3, 3, Visibility::Pending, true));
    scene.observer.fails = false;
    REQUIRE(scene.log.resume());
    REQUIRE(scene.write(3, 3, Visibility::Pending, true));
    CHECK(scene.last_on_disk() == 3);
    CHECK(scene.observer.told == 3);
}

TEST_CASE("a failed rotation whose sync went well forgets what it made durable", "[wal]") {
    for (const FileOperation operation : {FileOperation::Rename, FileOperation::SyncDirectory, FileOperation::Preallocate}) {
        Scene scene;
        REQUIRE(scene.write(1, 2, Visibility::Visible));
        scene.files.inject({.operation = operation});
        CHECK_FALSE(scene.log.rotate());
        // Without a new segment the old one serves as before; one that may have its name already has ended it.
        CHECK(scene.log.failed() == (operation != FileOperation::Preallocate));
        CHECK(scene.log.durable_version() == 2);
        CHECK(scene.write(3, 3, Visibility::Visible) == (operation == FileOperation::Preallocate));
        REQUIRE(scene.log.resume());
        REQUIRE(scene.log.sync());
        CHECK(scene.last_on_disk() == 3);
    }
}

TEST_CASE("where nothing can be kept, everything is synced; where that fails too, the log cannot be resumed", "[wal]") {
    class NoMemory final : public Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t, std::size_t) noexcept override { return nullptr; }
        void deallocate(void*, std::size_t, std::size_t) noexcept override {}
    };
    for (const Visibility visibility : {Visibility::Pending, Visibility::Visible}) {
        SimulatedFileSystem disk;
        FaultFileSystem files{disk};
        Observer observer;
        NoMemory none;
        SharedLog log{open_log(files), none, observer};
        ByteBuffer first = group_of(1, 2);
        REQUIRE(log.write(all_of(first), visibility, false));
        CHECK(log.durable_version() == 2);
        files.inject({.operation = FileOperation::Sync});
        ByteBuffer second = group_of(3, 3);
        CHECK_FALSE(log.write(all_of(second), visibility, false));
        const auto resumed = log.resume();
        CHECK(resumed.has_value() == (visibility == Visibility::Pending));
        if (!resumed) {
            CHECK(resumed.error().code() == ErrorCode::OutOfMemory);
        }
    }
}

TEST_CASE("a log that was closed says so, and is not resumed", "[wal]") {
    Scene scene;
    REQUIRE(scene.write(1, 2, Visibility::Visible));
    REQUIRE(scene.log.close(7));
    CHECK(scene.log.durable_version() == 2);
    CHECK_FALSE(scene.log.accepts());
    CHECK_FALSE(scene.log.failed());
    CHECK(scene.log.refusal().code() == ErrorCode::Closed);
    CHECK(scene.log.state().writes.error().code() == ErrorCode::Closed);
    CHECK_FALSE(scene.write(3, 3, Visibility::Visible));
    CHECK_FALSE(scene.log.sync());
    CHECK_FALSE(scene.log.close(7));
    REQUIRE(scene.log.resume());
    CHECK_FALSE(scene.log.accepts());
}

} // namespace shared_log_test
