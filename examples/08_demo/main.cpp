// The whole story in one run: real levels become a database, threads write, read, check and save, the process is killed in the middle,
// and the database comes back at exactly one version, with everything that was promised.
//
//   08_demo [--quick] [--wads DIRECTORY]
#include "08_demo/expectation.hpp"
#include "08_demo/replay.hpp"
#include "08_demo/settings.hpp"
#include "08_demo/simulation.hpp"
#include "08_demo/victim.hpp"
#include "level/checks.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

using ecsdb::Error;
using ecsdb::ErrorCode;
using ecsdb::OpenMode;
using ecsdb::Result;

/// A state that can be recognised.
struct Identity {
    std::uint64_t version = 0;
    std::uint64_t hash = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
};
Identity identity_of(const level::World& db) {
    const auto view = db.read();
    return {view.version(), view.hash()};
}

std::string text_of(const Identity& identity) {
    char hash[24];
    std::snprintf(hash, sizeof(hash), "%016llx", static_cast<unsigned long long>(identity.hash));
    return "version " + std::to_string(identity.version) + ", hash " + hash;
}

Error unexpected(std::string what) {
    return {ErrorCode::Corrupt, std::move(what)};
}

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3;) {
        at -= 3;
        text.insert(at, 1, ',');
    }
    return text;
}
std::string grouped(double number) {
    return grouped(static_cast<std::uint64_t>(number));
}

void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}
void row(const char* name, const std::string& value, const std::string& remark = {}) {
    std::printf("  %-28s %16s  %s\n", name, value.c_str(), remark.c_str());
}

std::uint64_t bytes_in(ecsdb::FileSystem& files, const std::string& directory) {
    std::uint64_t bytes = 0;
    if (const auto names = files.list(directory)) {
        for (const std::string& name : *names) {
            const std::string path = directory + '/' + name;
            const auto size = files.list(path) ? Result<std::uint64_t>{bytes_in(files, path)} : files.file_size(path);
            bytes += size ? *size : 0;
        }
    }
    return bytes;
}
void remove_all(ecsdb::FileSystem& files, const std::string& directory) {
    if (const auto names = files.list(directory)) {
        for (const std::string& name : *names) {
            remove_all(files, directory + '/' + name);
        }
    }
    static_cast<void>(files.remove(directory));
}

/// The level that nobody should be able to import: cut short, and with a line that begins at a vertex that is not there.
std::vector<level::LevelSource> damaged_copies(const level::LevelSource& source) {
    level::LevelSource cut{"cut-" + source.name, source.bytes, source.built_in};
    cut.bytes.resize(cut.bytes.size() / 3 * 2);
    level::LevelSource bent{"bent-" + source.name, source.bytes, source.built_in};
    const auto wad = level::read_wad(source.bytes, source.name);
    if (wad && !wad->maps().empty()) {
        const std::size_t last_map = wad->maps().back().entry;
        for (std::size_t entry = last_map; entry < wad->lumps().size(); ++entry) {
            const level::Lump& lump = wad->lumps()[entry];
            if (lump.name.view() == "LINEDEFS" && lump.size != 0) {
                ecsdb::store_le<std::uint16_t>(bent.bytes.data() + lump.offset, std::uint16_t{0xFFFE});
                break;
            }
        }
    }
    std::vector<level::LevelSource> copies;
    copies.push_back(std::move(cut));
    copies.push_back(std::move(bent));
    return copies;
}

class Demo {
public:
    explicit Demo(demo::Settings settings) : settings_{std::move(settings)} {}

    Result<void> run() {
        for (Result<void> (Demo::*part)() : {&Demo::find_levels, &Demo::simulate_and_kill, &Demo::look_at_the_remains, &Demo::recover,
                                             &Demo::refuse_damaged_levels, &Demo::save_and_reopen}) {
            if (auto done = (this->*part)(); !done) {
                return done;
            }
        }
        print_table();
        return {};
    }

private:
    Result<void> find_levels() {
        auto sources = demo::sources_of(settings_);
        if (!sources) {
            return std::move(sources).error();
        }
        sources_ = std::move(*sources);
        for (const level::LevelSource& source : sources_) {
            auto game = level::read_game(source);
            if (!game) {
                return std::move(game).error();
            }
            say((source.built_in ? settings_.quick ? "A short run, with a small level of its own: "
                                                   : "No WAD in " + settings_.wads + ": the demo builds a level of its own: "
                                 : source.name + ": ") +
                std::to_string(game->maps.size()) + " maps");
            games_.push_back(std::move(*game));
        }
        expectation_ = std::make_unique<demo::Expectation>(games_);
        return {};
    }

    Result<void> simulate_and_kill() {
        say("A child process imports them and simulates their things for " + std::to_string(settings_.seconds()) + " s");
        demo::Victim victim{settings_};
        auto told = victim.follow_and_kill(settings_);
        if (!told) {
            return std::move(told).error();
        }
        told_ = std::move(*told);
        bytes_after_kill_ = bytes_in(files_, settings_.directory);
        say(std::string{"Killed with SIGKILL among column updates and log switches, "} +
            (told_.in_snapshot ? "with a snapshot half written" : "just after a snapshot"));
        if (told_.maps != expectation_->maps()) {
            return unexpected(std::to_string(told_.maps) + " maps were imported");
        }
        return {};
    }

    /// Opens read-only, which changes nothing, and proves what is there.
    Result<void> look_at_the_remains() {
        auto db = demo::open_world(settings_, OpenMode::ReadOnly);
        if (!db) {
            return std::move(db).error().in("reading what is left");
        }
        recovered_ = identity_of(*db);
        say("Found " + text_of(recovered_) + "; acknowledged was version " + std::to_string(told_.acknowledged));
        if (recovered_.version < told_.acknowledged) {
            return unexpected("acknowledged transactions are lost");
        }
        const auto view = db->read();
        if (auto same = expectation_->compare_with(view); !same) {
            return std::move(same).error().in("beside the rules of the simulation");
        }
        say("  every thing is what and where the rules say for that version, computed without the database");
        auto followed = level::check_foreign_keys(view);
        if (!followed) {
            return std::move(followed).error();
        }
        foreign_keys_ = *followed;
        say("  every foreign key holds: " + grouped(foreign_keys_));
        auto replayed = demo::replay_and_compare(settings_.directory, std::make_shared<const ecsdb::Schema>(db->schema()), told_.hashes);
        if (!replayed) {
            return std::move(replayed).error().in("going through the log");
        }
        if (Identity{replayed->version, replayed->hash} != recovered_ || replayed->compared == 0) {
            return unexpected("the log leads to " + text_of({replayed->version, replayed->hash}));
        }
        hashes_compared_ = replayed->compared;
        say("  the log leads through " + std::to_string(hashes_compared_) + " versions whose hash the child had told, to this one");
        return {};
    }

    Result<void> recover() {
        auto db = demo::open_world(settings_, OpenMode::ReadWrite);
        if (!db) {
            return std::move(db).error().in("recovery");
        }
        recovery_ = db->recovery_report();
        if (identity_of(*db) != recovered_) {
            return unexpected("opened for writing the database is at " + text_of(identity_of(*db)));
        }
        db_ = std::make_unique<level::World>(std::move(*db));
        return {};
    }

    Result<void> refuse_damaged_levels() {
        for (const level::LevelSource& source : damaged_copies(sources_.front())) {
            const auto imported = level::import_game(*db_, source, 0);
            if (imported) {
                return unexpected(source.name + " was imported");
            }
            say("A damaged WAD is refused: " + imported.error().message());
        }
        if (identity_of(*db_) != recovered_) {
            return unexpected("a damaged WAD has changed the database");
        }
        say("  and the database is as it was");
        return {};
    }

    Result<void> save_and_reopen() {
        if (auto saved = db_->snapshot(); !saved) {
            return saved;
        }
        if (auto closed = db_->close(); !closed) {
            return closed;
        }
        db_.reset();
        bytes_at_end_ = bytes_in(files_, settings_.directory);
        auto db = demo::open_world(settings_, OpenMode::ReadWrite);
        if (!db) {
            return std::move(db).error().in("opening the snapshot");
        }
        reopening_ = db->recovery_report();
        if (identity_of(*db) != recovered_ || reopening_.snapshot_version != recovered_.version || reopening_.replayed != 0) {
            return unexpected("from the snapshot the database is at " + text_of(identity_of(*db)));
        }
        say("Saved, closed and opened from the snapshot: " + text_of(recovered_));
        if (auto moved = db->update<level::Position, level::Velocity>(demo::move_thing); !moved) {
            return moved;
        }
        if (auto same = expectation_->compare_with(db->read()); !same) {
            return std::move(same).error().in("one step further");
        }
        say("  and the simulation goes on from there");
        return db->close();
    }

    void print_table() const {
        const auto per_second = [&](std::uint64_t count) { return grouped(static_cast<double>(count) / told_.seconds); };
        const auto milliseconds = [](std::uint64_t ns) { return grouped(ns / 1'000'000) + " ms"; };
        say("");
        row("maps", grouped(told_.maps), "imported in " + std::to_string(static_cast<int>(told_.import_seconds * 1000)) + " ms");
        row("entities", grouped(told_.entities));
        row("components", grouped(told_.rows), "rows of all tables");
        row("commits/s", per_second(told_.commits), std::to_string(demo::writers) + " writers, and column updates of all things");
        row("rows read/s beside them", per_second(told_.rows_read), std::to_string(demo::readers) + " readers, checking");
        row("snapshots", grouped(told_.snapshots), "taken meanwhile");
        row("acknowledged", grouped(told_.acknowledged),
            "the newest version promised, of " + grouped(told_.acknowledgements) + " promises");
        row("recovered", grouped(recovered_.version), "version, exactly");
        row("state hashes compared", grouped(hashes_compared_));
        row("foreign keys followed", grouped(foreign_keys_));
        row("recovery", milliseconds(recovery_.duration_ns),
            "snapshot of version " + grouped(recovery_.snapshot_version) + " and " + grouped(recovery_.replayed) + " transactions");
        row("opening from a snapshot", milliseconds(reopening_.duration_ns));
        row("bytes on disk", grouped(bytes_after_kill_), "when killed");
        row("", grouped(bytes_at_end_), "with the last snapshot and the one before");
        std::fflush(stdout);
    }

    demo::Settings settings_;
    ecsdb::PosixFileSystem files_;
    std::vector<level::LevelSource> sources_;
    std::vector<level::Game> games_;
    std::unique_ptr<demo::Expectation> expectation_;
    demo::Told told_;
    std::uint64_t bytes_after_kill_ = 0;
    std::uint64_t bytes_at_end_ = 0;
    Identity recovered_;
    std::uint64_t foreign_keys_ = 0;
    std::uint64_t hashes_compared_ = 0;
    ecsdb::RecoveryReport recovery_;
    ecsdb::RecoveryReport reopening_;
    std::unique_ptr<level::World> db_;
};

} // namespace

int main(int count, char** arguments) {
    demo::Settings settings;
    bool simulate = false;
    const char* const quick = std::getenv("ECSDB_EXAMPLE_QUICK");
    settings.quick = quick != nullptr && std::string_view{quick} == "1";
    for (int i = 1; i < count; ++i) {
        const std::string_view argument{arguments[i]};
        if (argument == "--quick") {
            settings.quick = true;
        } else if (argument == "--wads" && i + 1 < count) {
            settings.wads = arguments[++i];
        } else if (argument == "--simulate" && i + 1 < count) {
            simulate = true;
            settings.directory = arguments[++i];
        } else {
            std::fprintf(stderr, "usage: 08_demo [--quick] [--wads DIRECTORY]\n");
            return 2;
        }
    }
    if (simulate) {
        demo::run_simulation(settings, demo::child_pipe);
    }
    settings.directory = "ecsdb_demo_XXXXXX";
    if (::mkdtemp(settings.directory.data()) == nullptr) {
        std::perror("cannot make a directory for the database here");
        return 1;
    }
    const auto done = Demo{settings}.run();
    if (!done) {
        std::fprintf(stderr, "FAILED: %s\nThe database is left in %s\n", done.error().to_string().c_str(), settings.directory.c_str());
        return 1;
    }
    ecsdb::PosixFileSystem files;
    remove_all(files, settings.directory);
    say("\nAll checks passed.");
    return 0;
}
