// A process that dies at each named place between two changes to the disk, several times over: what it leaves is one version, with
// everything it had promised, and an archive without a gap.
#include "crash/killed_process.hpp"
#include "ecsdb/recovery/archive.hpp"
#include "ecsdb/recovery/verify.hpp"
#include "io/temporary_directory.hpp"
#include "support/environment.hpp"

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

namespace ecsdb::test::kill_points_test {
namespace {

/// The names of all kill points the library has.
std::set<std::string> kill_points() {
    PosixFileSystem files;
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{ECSDB_SOURCE_DIRECTORY "/include/ecsdb"}) {
        if (entry.path().extension() != ".hpp") {
            continue;
        }
        const std::string text = text_of(*read_all(files, entry.path().string(), 1U << 20U));
        const std::string mark = "ECSDB_KILL_POINT(\"";
        for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
            const std::size_t begin = at + mark.size();
            names.insert(text.substr(begin, text.find('"', begin) - begin));
        }
    }
    return names;
}

} // namespace

TEST_CASE("a process that dies at any kill point leaves one version, with every commit that was acknowledged", "[crash][recovery]") {
    constexpr std::uint64_t often_enough = 20'000; // acknowledgements
    const auto lives = static_cast<unsigned>(test_size(1, 3));
    const std::set<std::string> points = kill_points();
    CHECK(points.size() >= 8);
    for (const std::string& point : points) {
        for (const bool synced : {false, true}) {
            const TemporaryDirectory directory;
            const std::string path = directory / "db";
            const std::uint64_t seed = 11;
            NumberedSteps steps{seed};
            // An opening passes its own once.
            const bool opening = point.starts_with("open:");
            for (unsigned life = 0; life < lives; ++life) {
                const unsigned time = opening ? 1 : 1 + life;
                CAPTURE(point, synced, life);
                KilledWriter writer{path, synced, seed, point, time};
                while (writer.count() < often_enough && writer.read_acknowledgement()) {
                }
                REQUIRE(writer.count() < often_enough); // or else it does not come there
                REQUIRE(writer.ended_by_signal());

                const auto verified = verify(path);
                if (life == 0 && opening && !verified && verified.error().code() == ErrorCode::NotFound) {
                    continue; // nothing but a lock
                }
                REQUIRE(verified);
                CHECK(verified->sound());
                if (const auto archive = verify_archive(path + ".archive")) {
                    CHECK(archive->sound());
                } else {
                    CHECK(archive.error().code() == ErrorCode::NotFound);
                }
                Options options = step_options(path, synced);
                options.mode = OpenMode::ReadOnly;
                const StepDatabase db = open_steps(options);
                CHECK(db.version() >= writer.acknowledged());
                REQUIRE(db.version() >= steps.version());
                steps.advance_to(db.version());
                REQUIRE(steps.compare_with(db.read()) == "");
            }
        }
    }
}

} // namespace ecsdb::test::kill_points_test
