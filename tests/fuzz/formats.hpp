/// @file
/// What the fuzzers of formats share: a database with a row of every kind, and what must hold of any bytes that are loaded into one.
#pragma once

#include "ecsdb/database.hpp"
#include "ecsdb/formats/pecs.hpp"
#include "fuzz/fuzz.hpp"
#include "schema/sample.hpp"
#include "simulation/program.hpp"

namespace ecsdb::fuzz {

using Loaded = Database<sample::Everything, test::simulation::Spot, test::simulation::Purse, test::simulation::Carries,
                        test::simulation::Story, test::simulation::Asleep, test::simulation::Pose, ImportedId>;

[[nodiscard]] inline Loaded open_empty() {
    Options options;
    options.own_thread = false;
    options.first_block_bytes = 64 << 10U;
    options.max_block_bytes = 1 << 20U;
    options.memory_limit = 48 << 20U;
    auto opened = Loaded::open(options);
    require(opened.has_value(), "an empty database can be opened");
    return *std::move(opened);
}

[[nodiscard]] inline ByteBuffer saved(Loaded& db, const formats::Format& format) {
    static SystemAllocator allocator;
    ByteBuffer bytes{allocator};
    require(formats::save(db.read(), format, bytes).has_value(), "what was loaded can be saved");
    return bytes;
}

/// Refused without a trace and with a reason; or loaded, and then what is saved of it loads as the same.
inline void load_anything(const formats::Format& format, std::span<const std::byte> bytes, const formats::LoadOptions& options) {
    static std::unique_ptr<Loaded> empty;
    if (empty == nullptr) {
        empty = std::make_unique<Loaded>(open_empty());
    }
    const auto loaded = formats::load(*empty, format, bytes, options);
    if (!loaded) {
        const ErrorCode code = loaded.error().code();
        require(is_refusal(loaded.error()) || code == ErrorCode::InvalidArgument || code == ErrorCode::AlreadyExists ||
                    code == ErrorCode::ConstraintViolation,
                "a file is refused as such");
        require(!loaded.error().message().empty(), "a refusal has a reason");
        require(empty->version() == 0 && empty->read().entity_count() == 0, "a file that is refused leaves no trace");
        return;
    }
    if (loaded->entities.empty()) {
        return;
    }
    require(empty->read().entity_count() == loaded->entities.size(), "every entity that was loaded is there");
    const ByteBuffer first = saved(*empty, format);
    empty.reset();
    Loaded second = open_empty();
    const auto again = formats::load(second, format, first.view());
    if (!again) {
        std::fprintf(stderr, "%s\n", again.error().to_string().c_str());
    }
    require(again && again->created == loaded->entities.size(), "what was loaded and saved can be loaded");
    // In a format whose bytes say nothing of when they were written.
    const ByteBuffer of_second = saved(second, formats::PecsFormat{});
    Loaded third = open_empty();
    require(formats::load(third, format, saved(second, format).view()).has_value(), "it can be loaded once more");
    require(std::ranges::equal(saved(third, formats::PecsFormat{}).view(), of_second.view()), "and is the same then");
}

/// The file behind the first byte of an input, which ends with the CRC-64 of all before: made right, unless the byte's top bit is set.
[[nodiscard]] inline std::vector<std::byte> sealed(std::span<const std::byte> input) {
    constexpr std::size_t checksum_size = sizeof(std::uint64_t);
    std::vector<std::byte> file{input.begin() + 1, input.end()};
    if (file.size() >= checksum_size && (input[0] & std::byte{0x80}) == std::byte{}) {
        const std::size_t end = file.size() - checksum_size;
        store_le<std::uint64_t>(file.data() + end, crc64_xz(std::span{file}.first(end)));
    }
    return file;
}

/// What the first byte of an input says about how the rest is to be loaded.
[[nodiscard]] inline formats::LoadOptions options_from(std::uint8_t bits) {
    formats::LoadOptions options;
    options.missing_reference = (bits & 1U) != 0 ? formats::MissingReference::Null : formats::MissingReference::Refuse;
    options.existing = (bits & 2U) != 0 ? formats::ExistingEntity::Replace : formats::ExistingEntity::Refuse;
    options.unknown_tables = (bits & 4U) != 0 ? formats::UnknownTable::Skip : formats::UnknownTable::Refuse;
    options.keep_stable_ids = (bits & 8U) == 0;
    return options;
}

} // namespace ecsdb::fuzz
