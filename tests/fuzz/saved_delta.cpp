// Any bytes as a saved delta, after one that says whether its checksums are made right: refused without a trace, or applied, and then what
// is told of it by two views does the same to another database.
#include "ecsdb/delta/envelope.hpp"
#include "ecsdb/saves.hpp"
#include "fuzz/deltas.hpp"
#include "simulation/program.hpp"

using namespace ecsdb;
using test::simulation::World;

namespace {

World open_empty() {
    static fuzz::Memory memory;
    Options options;
    options.own_thread = false;
    options.allocator = &memory;
    options.first_block_bytes = 64 << 10U;
    options.max_block_bytes = 1 << 20U;
    options.memory_limit = 48 << 20U;
    auto opened = World::open(options);
    fuzz::require(opened.has_value(), "an empty database can be opened");
    return *std::move(opened);
}

/// The file behind the first byte of an input: its checksums made right, unless that byte's top bit is set.
std::vector<std::byte> sealed(std::span<const std::byte> input) {
    std::vector<std::byte> file{input.begin() + 1, input.end()};
    if (file.size() >= delta::envelope_size && (input[0] & std::byte{0x80}) == std::byte{}) {
        const std::span<const std::byte> bytes{file};
        store_le<std::uint32_t>(file.data() + 36, mask_crc(crc32c(bytes.subspan(delta::envelope_size))));
        store_le<std::uint32_t>(file.data() + 8, mask_crc(crc32c(bytes.subspan(12, delta::envelope_size - 12))));
    }
    return file;
}

/// Whether it is better left alone.
bool names_many(std::span<const std::byte> file) {
    const auto opened = delta::open_envelope(file);
    const auto view = opened ? delta::DeltaView::parse(opened->delta) : Result<delta::DeltaView>{opened.error().clone()};
    return view && fuzz::names_many(*view);
}

/// Whether `world`, which is empty, took the file.
bool takes(World& world, std::span<const std::byte> file) {
    const auto before = world.read();
    const auto applied = world.apply_delta(file);
    if (!applied || !*applied) {
        const ErrorCode code = applied ? ErrorCode::Corrupt : applied.error().code();
        fuzz::require(applied || fuzz::is_refusal(applied.error()) || code == ErrorCode::InvalidArgument ||
                          code == ErrorCode::ConstraintViolation,
                      "a saved delta is refused as such");
        fuzz::require(applied || !applied.error().message().empty(), "a refusal has a reason");
        fuzz::require(world.version() == 0 && world.read().hash() == before.hash(), "a delta that is refused leaves no trace");
        return false;
    }
    const auto after = world.read();
    SystemAllocator allocator;
    ByteBuffer told{allocator};
    const auto saved = world.save_delta(before, told);
    fuzz::require(saved && saved->from == 0 && saved->to == after.version(), "what was applied can be saved");
    World other = open_empty();
    const auto again = other.apply_delta(told.view());
    fuzz::require(again && *again && other.version() == after.version() && other.read().hash() == after.hash(),
                  "what was saved of it does the same");
    return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::vector<std::byte> file = sealed(std::as_bytes(std::span{data, size}));
    if (names_many(file)) {
        return 0;
    }
    static std::unique_ptr<World> empty;
    if (empty == nullptr) {
        empty = std::make_unique<World>(open_empty());
    }
    if (takes(*empty, file)) {
        empty.reset();
    }
    return 0;
}
