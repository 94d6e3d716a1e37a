#include "ecsdb/recovery/snapshots.hpp"

#include "ecsdb/recovery/backup.hpp"
#include "ecsdb/recovery/salvage.hpp"
#include "ecsdb/recovery/verify.hpp"
#include "recovery/files_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <random>
#include <span>
#include <thread>
#include <utility>

namespace snapshots_test {

using namespace recovery_test;
using ecsdb::CrashPlan;
using ecsdb::KeepPending;
using ecsdb::SimulatedFileSystem;

TEST_CASE("counts saved while writing went on are right again after replaying the log", "[recovery]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    struct Busy {
        World world;
        std::vector<ecsdb::Entity> living;
        std::uint32_t step = 0;
        bool writing = false;
    } busy{open_or_fail(on(files)), {}};
    auto tx = busy.world.begin();
    for (std::uint64_t i = 0; i < 100; ++i) {
        busy.living.push_back(tx.create(Purse{i}));
    }
    require(tx.commit());
    // Whatever the snapshot does to the disk, some transactions go before it.
    files.set_hook(
        [](void* context, const ecsdb::FileCall& call) {
            auto& [world, living, step, writing] = *static_cast<Busy*>(context);
            if (call.path.find("snapshot-") == std::string::npos || std::exchange(writing, true)) {
                return;
            }
            ++step;
            require(world.update(living[step % living.size()], Purse{step}).wait());
            require(world.destroy(living[(step * 7) % living.size()]).wait());
            auto next = world.begin();
            living[(step * 7) % living.size()] = next.create(Purse{step});
            require(next.commit());
            writing = false;
        },
        &busy);
    require(busy.world.snapshot());
    const std::uint32_t during = busy.step;
    CHECK(during >= 3);
    require(busy.world.snapshot());
    files.set_hook(nullptr, nullptr);
    const auto check = [&](const World& world) {
        REQUIRE(world.version() == busy.world.version());
        REQUIRE(world.read().hash() == busy.world.read().hash());
        for (const ecsdb::Entity entity : busy.living) {
            CAPTURE(entity.index());
            REQUIRE(world.read().entity_version(entity) == busy.world.read().entity_version(entity));
        }
    };
    const auto image = disk.after_crash({});
    {
        const World world = open_or_fail(on(*image));
        CHECK(world.recovery_report().snapshot_version != 0);
        check(world);
    }
    // The one before it, with a longer log.
    const auto manifest = ecsdb::recovery::load_manifest(*image, "world");
    REQUIRE(manifest);
    auto file = image->open("world/" + manifest->manifest.snapshot.name, ecsdb::FileMode::ReadWrite);
    REQUIRE(file);
    REQUIRE((*file)->truncate(100));
    const World world = open_or_fail(on(*image));
    CHECK(world.recovery_report().remarks.find("the newest snapshot could not be used") != std::string::npos);
    check(world);
}

TEST_CASE("a snapshot begun between a batch's way into the log and its publication has the batch", "[recovery]") {
    struct Gate final : ecsdb::transaction::Participant {
        [[nodiscard]] bool wants_changes() const noexcept override { return false; }
        [[nodiscard]] ecsdb::Result<void> seal(const ecsdb::storage::Root&, ecsdb::storage::Root&) noexcept override {
            reached = true;
            while (!open) {
                std::this_thread::yield();
            }
            return {};
        }
        std::atomic<bool> open{true};
        std::atomic<bool> reached{false};
    } gate; // joins behind the log: what has come to it is written
    SimulatedFileSystem files;
    ecsdb::Options options = on(files);
    options.spare_segments = 0;
    World world = open_or_fail(options);
    world.engine().pipeline().writer().join(gate);
    Workload workload;
    REQUIRE(workload.round(world, 0));

    gate.reached = false;
    gate.open = false;
    bool written = false;
    bool saved = false;
    const auto segments = [&] { return files.list("world/log")->size(); };
    const std::size_t segments_before = segments();
    std::thread writing{[&] {
        auto tx = world.begin();
        tx.create(Purse{77});
        written = tx.commit().has_value();
    }};
    while (!gate.reached) {
        std::this_thread::yield();
    }
    std::thread saving{[&] { saved = world.snapshot().has_value(); }};
    while (segments() == segments_before) { // until the log has gone on in a new one
        std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5}); // in which a snapshot of what is published now would be begun
    gate.open = true;
    writing.join();
    saving.join();
    REQUIRE(written);
    REQUIRE(saved);
    const std::uint64_t hash = world.read().hash();
    const auto after = copy_of(files);
    World again = open_or_fail(on(*after));
    CHECK(again.recovery_report().snapshot_version == again.version());
    CHECK(again.read().hash() == hash);
}

TEST_CASE("a snapshot of what is saved already costs no segment of the log", "[recovery]") {
    SimulatedFileSystem files;
    ecsdb::Options options = on(files);
    options.spare_segments = 0;
    options.incremental_snapshots = 8;
    options.incremental_percent = 1000;
    World world = open_or_fail(options);
    Workload workload;
    REQUIRE(workload.round(world, 0));
    require(world.snapshot());
    REQUIRE(workload.round(world, 1));
    require(world.snapshot());
    const std::size_t segments = files.list("world/log")->size();
    for (int i = 0; i < 20; ++i) {
        require(world.snapshot());
    }
    CHECK(files.list("world/log")->size() == segments);
}

TEST_CASE("saving what is saved already touches no file that recovery needs", "[recovery][crash]") {
    SimulatedFileSystem files;
    ecsdb::Options options = on(files);
    options.segment_bytes = 8192;
    options.spare_segments = 0;
    Workload workload;
    std::uint32_t number = 0;
    const auto write_some = [&](World& world) {
        for (int i = 0; i < 10; ++i) {
            REQUIRE(workload.round(world, number++));
        }
    };
    std::size_t begun = 0;
    for (int life = 0; life < 2; ++life) {
        World world = open_or_fail(options); // an epoch of its own: the same state makes other bytes
        if (life == 0) {
            for (int i = 0; i < 3; ++i) {
                write_some(world);
                require(world.snapshot());
            }
        } else {
            files.record_history();
        }
        begun = files.changes();
        for (int i = 0; i < 4; ++i) {
            for (int k = 0; k < 100; ++k) {
                auto tx = world.begin();
                static_cast<void>(tx.create()); // handed out, and so in the snapshot, and never committed
            }
            require(world.snapshot());
        }
    }
    const std::uint64_t version = workload.acknowledged;
    for (std::size_t change = begun; change <= files.changes(); ++change) {
        for (const KeepPending keep : {KeepPending::None, KeepPending::All, KeepPending::Subset}) {
            CAPTURE(change, int(keep));
            CrashPlan plan;
            plan.keep = keep;
            plan.seed = change;
            const auto image = files.after_crash_at(change, plan);
            const World world = open_or_fail(on(*image));
            CHECK(world.version() == version);
            CHECK(world.read().hash() == workload.hashes[version]);
            CHECK(world.recovery_report().remarks == "");
        }
    }
    // And no single file is indispensable afterwards.
    const auto image = files.after_crash({});
    REQUIRE(image->remove("world/snapshot-" + std::to_string(version) + ".ecsdb"));
    const World world = open_or_fail(on(*image));
    CHECK(world.version() == version);
    CHECK(world.read().hash() == workload.hashes[version]);
}

namespace {

/// Remembers how much was out at most; any thread.
class PeakAllocator final : public ecsdb::Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        const std::size_t now = live_.fetch_add(bytes) + bytes;
        for (std::size_t peak = peak_.load(); peak < now && !peak_.compare_exchange_weak(peak, now);) {
        }
        return below_.allocate(bytes, alignment);
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        live_.fetch_sub(bytes);
        below_.deallocate(memory, bytes, alignment);
    }
    [[nodiscard]] std::size_t live() const noexcept { return live_.load(); }
    /// The most since the last call, beyond what was out then.
    std::size_t take_growth() noexcept { return peak_.exchange(live_.load()) - std::exchange(before_, live_.load()); }

private:
    std::atomic<std::size_t> live_{0};
    std::atomic<std::size_t> peak_{0};
    std::size_t before_ = 0;
    ecsdb::SystemAllocator below_;
};

} // namespace

TEST_CASE("a snapshot's buffers are a few megabytes, whatever it saves, and loading one takes none beside the pages",
          "[recovery][memory]") {
    const bool compressed = GENERATE(false, true);
    const bool own_thread = GENERATE(false, true);
    CAPTURE(compressed, own_thread);
    ecsdb::SimulatedFileSystem disk;
    PeakAllocator allocator;
    auto options = on(disk);
    options.allocator = &allocator;
    options.segment_bytes = std::size_t{16} << 20U;
    options.compress_snapshots = compressed;
    options.own_thread = own_thread;
    options.incremental_snapshots = 1;
    options.incremental_percent = 100;
    constexpr std::size_t most_buffers = std::size_t{8} << 20U; // with the 4 bytes per entity of incremental snapshots
    std::size_t pages = 0;
    {
        World world = open_or_fail(options);
        std::vector<Spot> spots(400'000);
        std::vector<Purse> purses(spots.size());
        for (std::size_t i = 0; i < spots.size(); ++i) {
            spots[i] = {static_cast<float>(i * 2'654'435'761U), 1.0F / static_cast<float>(i + 1)};
            purses[i].gold = i * 0x9E3779B97F4A7C15U;
        }
        const auto first = world.execute([&](auto& state) {
            return state.create_many(static_cast<std::uint32_t>(spots.size()), std::span<const Spot>{spots},
                                     std::span<const Purse>{purses});
        });
        REQUIRE(first);
        pages = world.statistics().used_bytes;
        CHECK(pages > most_buffers);
        static_cast<void>(allocator.take_growth());
        require(world.snapshot());
        CHECK(allocator.take_growth() <= most_buffers);
        require(world.update(*first, Purse{1}).wait());
        static_cast<void>(allocator.take_growth());
        require(world.snapshot());
        CHECK(world.snapshot_state().builds_on == 1);
        CHECK(allocator.take_growth() <= most_buffers);
    }
    CHECK(allocator.live() == 0);
    static_cast<void>(allocator.take_growth());
    const World world = open_or_fail(options);
    CHECK(allocator.take_growth() <= 2 * pages);
}

TEST_CASE("what nobody needs is gone when a database with threads has closed", "[recovery]") {
    SimulatedFileSystem files;
    auto options = on(files);
    options.own_thread = true;
    options.spare_segments = 0; // or else some are kept to be written again
    Workload workload;
    {
        World world = open_or_fail(options);
        for (std::uint32_t i = 0; i < 5; ++i) {
            REQUIRE(workload.round(world, i));
            require(world.snapshot());
        }
        require(world.close());
    }
    const auto names = files.list("world");
    REQUIRE(names);
    CHECK(std::count_if(names->begin(), names->end(), [](const std::string& name) { return name.starts_with("snapshot-"); }) == 2);
    CHECK(files.list("world/log")->size() <= 3);
    World world = open_or_fail(options);
    CHECK(world.read().hash() == workload.hashes[world.version()]);
}

namespace {

ecsdb::Options incremental(ecsdb::FileSystem& files, std::uint32_t most = 3) {
    ecsdb::Options options = on(files);
    options.incremental_snapshots = most;
    options.incremental_percent = 1000; // small worlds change as a whole
    return options;
}

/// The files of a database that snapshots are in.
std::vector<std::string> snapshot_files(ecsdb::FileSystem& files) {
    auto names = files.list("world");
    REQUIRE(names);
    std::erase_if(*names, [](const std::string& name) { return !name.starts_with("snapshot-"); });
    return *names;
}

std::string faults_in(ecsdb::FileSystem& files) {
    ecsdb::ToolOptions options;
    options.file_system = &files;
    const auto report = ecsdb::verify("world", options);
    REQUIRE(report);
    return report->sound() ? std::string{} : report->faults.front().file + ": " + report->faults.front().what;
}

/// A database with a chain of `links` incremental snapshots, and some log behind them; crashed.
struct Chain {
    explicit Chain(std::uint32_t links, bool with_previous = true) {
        World world = open_or_fail(incremental(disk, links));
        std::uint32_t number = 0;
        const auto go_on = [&](int rounds) {
            for (; rounds > 0; --rounds) {
                REQUIRE(workload.round(world, number++));
            }
        };
        go_on(40);
        for (std::uint32_t link = 0; link <= links && with_previous; ++link) {
            require(world.snapshot());
            go_on(5);
        }
        for (std::uint32_t link = 0; link <= links; ++link) {
            require(world.snapshot());
            go_on(5);
        }
        version = world.version();
        hash = world.read().hash();
        REQUIRE(world.snapshot_state().builds_on == links);
        image = disk.after_crash({});
    }

    SimulatedFileSystem disk;
    Workload workload;
    std::unique_ptr<SimulatedFileSystem> image;
    std::uint64_t version = 0;
    std::uint64_t hash = 0;
};

} // namespace

TEST_CASE("a database is the same after every reopening, whatever snapshots lie between", "[recovery]") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        SimulatedFileSystem files;
        std::vector<std::unique_ptr<SimulatedFileSystem>> crashed; // the world of each outlives its crash
        SimulatedFileSystem* disk = &files;
        Workload workload;
        std::uint32_t number = 0;
        std::size_t longest = 0;
        for (int life = 0; life < 6; ++life) {
            CAPTURE(life);
            World world = open_or_fail(incremental(*disk, static_cast<std::uint32_t>(random() % 5)));
            REQUIRE(world.read().hash() == (life == 0 ? world.read().hash() : workload.hashes.at(world.version())));
            for (int step = 0; step < 12; ++step) {
                for (std::uint64_t rounds = random() % 4; rounds != 0; --rounds) {
                    REQUIRE(workload.round(world, number++));
                }
                if (random() % 2 == 0) {
                    require(world.snapshot());
                    longest = std::max(longest, world.snapshot_state().builds_on);
                }
            }
            const std::uint64_t version = world.version();
            const std::uint64_t hash = world.read().hash();
            if (random() % 2 == 0) {
                require(world.close());
            } else {
                crashed.push_back(disk->after_crash({}));
                disk = crashed.back().get();
            }
            CHECK(faults_in(*disk) == "");
            const World again = open_or_fail([&] {
                auto options = incremental(*disk);
                options.mode = ecsdb::OpenMode::ReadOnly;
                return options;
            }());
            REQUIRE(again.version() == version);
            REQUIRE(again.read().hash() == hash);
        }
        CHECK(longest > 0);
    }
}

TEST_CASE("a chain ends with a full snapshot where it is long, or large beside its first file", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    std::vector<std::size_t> links;
    std::optional<World> world{open_or_fail(incremental(files, 2))};
    for (std::uint32_t i = 0; i < 7; ++i) {
        REQUIRE(workload.round(*world, i));
        require(world->snapshot());
        links.push_back(world->snapshot_state().builds_on);
    }
    CHECK(links == std::vector<std::size_t>{0, 1, 2, 0, 1, 2, 0});
    const auto names = snapshot_files(files);
    CHECK(names.size() == 4); // the full one, and the chain before it
    require(world->close());
    auto options = incremental(files, 1000);
    options.incremental_percent = 1;
    world.reset();
    world.emplace(open_or_fail(options));
    REQUIRE(workload.round(*world, 7));
    require(world->snapshot());
    CHECK(world->snapshot_state().builds_on == 1);
    REQUIRE(workload.round(*world, 8));
    require(world->snapshot());
    CHECK(world->snapshot_state().builds_on == 0);
}

TEST_CASE("a database goes on with the chain it was opened with", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    for (std::uint32_t i = 0; i < 4; ++i) {
        World world = open_or_fail(incremental(files, 10));
        REQUIRE(workload.round(world, i));
        require(world.snapshot());
        CHECK(world.snapshot_state().builds_on == i);
        require(world.snapshot()); // nothing has changed: nothing is written
        CHECK(world.snapshot_state().builds_on == i);
    }
    CHECK(snapshot_files(files).size() == 4);
}

TEST_CASE("any file of a chain lost or damaged is found, and the log makes up for it", "[recovery]") {
    for (const bool with_previous : {true, false}) {
        const Chain chain{3, with_previous};
        const auto names = snapshot_files(*chain.image);
        REQUIRE(names.size() == (with_previous ? 8 : 4));
        std::mt19937_64 random{3};
        for (const std::string& name : names) {
            CAPTURE(name);
            for (int damage = 0; damage < 12; ++damage) {
                const auto image = chain.image->after_crash({});
                if (damage == 0) {
                    REQUIRE(image->remove("world/" + name));
                } else {
                    auto bytes = ecsdb::read_all(*image, "world/" + name, 1U << 30U);
                    REQUIRE(bytes);
                    (*bytes)[random() % bytes->size()] ^= static_cast<std::byte>(1U << random() % 8);
                    REQUIRE(ecsdb::write_atomically(*image, "world/" + name, *bytes));
                }
                CHECK(faults_in(*image) != "");
                const World world = open_or_fail(incremental(*image));
                REQUIRE(world.version() == chain.version);
                REQUIRE(world.read().hash() == chain.hash);
            }
        }
    }
}

TEST_CASE("files of two chains in each other's place are found", "[recovery]") {
    const Chain one{1, false};
    const Chain other{1, false};
    for (const std::string& name : snapshot_files(*one.image)) {
        const auto image = one.image->after_crash({});
        const auto bytes = ecsdb::read_all(*other.image, "world/" + name, 1U << 30U);
        REQUIRE(bytes);
        REQUIRE(ecsdb::write_atomically(*image, "world/" + name, *bytes));
        const World world = open_or_fail(incremental(*image));
        CHECK(world.recovery_report().remarks.find("could not be used") != std::string::npos);
        CHECK(world.read().hash() == one.hash);
    }
}

TEST_CASE("backup and salvage make one full snapshot of a chain", "[recovery]") {
    const Chain chain{3};
    const auto image = chain.image->after_crash({});
    {
        World world = open_or_fail(incremental(*image));
        REQUIRE(ecsdb::backup(world, "copy"));
        auto options = on(*image);
        options.directory = "copy";
        const World copy = open_or_fail(options);
        CHECK(copy.read().hash() == chain.hash);
    }
    // Without a manifest, and without the log, there is what the snapshots hold.
    const auto lost = chain.image->after_crash({});
    REQUIRE(lost->remove("world/MANIFEST"));
    REQUIRE(lost->remove("world/MANIFEST.previous"));
    const auto segments = lost->list("world/log");
    REQUIRE(segments);
    for (const std::string& name : *segments) {
        REQUIRE(lost->remove("world/log/" + name));
    }
    ecsdb::ToolOptions tools;
    tools.file_system = lost.get();
    const auto salvaged = ecsdb::salvage("world", tools);
    REQUIRE(salvaged);
    CHECK(salvaged->snapshot.find("-after-") != std::string::npos);
    const World world = open_or_fail(incremental(*lost));
    CHECK(world.version() == salvaged->version);
    CHECK(world.read().hash() == chain.workload.hashes.at(salvaged->version));
    CHECK(world.snapshot_state().builds_on == 0);
}

} // namespace snapshots_test
