/// @file
/// JSON: for people and for other programs (docs/format/json.md). Needs nlohmann-json: link `ecsdb::json`.
#pragma once

#include "ecsdb/formats/format.hpp"
#include "ecsdb/formats/json_reader.hpp"
#include "ecsdb/formats/json_writer.hpp"

namespace ecsdb::formats {

/// The format `json`. Loading reads entity by entity, and keeps no more of the document than one.
class JsonFormat final : public Format {
public:
    [[nodiscard]] std::string_view format_name() const noexcept override { return "json"; }
    [[nodiscard]] std::uint32_t format_version() const noexcept override { return json::version; }

    [[nodiscard]] Result<void> save(const View& view, const SaveOptions& options, ByteBuffer& out) const override {
        Result<Selection> selection = Selection::of(view, options);
        return selection ? json::Writer{*selection, out}.run() : std::move(selection).error();
    }
    [[nodiscard]] Result<LoadReport> load(std::span<const std::byte> bytes, const LoadTarget& into,
                                          const LoadOptions& options) const override {
        json::Reader reader{into.schema(), into.pipeline().store().stable_ids().imported_table(), options};
        EntityLoader loader{into, options};
        if (Result<void> gathered = reader.gather(bytes, loader); !gathered) {
            return std::move(gathered).error();
        }
        return loader.run();
    }
};

} // namespace ecsdb::formats
