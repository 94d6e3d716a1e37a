#include "ecsdb/io/simulated_disk.hpp"

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

namespace simulated_disk_test {

using ecsdb::CrashPlan;
using ecsdb::KeepPending;
using ecsdb::detail::DiskChange;
using ecsdb::detail::SimulatedDisk;

namespace {

constexpr std::uint64_t root = SimulatedDisk::root;

std::uint64_t create(SimulatedDisk& disk, const std::string& name) {
    disk.apply({DiskChange::Kind::CreateFile, root, name});
    return disk.lookup(root, name);
}
void write(SimulatedDisk& disk, std::uint64_t file, std::uint64_t offset, std::size_t size, int value) {
    disk.apply({DiskChange::Kind::Write,
                file,
                {},
                0,
                {},
                offset,
                std::make_shared<const std::vector<std::byte>>(size, static_cast<std::byte>(value))});
}
/// A disk with one durable file of `size` bytes of 1.
SimulatedDisk disk_with_file(std::size_t size) {
    SimulatedDisk disk;
    const std::uint64_t file = create(disk, "file");
    write(disk, file, 0, size, 1);
    disk.apply({DiskChange::Kind::SyncFile, file});
    disk.apply({DiskChange::Kind::SyncNames, root});
    return disk;
}
std::vector<std::byte> bytes_in(SimulatedDisk disk, const std::string& name) {
    return disk.find(disk.lookup(root, name))->bytes;
}

} // namespace

TEST_CASE("changes to what is not there do nothing", "[io][simulated]") {
    SimulatedDisk disk;
    write(disk, 99, 0, 10, 1);
    disk.apply({DiskChange::Kind::SyncFile, 99});
    CHECK(disk.pending() == 0);
    CHECK(disk.lookup(99, "file") == 0);
    CHECK(disk.bytes_in_use() == 0);
}

TEST_CASE("a torn write survives block by block, aligned within the file", "[io][simulated]") {
    SimulatedDisk disk = disk_with_file(5000);
    write(disk, disk.lookup(root, "file"), 300, 4000, 2);
    bool mixed = false;
    bool later_without_earlier = false;
    for (std::uint64_t seed = 0; seed < 64; ++seed) {
        const auto bytes = bytes_in(disk.survivors({.seed = seed, .keep = KeepPending::Subset, .tear = 512}), "file");
        REQUIRE(bytes.size() == 5000);
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            const bool same_block = at > 0 && at / 512 == (at - 1) / 512 && at != 300 && at != 4300;
            if ((at < 300 || at >= 4300) ? bytes[at] != std::byte{1} : same_block && bytes[at] != bytes[at - 1]) {
                CAPTURE(seed, at);
                FAIL("a block was parted, or one outside the write touched");
            }
        }
        mixed = mixed || bytes[400] != bytes[600];
        later_without_earlier = later_without_earlier || (bytes[400] == std::byte{1} && bytes[4200] == std::byte{2});
    }
    CHECK(mixed);
    CHECK(later_without_earlier);
}

TEST_CASE("a write torn at bytes survives as a first part of itself", "[io][simulated]") {
    SimulatedDisk disk = disk_with_file(4);
    write(disk, disk.lookup(root, "file"), 0, 4, 2);
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        seen.insert(ecsdb::test::text_of(bytes_in(disk.survivors({.seed = seed, .keep = KeepPending::Subset, .tear = 1}), "file")));
    }
    CHECK(seen == std::set<std::string>{"\1\1\1\1", "\2\1\1\1", "\2\2\1\1", "\2\2\2\1", "\2\2\2\2"});
}

TEST_CASE("a lost block may leave the file longer, or hold anything", "[io][simulated]") {
    SimulatedDisk disk = disk_with_file(512);
    write(disk, disk.lookup(root, "file"), 512, 512, 2);
    bool shorter = false;
    bool zeros = false;
    bool whole = false;
    bool garbage = false;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        const auto bytes = bytes_in(disk.survivors({.seed = seed, .keep = KeepPending::Subset, .tear = 512, .garbage = true}), "file");
        const std::set<std::byte> tail{bytes.begin() + 512, bytes.end()};
        shorter = shorter || tail.empty();
        zeros = zeros || tail == std::set{std::byte{0}};
        whole = whole || tail == std::set{std::byte{2}};
        garbage = garbage || tail.size() > 2;
    }
    CHECK(shorter);
    CHECK(zeros);
    CHECK(whole);
    CHECK(garbage);
}

TEST_CASE("the same seed leaves the same image", "[io][simulated]") {
    SimulatedDisk disk = disk_with_file(3000);
    for (int value = 2; value < 10; ++value) {
        write(disk, disk.lookup(root, "file"), static_cast<std::uint64_t>(value) * 500, 1000, value);
    }
    const CrashPlan plan{.seed = 7, .keep = KeepPending::Subset, .tear = 512, .garbage = true};
    CHECK(bytes_in(disk.survivors(plan), "file") == bytes_in(disk.survivors(plan), "file"));
    CrashPlan other = plan;
    other.seed = 8;
    CHECK(bytes_in(disk.survivors(plan), "file") != bytes_in(disk.survivors(other), "file"));
}

TEST_CASE("what nothing names any more is forgotten, unless it is open", "[io][simulated]") {
    SimulatedDisk disk = disk_with_file(100);
    const std::uint64_t file = disk.lookup(root, "file");
    disk.find(file)->handles = 1;
    disk.apply({DiskChange::Kind::Unlink, root, "file"});
    CHECK(disk.bytes_in_use() == 100);
    disk.apply({DiskChange::Kind::SyncNames, root});
    REQUIRE(disk.find(file) != nullptr);
    disk.find(file)->handles = 0;
    CHECK(disk.bytes_in_use() == 0);
    disk.apply({DiskChange::Kind::SyncNames, root});
    CHECK(disk.find(file) == nullptr);
}

TEST_CASE("what builds on a lost name is lost with it", "[io][simulated]") {
    SimulatedDisk disk;
    create(disk, "a");
    disk.apply({DiskChange::Kind::Move, root, "a", root, "b"});
    disk.apply({DiskChange::Kind::Move, root, "b", root, "c"});
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 64; ++seed) {
        SimulatedDisk image = disk.survivors({.seed = seed, .keep = KeepPending::Subset});
        std::string names;
        for (const auto& [name, id] : image.find(root)->names) {
            names += name;
        }
        seen.insert(names);
    }
    CHECK(seen == std::set<std::string>{"", "a", "b", "c"});
}

} // namespace simulated_disk_test
