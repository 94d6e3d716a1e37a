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
        native::Reader reader{bytes, into.schema(), into.pipeline().store().stable_ids().imported_table(), options};
        if (Result<void> checked = reader.check(); !checked) {
            return std::move(checked).error();
        }
        EntityLoader loader{into, options};
        if (Result<void> gathered = reader.gather(loader); !gathered) {
            return std::move(gathered).error();
        }
        return loader.run();
    }
};

} // namespace ecsdb::formats
