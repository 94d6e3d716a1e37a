#include "ecsdb/snapshot/writer.hpp"

#include "snapshot/snapshot_fixture.hpp"

#include <atomic>
#include <thread>

namespace ecsdb::test::writer_test {

using namespace snapshot;

namespace {

/// A world with something in it.
struct Written {
    explicit Written(std::uint64_t seed, int batches = 30) : world{allocator, schema_to_save()}, writer{world, seed} {
        run_batches(world, writer, batches);
    }

    CountingAllocator allocator;
    World world;
    RandomWriter writer;
};

/// The hash of what `path` holds, or nothing where it cannot be loaded.
std::optional<std::uint64_t> hash_in(FileSystem& files, const std::string& path) {
    CountingAllocator allocator;
    World world{allocator, schema_to_save()};
    return load(world, files, path, allocator) ? std::optional{storage::hash_of(world.published())} : std::nullopt;
}

} // namespace

TEST_CASE("a failure at any call leaves what was there before, and nothing else", "[snapshot]") {
    Written old{1};
    Written next{2};
    for (const ErrorCode code : {ErrorCode::Io, ErrorCode::NoSpace}) {
        for (std::uint64_t call = 1;; ++call) {
            SimulatedFileSystem below;
            REQUIRE(save(old.world, below, "saved", old.allocator));
            const auto before = bytes_in(below, "saved");
            // What a crash may have left behind.
            put_file(below, "left", std::as_bytes(std::span{"half a snapshot"}));
            REQUIRE(below.rename("left", "saved.tmp"));
            FaultFileSystem files{below};
            files.inject({.call = call, .code = code});
            const auto done = save(next.world, files, "saved", next.allocator, 0, true);
            if (files.failures() == 0) {
                REQUIRE(done);
                REQUIRE(call > 8);
                break;
            }
            CAPTURE(call);
            REQUIRE_FALSE(done);
            CHECK(done.error().code() == code);
            const bool last_step = files.calls(FileOperation::SyncDirectory) != 0;
            if (last_step) {
                CHECK(hash_in(below, "saved"));
            } else {
                CHECK(bytes_in(below, "saved") == before);
            }
            // The file in the way could not be opened or removed: it stays.
            const bool untouched = call <= 3;
            CHECK((*below.list("/") == std::vector<std::string>{"saved"} || untouched));
        }
    }
}

TEST_CASE("a full disk leaves what was there before, however full it was", "[snapshot]") {
    Written old{1};
    Written next{2};
    SimulatedFileSystem files;
    REQUIRE(save(old.world, files, "saved", old.allocator));
    const auto before = bytes_in(files, "saved");
    SimulatedFileSystem elsewhere;
    const std::uint64_t needed = save(next.world, elsewhere, "saved", next.allocator)->bytes;
    for (std::uint64_t room = 0; room < needed; room += needed / 7) {
        files.set_quota(before.size() + room);
        const auto done = save(next.world, files, "saved", next.allocator);
        REQUIRE_FALSE(done);
        CHECK(done.error().code() == ErrorCode::NoSpace);
        CHECK(bytes_in(files, "saved") == before);
        CHECK(*files.list("/") == std::vector<std::string>{"saved"});
    }
    files.set_quota(before.size() + needed);
    CHECK(save(next.world, files, "saved", next.allocator));
}

TEST_CASE("refused memory leaves what was there before, whenever it comes", "[snapshot]") {
    Written next{2};
    for (std::uint64_t call = 0;; ++call) {
        CountingAllocator allocator;
        allocator.refuse_call = call;
        SimulatedFileSystem files;
        put_file(files, "saved", std::as_bytes(std::span{"before"}));
        const auto done = save(next.world, files, "saved", allocator, 1, true);
        if (done) {
            REQUIRE(allocator.refused == 0);
            REQUIRE(call > 5);
            break;
        }
        CHECK(done.error().code() == ErrorCode::OutOfMemory);
        CHECK(bytes_in(files, "saved").size() == 7);
        CHECK(*files.list("/") == std::vector<std::string>{"saved"});
    }
}

TEST_CASE("a crash at any point leaves the old snapshot or the new one", "[snapshot]") {
    Written old{1};
    Written next{2};
    SimulatedFileSystem files;
    REQUIRE(save(old.world, files, "saved", old.allocator));
    const auto old_hash = hash_in(files, "saved");
    files.record_history();
    REQUIRE(save(next.world, files, "saved", next.allocator));
    const auto new_hash = hash_in(files, "saved");
    REQUIRE(old_hash);
    REQUIRE(new_hash);
    int olds = 0;
    int news = 0;
    for (std::size_t change = 0; change <= files.changes(); ++change) {
        for (std::uint64_t seed = 0; seed < 12; ++seed) {
            CrashPlan plan{.seed = seed, .keep = KeepPending::Subset, .tear = seed < 6 ? 1U : 4096U, .garbage = seed > 8};
            if (seed < 3) {
                plan.keep = seed == 0 ? KeepPending::None : seed == 1 ? KeepPending::All : KeepPending::Cached;
            }
            const auto image = files.after_crash_at(change, plan);
            const auto found = hash_in(*image, "saved");
            CAPTURE(change, seed);
            REQUIRE((found == old_hash || found == new_hash));
            ++(found == old_hash ? olds : news);
            // The next attempt is not in the way of what was left.
            if (seed == 1) {
                REQUIRE(save(next.world, *image, "saved", next.allocator));
                REQUIRE(*image->list("/") == std::vector<std::string>{"saved"});
            }
        }
        if (change == files.changes()) {
            CHECK(hash_in(*files.after_crash_at(change, {}), "saved") == new_hash);
        }
    }
    CHECK(olds > 0);
    CHECK(news > 0);
}

TEST_CASE("a crash at any point of a first snapshot leaves none or a whole one", "[snapshot]") {
    Written next{2};
    SimulatedFileSystem files;
    files.record_history();
    REQUIRE(save(next.world, files, "saved", next.allocator));
    for (std::size_t change = 0; change <= files.changes(); ++change) {
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
            const auto image = files.after_crash_at(change, {.seed = seed, .keep = KeepPending::Subset, .tear = 512});
            CAPTURE(change, seed);
            REQUIRE((!*image->exists("saved") || hash_in(*image, "saved")));
        }
    }
}

TEST_CASE("an identity that contradicts the version is refused", "[snapshot]") {
    Written next{2};
    SimulatedFileSystem files;
    const storage::Root& root = next.world.published();
    for (int wrong = 0; wrong < 3; ++wrong) {
        SnapshotIdentity identity = identity_of(root);
        identity.shard += wrong == 0 ? 1U : 0U;
        identity.next_fresh = wrong == 1 ? 7 : wrong == 2 ? ~std::uint64_t{0} : identity.next_fresh;
        const auto done =
            write_snapshot(files, "saved", root, next.world.store().entity_versions(), identity, {.allocator = next.allocator});
        REQUIRE_FALSE(done);
        CHECK(done.error().code() == ErrorCode::InvalidArgument);
        CHECK(files.list("/")->empty());
    }
}

TEST_CASE("what reads back differently is never given the name", "[snapshot]") {
    Written next{2};
    SimulatedFileSystem below;
    FaultFileSystem files{below};
    struct Damage {
        SimulatedFileSystem* below;
        bool done;
    } damage{&below, false};
    // Between the sync and the reading back, the disk changes its mind about one byte.
    files.set_hook(
        [](void* context, const FileCall& call) {
            auto& [disk, done] = *static_cast<Damage*>(context);
            if (call.operation == FileOperation::Open && call.mode == FileMode::Read && !std::exchange(done, true)) {
                auto file = disk->open("saved.tmp", FileMode::ReadWrite);
                REQUIRE(file);
                std::byte byte{};
                REQUIRE((*file)->pread({&byte, 1}, 5000));
                byte ^= std::byte{1};
                REQUIRE((*file)->pwrite({&byte, 1}, 5000));
            }
        },
        &damage);
    const auto done = save(next.world, files, "saved", next.allocator, 0, true);
    REQUIRE_FALSE(done);
    CHECK(damage.done);
    CHECK(done.error().code() == ErrorCode::Corrupt);
    CHECK(below.list("/")->empty());
}

TEST_CASE("what is reported of a snapshot is so", "[snapshot]") {
    Written next{2};
    for (const int level : {0, 1, -3}) {
        SimulatedFileSystem files;
        const auto info = save(next.world, files, "saved", next.allocator, level, true);
        REQUIRE(info);
        CHECK(info->path == "saved");
        CHECK(info->lsn == next.world.published().version);
        const auto bytes = bytes_in(files, "saved");
        CHECK(info->bytes == bytes.size());
        CHECK(info->crc == crc32c(bytes));
    }
}

TEST_CASE("a snapshot holds the pinned version while the next ones are written between its blocks", "[snapshot]") {
    Written next{3, 60};
    const storage::PinnedRoot pin{next.world.store()};
    const Model before = next.writer.model();
    const std::uint64_t version = pin.get()->version;
    struct Writing {
        Written* written;
        int commits;
    } writing{&next, 0};
    SimulatedFileSystem below;
    FaultFileSystem files{below};
    files.set_hook(
        [](void* context, const FileCall&) {
            auto& [written, commits] = *static_cast<Writing*>(context);
            run_batches(written->world, written->writer, 20);
            ++commits;
        },
        &writing);
    // Counts are of the version saved, because the writer itself was asked for them.
    struct FrozenCounts final : CountSource {
        FrozenCounts(const Model& counted, std::uint64_t at) : model{&counted}, version{at} {}
        Result<std::uint64_t> read(std::uint32_t first, std::span<std::uint32_t> counts) noexcept override {
            for (std::uint32_t i = 0; i < counts.size(); ++i) {
                const auto found = model->counts.find(first + i);
                counts[i] = found == model->counts.end() ? 0 : found->second;
            }
            return version;
        }
        const Model* model;
        std::uint64_t version;
    } counts{before, version};
    REQUIRE(write_snapshot(files, "saved", *pin.get(), next.world.store().entity_versions(), identity_of(*pin.get()),
                           {.allocator = next.allocator, .counts = &counts}));
    CHECK(writing.commits >= 5);
    CHECK(next.world.published().version > version);

    World loaded{next.allocator, schema_to_save()};
    const auto held = load(loaded, below, "saved", next.allocator);
    REQUIRE(held);
    CHECK(difference(loaded.published(), loaded.store().schema(), saved_part(before, loaded.store().schema())).empty());
    CHECK(difference_of_counts(loaded.store().entity_versions(), before).empty());
    CHECK(loaded.published().version == version);
    REQUIRE_FALSE(held->counts.empty());
    CHECK(std::all_of(held->counts.begin(), held->counts.end(), [&](const CountsAsOf& range) { return range.version == version; }));
}

TEST_CASE("one thread saves while another writes", "[snapshot]") {
    SystemAllocator allocator;
    World world{allocator, schema_to_save()};
    RandomWriter writer{world, 4};
    run_batches(world, writer, 20);
    SimulatedFileSystem files;
    std::atomic<bool> stop{false};
    std::atomic<bool> wrong{false};
    std::atomic<int> saved{0};
    std::thread saver{[&] {
        while (!stop.load()) {
            const storage::PinnedRoot pin{world.store()};
            const std::uint64_t hash = storage::hash_of(*pin.get());
            const auto done = write_snapshot(files, "saved", *pin.get(), world.store().entity_versions(), identity_of(*pin.get()),
                                             {.allocator = allocator, .read_back = true});
            if (!done || hash != storage::hash_of(*pin.get())) {
                wrong = true;
                break;
            }
            saved.fetch_add(1);
        }
    }};
    for (int batch = 0; batch < 2000 && (batch < 300 || saved.load() < 5); ++batch) {
        run_batches(world, writer, 1);
    }
    while (saved.load() < 5 && !wrong.load()) {
        std::this_thread::yield();
    }
    stop = true;
    saver.join();
    CHECK_FALSE(wrong.load());
    CHECK(saved.load() >= 5);
    World loaded{allocator, schema_to_save()};
    CHECK(load(loaded, files, "saved", allocator));
}

} // namespace ecsdb::test::writer_test
