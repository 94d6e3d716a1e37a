// Writes seeds for the fuzzers into a directory: what a small world leaves behind, and schemas. `make_corpus DIRECTORY`
#include "ecsdb/formats/json_writer.hpp"
#include "ecsdb/formats/native.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/saves.hpp"
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/schema/toml_writer.hpp"
#include "ecsdb/transaction/participant.hpp"
#include "fuzz/formats.hpp"

#include <filesystem>
#include <fstream>

using namespace ecsdb;
using namespace ecsdb::test::simulation;

namespace {

class Keeper final : public transaction::Participant {
public:
    [[nodiscard]] bool wants_changes() const noexcept override { return true; }
    void accepted(const transaction::Accepted& transaction) noexcept override {
        deltas.emplace_back(transaction.delta.begin(), transaction.delta.end());
    }
    std::vector<std::vector<std::byte>> deltas;
};

void write(const std::string& directory, const std::string& name, std::span<const std::byte> bytes) {
    std::filesystem::create_directories(directory);
    std::ofstream{directory + "/" + name, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                                                  static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::byte> bytes_of(FileSystem& files, const std::string& path) {
    auto bytes = read_all(files, path, 1U << 26U);
    fuzz::require(bytes.has_value(), "the file is there");
    return *std::move(bytes);
}

/// A view in each format, behind the byte that says how a fuzzer is to load it.
void write_formats(const std::string& root, const std::string& name, const View& view) {
    SystemAllocator allocator;
    const formats::PecsFormat pecs;
    const formats::NativeFormat native;
    for (const formats::Format* const format : {static_cast<const formats::Format*>(&pecs), static_cast<const formats::Format*>(&native)}) {
        ByteBuffer bytes{allocator};
        fuzz::require(formats::save(view, *format, bytes).has_value(), "a view can be saved");
        ByteBuffer seed{allocator};
        seed.append_le<std::uint8_t>(0);
        seed.append(bytes.view());
        write(root + "/" + std::string{format->format_name()}, name, seed.view());
    }
    // Without nlohmann-json there is no format to read it, but one to write it.
    const formats::SaveOptions options;
    auto selection = formats::Selection::of(view, options);
    ByteBuffer json{allocator};
    json.append_le<std::uint8_t>(0);
    fuzz::require(selection && formats::json::Writer{*selection, json}.run(), "a view can be saved");
    write(root + "/json", name, json.view());
}

/// A few entities with a row of every kind.
void write_every_kind(const std::string& root) {
    fuzz::Loaded db = fuzz::open_empty();
    auto tx = db.begin();
    sample::Everything all{};
    all.name = "name";
    all.names[1] = "\"\\\n";
    all.team = sample::Team::blue;
    all.maybe = std::uint32_t{7};
    all.maybe_vec.value.x = 9; // absent, and yet not zero
    const Entity purse = tx.create(Purse{1, 2}, Asleep{});
    all.owner = purse;
    const Entity one = tx.create(all, Spot{1, -1});
    tx.insert(one, Carries{purse});
    Story story;
    story.words = tx.text("words");
    static_cast<void>(tx.create(story, Pose{3}));
    fuzz::require(tx.commit().has_value(), "a transaction commits");
    const auto view = db.read();
    write_formats(root, "every_kind", view);
    for (const Entity entity : {purse, one}) {
        SystemAllocator allocator;
        ByteBuffer bytes{allocator};
        const formats::SaveOptions options{.entities = {entity}};
        auto selection = formats::Selection::of(view, options);
        bytes.append_le<std::uint8_t>(1);
        fuzz::require(selection && formats::json::Writer{*selection, bytes}.run(), "an entity can be saved");
        write(root + "/json", "entity-" + std::to_string(entity.index()), bytes.view());
    }
}

/// A full snapshot and incremental ones on it, each behind its length.
void write_chain(const std::string& root, std::uint64_t seed) {
    SimulatedFileSystem files;
    SimulatedClock clock;
    Options options;
    options.directory = "world";
    options.durability = Durability::Synced;
    options.file_system = &files;
    options.clock = &clock;
    options.own_thread = false;
    options.incremental_snapshots = 4;
    options.incremental_percent = 1000;
    options.compress_snapshots = seed % 3 == 0;
    auto world = World::open(options);
    fuzz::require(world.has_value(), "a world can be made");
    Program program{seed};
    State state;
    for (std::uint64_t link = 0; link <= 1 + seed % 4; ++link) {
        for (std::uint64_t i = 0; i < (link == 0 ? 3 * seed : 2); ++i) {
            State after = state;
            auto tx = world->begin();
            static_cast<void>(program.fill(tx, after, 1 + seed));
            if (tx.commit()) {
                state = std::move(after);
            }
        }
        static_cast<void>(world->update<Spot>([](Spot& spot) { Program::turn(spot); }));
        fuzz::require(world->snapshot().has_value(), "a world can be saved");
    }
    fuzz::require(world->snapshot_state().builds_on != 0, "there is a chain");
    const auto manifest = recovery::load_manifest(files, "world");
    fuzz::require(manifest.has_value(), "there is a manifest");
    SystemAllocator allocator;
    ByteBuffer chain{allocator};
    for (const auto& path :
         recovery::paths_of("world", recovery::chain_of(manifest->manifest.snapshot_bases, manifest->manifest.snapshot))) {
        const auto file = bytes_of(files, path);
        chain.append_le<std::uint32_t>(static_cast<std::uint32_t>(file.size()));
        chain.append(file);
    }
    write(root + "/chain", std::to_string(seed), chain.view());
}

/// What has happened to a world since it was empty, and since its middle, behind the byte that has checksums made right.
void write_saved_deltas(const std::string& root, const std::string& name, World& world) {
    SystemAllocator allocator;
    for (const std::uint64_t since : {std::uint64_t{0}, world.version() / 2}) {
        ByteBuffer saved{allocator};
        fuzz::require(world.save_delta(since, saved).has_value(), "a delta can be saved");
        ByteBuffer seed{allocator};
        seed.append_le<std::uint8_t>(0);
        seed.append(saved.view());
        write(root + "/saved_delta", name + "-" + std::to_string(since), seed.view());
    }
}

} // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: make_corpus DIRECTORY\n");
        return 2;
    }
    const std::string root = arguments[1];
    // libFuzzer adds what it learns: tests are to begin with the same seeds each time.
    for (const char* const name :
         {"chain", "delta", "json", "log", "manifest", "native", "pecs", "saved_delta", "schema", "schema_toml", "snapshot"}) {
        std::filesystem::remove_all(root + "/" + name);
    }
    write_every_kind(root);
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        write_chain(root, seed);
        SimulatedFileSystem files;
        SimulatedClock clock;
        Options options;
        options.directory = "world";
        options.durability = Durability::Synced;
        options.file_system = &files;
        options.clock = &clock;
        options.own_thread = false;
        options.segment_bytes = 64 << 10;
        Keeper keeper;
        auto world = World::open(options);
        fuzz::require(world.has_value(), "a world can be made");
        world->engine().pipeline().writer().join(keeper);
        Program program{seed};
        State state;
        const std::string name = std::to_string(seed);
        for (std::uint64_t i = 0; i < 4 * seed; ++i) {
            State after = state;
            auto tx = world->begin();
            static_cast<void>(program.fill(tx, after, 1 + seed));
            if (tx.commit()) {
                state = std::move(after);
            }
            if (i % 5 == 0) {
                static_cast<void>(world->update<Spot>([](Spot& spot) { Program::turn(spot); }));
            }
        }
        write_formats(root, name, world->read());
        write_saved_deltas(root, name, *world);
        fuzz::require(world->snapshot().has_value(), "a world can be saved");
        for (std::size_t i = 0; i < keeper.deltas.size(); ++i) {
            write(root + "/delta", name + "-" + std::to_string(i), keeper.deltas[i]);
        }
        write(root + "/manifest", name, bytes_of(files, "world/MANIFEST"));
        for (const auto& path : {"world/snapshot-" + std::to_string(world->version()) + ".ecsdb"}) {
            write(root + "/snapshot", name, bytes_of(files, path));
        }
        auto segment = bytes_of(files, "world/log/0000000001.seg");
        while (segment.size() > 4096 + 8 && segment.back() == std::byte{}) {
            segment.pop_back();
        }
        segment.resize((segment.size() + 7) / 8 * 8);
        std::vector<std::byte> frames(3);
        frames[1] = static_cast<std::byte>(seed % 2 == 0 ? 0xFF : 0x01);
        frames.insert(frames.end(), segment.begin() + 4096, segment.end());
        write(root + "/log", name, frames);
        SystemAllocator allocator;
        ByteBuffer schema{allocator};
        encode_schema(world->schema(), schema);
        write(root + "/schema", "world", schema.view());
        const std::string text = to_toml(world->schema());
        write(root + "/schema_toml", "world.toml", std::as_bytes(std::span{text}));
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator{std::string{ECSDB_SOURCE_DIRECTORY} + "/schemas"}) {
        if (entry.path().extension() == ".toml") {
            std::filesystem::copy_file(entry.path(), root + "/schema_toml/" + entry.path().filename().string(),
                                       std::filesystem::copy_options::overwrite_existing);
        }
    }
    return 0;
}
