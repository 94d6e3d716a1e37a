/// @file
/// Where a snapshot takes entity versions from.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/storage/entity_versions.hpp"

#include <cstdint>
#include <span>

namespace ecsdb::snapshot {

/// Where a snapshot takes entity versions from. They are not part of any version of the database (design D6), so while writing goes on,
/// only the writer can say at which one they were read.
class CountSource {
public:
    CountSource() = default;
    CountSource(const CountSource&) = delete;
    CountSource& operator=(const CountSource&) = delete;
    virtual ~CountSource() = default;

    /// Fills `counts` with those of the indices from `first` on, all as of one version, and returns that version; 0 where it is not known.
    [[nodiscard]] virtual Result<std::uint64_t> read(std::uint32_t first, std::span<std::uint32_t> counts) noexcept = 0;
};

/// Reads the current counts from any thread. Exact where nobody writes; otherwise each may be that of a later version, or count a
/// transaction that is undone in the end.
class CurrentCounts final : public CountSource {
public:
    explicit CurrentCounts(const storage::EntityVersions& versions) noexcept : versions_{&versions} {}

    [[nodiscard]] Result<std::uint64_t> read(std::uint32_t first, std::span<std::uint32_t> counts) noexcept override {
        versions_->copy_to(first, counts);
        return std::uint64_t{0};
    }

private:
    const storage::EntityVersions* versions_;
};

} // namespace ecsdb::snapshot
