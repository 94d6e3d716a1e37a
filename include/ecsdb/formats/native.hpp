/// @file
/// The native format: columns of packed rows, for much data between programs that use ecsdb (docs/format/native.md).
#pragma once

#include "ecsdb/formats/format.hpp"
#include "ecsdb/formats/native_reader.hpp"
#include "ecsdb/formats/native_writer.hpp"

namespace ecsdb::formats {

/// The format `native`.
class NativeFormat final : public Format {
public:
    [[nodiscard]] std::string_view format_name() const noexcept override { return "native"; }
    [[nodiscard]] std::uint32_t format_version() const noexcept override { return native::version; }

    [[nodiscard]] Result<void> save(const View& view, const SaveOptions& options, ByteBuffer& out) const override {
        Result<Selection> selection = Selection::of(view, options);
        return selection ? native::Writer{*selection, out}.run() : std::move(selection).error();
    }
    [[nodiscard]] Result<LoadReport> load(std::span<const std::byte> bytes, const LoadTarget& into,
                                          const LoadOptions& options) const override {
        return load_checked<native::Reader>(bytes, into, options);
    }
};

} // namespace ecsdb::formats
