/// @file
/// A file that is only read: what a view of other bytes implements to pass for one.
#pragma once

#include "ecsdb/io/file_system.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace ecsdb {

/// Refuses every change with `Io`. Whoever derives from it says where the bytes come from.
class ReadOnlyFile : public File {
public:
    [[nodiscard]] Result<std::size_t> pread(std::span<std::byte> out, std::uint64_t offset) noexcept final { return fill(out, offset); }
    Result<void> pwrite(std::span<const std::byte>, std::uint64_t) noexcept final { return refused(); }
    Result<void> sync() noexcept final { return refused(); }
    Result<void> truncate(std::uint64_t) noexcept final { return refused(); }
    Result<void> preallocate(std::uint64_t) noexcept final { return refused(); }

protected:
    /// As `File::pread`.
    [[nodiscard]] virtual Result<std::size_t> fill(std::span<std::byte> out, std::uint64_t offset) noexcept = 0;

private:
    [[nodiscard]] static Error refused() { return Error{ErrorCode::Io, "a file that is only read was to be changed"}; }
};

} // namespace ecsdb
