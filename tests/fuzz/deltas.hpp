/// @file
/// What the fuzzers of deltas share.
#pragma once

#include "ecsdb/delta/view.hpp"
#include "fuzz/fuzz.hpp"

#include <cstdint>

namespace ecsdb::fuzz {

/// A few bytes may name billions of entities; that is looked at elsewhere, and slow.
[[nodiscard]] inline bool names_many(const delta::DeltaView& view) {
    std::uint64_t named = 0;
    view.for_each_section([&](const delta::Section& section) {
        if (section.is(delta::SectionKind::Entities)) {
            delta::DeltaView::for_each_entity_range(section, [&](const delta::EntityRange& range) { named += range.count; });
        } else if (section.has_rows()) {
            delta::DeltaView::for_each_run(section, [&](const delta::Run& run) { named += run.count; });
        } else if (section.is(delta::SectionKind::Versions)) {
            delta::detail::VersionReader groups{section.body};
            for (delta::detail::VersionGroup group; !groups.at_end() && groups.next(group) == nullptr;) {
                named += group.count;
            }
        }
    });
    return named > 5000;
}

} // namespace ecsdb::fuzz
