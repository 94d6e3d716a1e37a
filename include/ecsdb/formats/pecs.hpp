/// @file
/// PECS: a simple binary format, entity by entity, that another program can read with a page of code (docs/format/pecs.md).
#pragma once

#include "ecsdb/formats/format.hpp"
#include "ecsdb/formats/pecs_reader.hpp"
#include "ecsdb/formats/pecs_writer.hpp"

namespace ecsdb::formats {

/// The format `pecs`.
class PecsFormat final : public Format {
public:
    [[nodiscard]] std::string_view format_name() const noexcept override { return "pecs"; }
    [[nodiscard]] std::uint32_t format_version() const noexcept override { return pecs::version; }

    [[nodiscard]] Result<void> save(const View& view, const SaveOptions& options, ByteBuffer& out) const override {
        Result<Selection> selection = Selection::of(view, options);
        return selection ? pecs::Writer{*selection, out}.run() : std::move(selection).error();
    }
    [[nodiscard]] Result<LoadReport> load(std::span<const std::byte> bytes, const LoadTarget& into,
                                          const LoadOptions& options) const override {
        return load_checked<pecs::Reader>(bytes, into, options);
    }
};

} // namespace ecsdb::formats
