/// @file
/// Reads a PECS file nobody vouches for: checks all of it, then hands its entities to a loader.
#pragma once

#include "ecsdb/formats/loader.hpp"
#include "ecsdb/formats/pecs_format.hpp"
#include "ecsdb/formats/row_bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::formats::pecs {

/// One load. The bytes must outlive it, and the loader's run: contents are taken from where they lie.
class Reader {
public:
    Reader(std::span<const std::byte> bytes, const Schema& schema, TableId imported_ids, const LoadOptions& options)
        : file_{bytes}, schema_{&schema}, imported_ids_{imported_ids}, options_{&options} {}

    /// Checks the whole file. Takes no memory but for the types. Every error says at which byte. Cost: one pass over the bytes, and their
    /// checksum.
    [[nodiscard]] Result<void> check() {
        for (auto step : {&Reader::read_header, &Reader::read_types, &Reader::check_entities}) {
            if (Result<void> done = (this->*step)(); !done) {
                return done;
            }
        }
        return {};
    }

    /// Hands all entities over; after `check`. Errors: what the loader refuses, and what codecs do.
    [[nodiscard]] Result<void> gather(EntityLoader& loader) {
        std::vector<TableId> tables;
        for (const Type& type : types_) {
            if (type.table != nullptr) {
                tables.push_back(type.table->id);
            }
        }
        loader.set_saved_tables(tables);
        loader.expect(entity_count_);
        std::vector<const Type*> found;
        std::vector<const std::byte*> at;
        const std::byte* next = file_.data() + entities_at_;
        for (std::uint64_t entity = 0; entity < entity_count_; ++entity) {
            const std::byte* const begin = next;
            const auto count = load_le<std::uint32_t>(next + id_size);
            next += entity_header_size;
            bool is_like_last = count == found.size() && entity != 0; // mostly it is
            found.resize(count);
            at.resize(count);
            for (std::uint32_t i = 0; i < count; ++i) {
                const Type* const type = find_type(next, i);
                is_like_last = is_like_last && found[i] == type;
                found[i] = type;
                at[i] = next;
                next += component_header_size + load_le<std::uint32_t>(next + id_size);
            }
            if (!is_like_last) {
                tables.clear();
                for (const Type* const type : found) {
                    if (type->table != nullptr) {
                        tables.push_back(type->table->id);
                    }
                }
            }
            if (Result<void> begun = loader.begin(load_id(begin), tables); !begun) {
                return std::move(begun).error().in(place(begin, entity));
            }
            std::size_t position = 0;
            for (std::uint32_t i = 0; i < count; ++i) {
                const std::span<const std::byte> bytes{at[i] + component_header_size, load_le<std::uint32_t>(at[i] + id_size)};
                const Type& type = *found[i];
                if (type.table == nullptr) {
                    if (type.is_references && !take_references(loader, bytes)) {
                        return corrupt(at[i], entity, "a reference has another meaning than before");
                    }
                    continue;
                }
                std::byte* const row = loader.row(position);
                if (type.is_plain) [[likely]] {
                    if (type.single_run != nullptr) [[likely]] {
                        std::memcpy(row + type.single_run->offset, bytes.data(), bytes.size());
                    } else {
                        unpack_row(type.table->runs, bytes.data(), row);
                    }
                } else if (Result<void> read = read_special(loader, type, bytes, position, row); !read) {
                    return std::move(read).error().in("component `" + type.table->name + "`").in(place(at[i], entity));
                }
                ++position;
            }
        }
        return {};
    }

private:
    /// One type of the registry.
    struct Type {
        Hash128 id;
        const Table* table = nullptr; ///< Null: its components are left out.
        const Codec* codec = nullptr;
        const PackRun* single_run = nullptr; ///< Of a plain one whose rows are copied at once.
        std::uint32_t version = 0;
        bool is_plain = false; ///< Every component is `Table::packed_size` bytes.
        bool is_references = false;
    };

    [[nodiscard]] std::string place(const std::byte* at, std::uint64_t entity) const {
        return "byte " + std::to_string(at - file_.data()) + ", entity " + std::to_string(entity + 1) + " of " +
               std::to_string(entity_count_);
    }
    [[nodiscard]] Error corrupt(const std::byte* at, std::uint64_t entity, const std::string& what) const {
        return Error{ErrorCode::Corrupt, place(at, entity) + ": " + what};
    }
    [[nodiscard]] static Error at_byte(std::size_t offset, ErrorCode code, const std::string& what) {
        return Error{code, "byte " + std::to_string(offset) + ": " + what};
    }

    [[nodiscard]] Result<void> read_header() {
        if (file_.size() < header_size + footer_size) {
            return at_byte(file_.size(), ErrorCode::Corrupt, "the file ends within its header");
        }
        if (std::memcmp(file_.data(), magic.data(), magic.size()) != 0) {
            return at_byte(0, ErrorCode::Corrupt, "does not begin with `PECS`");
        }
        if (const auto found = load_le<std::uint32_t>(file_.data() + 4); found != version) {
            return at_byte(4, ErrorCode::Unsupported,
                           "version " + std::to_string(found) + "; this program reads version " + std::to_string(version));
        }
        if (const auto found = load_le<std::uint32_t>(file_.data() + 8); found != flags) {
            return at_byte(8, ErrorCode::Unsupported, "flags " + std::to_string(found) + ", which mean nothing in version 1");
        }
        const std::size_t end = file_.size() - footer_size;
        const std::uint64_t checksum = crc64_xz(file_.first(end));
        if (load_le<std::uint64_t>(file_.data() + end) != checksum) {
            return at_byte(end, ErrorCode::Corrupt, "the checksum differs: the file is damaged or cut short");
        }
        entity_count_ = load_le<std::uint64_t>(file_.data() + entity_count_offset);
        type_count_ = load_le<std::uint32_t>(file_.data() + entity_count_offset + 8);
        const std::size_t left = end - header_size;
        if (type_count_ > left / least_type_size) {
            return at_byte(entity_count_offset + 8, ErrorCode::Corrupt,
                           std::to_string(type_count_) + " types do not fit in the " + std::to_string(left) + " bytes that follow");
        }
        if (entity_count_ > (left - type_count_ * least_type_size) / entity_header_size) {
            return at_byte(entity_count_offset, ErrorCode::Corrupt,
                           std::to_string(entity_count_) + " entities do not fit in the " + std::to_string(left) + " bytes that follow");
        }
        return {};
    }

    [[nodiscard]] Result<void> read_types() {
        ByteReader reader{file_.first(file_.size() - footer_size).subspan(header_size)};
        std::vector<bool> seen(schema_->tables().size());
        std::size_t unknown = 0;
        for (std::uint32_t i = 0; i < type_count_; ++i) {
            const std::size_t begin = header_size + reader.offset();
            const auto refuse = [&](ErrorCode code, const std::string& what) {
                return at_byte(begin, code, "type " + std::to_string(i + 1) + " of " + std::to_string(type_count_) + ": " + what);
            };
            Type type;
            type.id.lo = reader.read_le<std::uint64_t>();
            type.id.hi = reader.read_le<std::uint64_t>();
            const std::span<const std::byte> letters = reader.read_bytes(reader.read_le<std::uint32_t>());
            type.version = reader.read_le<std::uint32_t>();
            if (reader.failed()) {
                return refuse(ErrorCode::Corrupt, "reaches past the end of the file");
            }
            const std::string_view name{reinterpret_cast<const char*>(letters.data()), letters.size()};
            const std::string called = "`" + std::string{name.substr(0, 64)} + "`";
            if (type.id != fnv1a_128(name)) {
                return refuse(ErrorCode::Corrupt, "its id is not that of its name, " + called);
            }
            type.is_references = name == references_name;
            if (type.is_references) {
                if (type.version != references_version) {
                    return refuse(ErrorCode::Unsupported,
                                  called + " has version " + std::to_string(type.version) + "; this program reads version 1");
                }
            } else if (const Table* const table = schema_->find_table(name); table != nullptr) {
                if (Result<void> bound = bind(type, *table); !bound) {
                    return std::move(bound).error().in(refuse(ErrorCode::Corrupt, called).message());
                }
                if (seen[table->id]) {
                    return refuse(ErrorCode::Corrupt, called + " came before");
                }
                seen[table->id] = true;
            } else if (options_->unknown_tables == UnknownTable::Refuse) {
                return refuse(ErrorCode::SchemaMismatch, "table " + called + " is not in schema `" + schema_->name() + "`");
            }
            if (type.table == nullptr && ++unknown > max_unknown_types) {
                return refuse(ErrorCode::Unsupported, "more than " + std::to_string(max_unknown_types) + " types are not in the schema");
            }
            types_.push_back(type);
        }
        by_id_.resize(types_.size());
        for (std::uint32_t i = 0; i < by_id_.size(); ++i) {
            by_id_[i] = i;
        }
        std::sort(by_id_.begin(), by_id_.end(), [&](std::uint32_t a, std::uint32_t b) { return types_[a].id < types_[b].id; });
        const auto twice = std::adjacent_find(by_id_.begin(), by_id_.end(),
                                              [&](std::uint32_t a, std::uint32_t b) { return types_[a].id == types_[b].id; });
        if (twice != by_id_.end()) {
            return at_byte(header_size, ErrorCode::Corrupt,
                           "types " + std::to_string(std::min(twice[0], twice[1]) + 1) + " and " +
                               std::to_string(std::max(twice[0], twice[1]) + 1) + " are the same");
        }
        entities_at_ = header_size + reader.offset();
        return {};
    }

    [[nodiscard]] Result<void> bind(Type& type, const Table& table) const {
        type.table = &table;
        type.codec = options_->codecs == nullptr ? nullptr : options_->codecs->find(table.name);
        if (table.id == imported_ids_) {
            return Error{ErrorCode::Corrupt, "stable ids are told by the entities themselves"};
        }
        if (type.codec != nullptr) {
            return table.has_contents() ? Result<void>{Error{ErrorCode::Unsupported, "has text or blob fields, and so can have no codec"}}
                                        : Result<void>{};
        }
        if (type.version != table.version) {
            return Error{ErrorCode::SchemaMismatch, "was saved with version " + std::to_string(type.version) +
                                                        " of the table, and here it has version " + std::to_string(table.version)};
        }
        type.is_plain = !table.has_contents();
        type.single_run = type.is_plain && table.runs.size() == 1 ? table.runs.data() : nullptr;
        return {};
    }

    /// The type whose id lies at `at`; null where there is none. Entities mostly have what the one before had: `nth` component.
    [[nodiscard]] const Type* find_type(const std::byte* at, std::size_t nth) {
        const Hash128 id = load_type(at);
        if (nth < expected_.size() && types_[expected_[nth]].id == id) [[likely]] {
            return &types_[expected_[nth]];
        }
        return look_up(id, nth);
    }
    ECSDB_NOINLINE const Type* look_up(const Hash128& id, std::size_t nth) {
        const auto found = std::lower_bound(by_id_.begin(), by_id_.end(), id,
                                            [&](std::uint32_t type, const Hash128& wanted) { return types_[type].id < wanted; });
        if (found == by_id_.end() || types_[*found].id != id) {
            return nullptr;
        }
        if (nth <= expected_.size() && nth < types_.size()) {
            expected_.resize(std::max(expected_.size(), nth + 1));
            expected_[nth] = *found;
        }
        return &types_[*found];
    }

    [[nodiscard]] Result<void> check_entities() {
        const std::byte* next = file_.data() + entities_at_;
        const std::byte* const end = file_.data() + file_.size() - footer_size;
        const auto left = [&] { return static_cast<std::size_t>(end - next); };
        for (std::uint64_t entity = 0; entity < entity_count_; ++entity) {
            if (left() < entity_header_size) {
                return corrupt(next, entity, "the file ends within it");
            }
            const auto count = load_le<std::uint32_t>(next + id_size);
            const std::byte* const begin = next;
            next += entity_header_size;
            if (count > types_.size() || count > left() / component_header_size) {
                return corrupt(begin, entity,
                               std::to_string(count) + " components, and the file has " + std::to_string(types_.size()) + " types and " +
                                   std::to_string(left()) + " bytes that follow");
            }
            for (std::uint32_t i = 0; i < count; ++i) {
                if (left() < component_header_size) {
                    return corrupt(next, entity, "the file ends within component " + std::to_string(i + 1));
                }
                const Type* const type = find_type(next, i);
                const auto size = load_le<std::uint32_t>(next + id_size);
                const std::string_view fault = type == nullptr                         ? "is of a type that the file does not list"
                                               : size > left() - component_header_size ? "claims more bytes than follow"
                                               : type->is_plain && size != type->table->packed_size
                                                   ? "does not have the bytes of a row"
                                                   : check_special(*type, next + component_header_size, size);
                if (!fault.empty()) [[unlikely]] {
                    return component_fault(next, entity, i, type, size, fault);
                }
                next += component_header_size + size;
            }
        }
        return next == end ? Result<void>{}
                           : at_byte(static_cast<std::size_t>(next - file_.data()), ErrorCode::Corrupt,
                                     std::to_string(left()) + " bytes are left over after the last entity");
    }
    [[nodiscard]] std::string_view check_special(const Type& type, const std::byte* bytes, std::uint32_t size) const {
        if (type.is_references) {
            return size % reference_size == 0 ? "" : "does not have the bytes of references";
        }
        if (type.table == nullptr || type.is_plain || type.codec != nullptr) {
            return {};
        }
        return read_row(*type.table, {bytes, size}, nullptr, [](FieldId, std::span<const std::byte>) {})
                   ? ""
                   : "does not have the bytes of a row";
    }
    ECSDB_NOINLINE Error component_fault(const std::byte* at, std::uint64_t entity, std::uint32_t nth, const Type* type, std::uint32_t size,
                                         std::string_view what) const {
        return corrupt(at, entity,
                       "component " + std::to_string(nth + 1) +
                           (type != nullptr && type->table != nullptr ? " (`" + type->table->name + "`)" : std::string{}) + " of " +
                           std::to_string(size) + " bytes " + std::string{what});
    }

    /// False where a number that has a meaning gets another.
    [[nodiscard]] static bool take_references(EntityLoader& loader, std::span<const std::byte> bytes) {
        for (; !bytes.empty(); bytes = bytes.subspan(reference_size)) {
            if (!loader.name(load_le<std::uint64_t>(bytes.data()), load_id(bytes.data() + sizeof(std::uint64_t)))) {
                return false;
            }
        }
        return true;
    }
    [[nodiscard]] static Result<void> read_special(EntityLoader& loader, const Type& type, std::span<const std::byte> bytes,
                                                   std::size_t position, std::byte* row) {
        if (type.codec != nullptr) {
            return type.codec->deserialise(bytes, type.version, row);
        }
        const bool read = read_row(*type.table, bytes, row, [&](FieldId field, std::span<const std::byte> content) {
            loader.set_content(position, field, content);
        });
        return read ? Result<void>{} : Error{ErrorCode::Corrupt, "does not have the bytes of a row"};
    }

    std::span<const std::byte> file_;
    const Schema* schema_;
    TableId imported_ids_;
    const LoadOptions* options_;
    std::uint64_t entity_count_ = 0;
    std::uint32_t type_count_ = 0;
    std::size_t entities_at_ = 0;
    std::vector<Type> types_;             ///< In the file's order.
    std::vector<std::uint32_t> by_id_;    ///< Sorted.
    std::vector<std::uint32_t> expected_; ///< By position within an entity.
};

} // namespace ecsdb::formats::pecs
