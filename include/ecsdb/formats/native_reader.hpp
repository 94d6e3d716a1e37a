/// @file
/// Reads a file of the native format nobody vouches for: checks all of it, then hands its entities to a loader.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/formats/loader.hpp"
#include "ecsdb/formats/native_format.hpp"
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

namespace ecsdb::formats::native {

/// One load. The bytes must outlive it, and the loader's run: contents are taken from where they lie.
class Reader {
public:
    Reader(std::span<const std::byte> bytes, const Schema& schema, TableId imported_ids, const LoadOptions& options)
        : file_{bytes}, schema_{&schema}, imported_ids_{imported_ids}, options_{&options} {}

    /// Checks the whole file. Takes no memory but for the tables. Every error says at which byte. Cost: one pass over the bytes, and their
    /// checksum.
    [[nodiscard]] Result<void> check() {
        for (auto step : {&Reader::read_header, &Reader::read_tables, &Reader::check_groups}) {
            if (Result<void> done = (this->*step)(); !done) {
                return done;
            }
        }
        return {};
    }

    /// Hands all entities over; after `check`. Errors: what the loader refuses, and what codecs do.
    [[nodiscard]] Result<void> gather(EntityLoader& loader) {
        std::vector<TableId> saved;
        for (const SavedTable& table : tables_) {
            if (table.table != nullptr) {
                saved.push_back(table.table->id);
            }
        }
        loader.set_saved_tables(saved);
        loader.expect(entity_count_);
        std::size_t at = groups_at_;
        for (std::uint32_t number = 0; number < group_count_; ++number) {
            Group group = group_at(at);
            at += group.size;
            if (Result<void> taken = take(group, loader); !taken) {
                return std::move(taken).error().in("group " + std::to_string(number + 1) + " of " + std::to_string(group_count_));
            }
        }
        for (std::uint64_t i = 0; i < reference_count_; ++i, at += reference_size) {
            if (!loader.name(load_le<std::uint64_t>(file_.data() + at), load_id(file_.data() + at + sizeof(std::uint64_t)))) {
                return at_byte(at, ErrorCode::Corrupt, "a reference has another meaning than before");
            }
        }
        return {};
    }

private:
    /// One table of the file.
    struct SavedTable {
        const Table* table = nullptr; ///< Null: its rows are left out.
        const Codec* codec = nullptr;
        std::uint32_t version = 0;
        std::uint32_t row_size = 0;
    };
    /// One column of a group.
    struct Column {
        const SavedTable* table;
        const std::byte* lengths; ///< Null where all rows have the size of the table's.
        const std::byte* rows;
    };
    /// A group whose sizes have been checked.
    struct Group {
        std::uint32_t entities = 0;
        const std::byte* ids = nullptr;
        std::vector<Column> columns;
        std::size_t size = 0;
    };

    [[nodiscard]] static Error at_byte(std::size_t offset, ErrorCode code, const std::string& what) {
        return Error{code, "byte " + std::to_string(offset) + ": " + what};
    }
    [[nodiscard]] std::size_t end() const noexcept { return file_.size() - footer_size; }

    [[nodiscard]] Result<void> read_header() {
        if (file_.size() < header_size + footer_size) {
            return at_byte(file_.size(), ErrorCode::Corrupt, "the file ends within its header");
        }
        if (std::memcmp(file_.data(), magic.data(), magic.size()) != 0) {
            return at_byte(0, ErrorCode::Corrupt, "does not begin with `" + std::string{magic} + "`");
        }
        if (const auto found = load_le<std::uint32_t>(file_.data() + 8); found != version) {
            return at_byte(8, ErrorCode::Unsupported,
                           "version " + std::to_string(found) + "; this program reads version " + std::to_string(version));
        }
        if (const auto found = load_le<std::uint32_t>(file_.data() + 12); found != flags) {
            return at_byte(12, ErrorCode::Unsupported, "flags " + std::to_string(found) + ", which mean nothing in version 1");
        }
        if (load_le<std::uint64_t>(file_.data() + end()) != crc64_xz(file_.first(end()))) {
            return at_byte(end(), ErrorCode::Corrupt, "the checksum differs: the file is damaged or cut short");
        }
        entity_count_ = load_le<std::uint64_t>(file_.data() + entity_count_offset);
        reference_count_ = load_le<std::uint64_t>(file_.data() + reference_count_offset);
        table_count_ = load_le<std::uint32_t>(file_.data() + table_count_offset);
        group_count_ = load_le<std::uint32_t>(file_.data() + group_count_offset);
        std::uint64_t left = end() - header_size;
        const struct {
            std::uint64_t count;
            std::size_t least;
            std::size_t offset;
            const char* name;
        } counted[] = {{table_count_, least_table_size, table_count_offset, " tables"},
                       {group_count_, group_header_size, group_count_offset, " groups"},
                       {entity_count_, id_size, entity_count_offset, " entities"},
                       {reference_count_, reference_size, reference_count_offset, " references"}};
        for (const auto& [count, least, offset, name] : counted) {
            if (count > left / least) {
                return at_byte(offset, ErrorCode::Corrupt,
                               std::to_string(count) + name + " do not fit in the " + std::to_string(left) + " bytes that follow");
            }
            left -= count * least;
        }
        return {};
    }

    [[nodiscard]] Result<void> read_tables() {
        ByteReader reader{file_.first(end()).subspan(header_size)};
        std::vector<bool> seen(schema_->tables().size());
        std::size_t unknown = 0;
        for (std::uint32_t i = 0; i < table_count_; ++i) {
            const std::size_t begin = header_size + reader.offset();
            const std::span<const std::byte> letters = reader.read_bytes(reader.read_le<std::uint32_t>());
            SavedTable saved;
            saved.version = reader.read_le<std::uint32_t>();
            saved.row_size = reader.read_le<std::uint32_t>();
            const std::string place = "table " + std::to_string(i + 1) + " of " + std::to_string(table_count_) + ": ";
            if (reader.failed()) {
                return at_byte(begin, ErrorCode::Corrupt, place + "reaches past the end of the file");
            }
            const std::string_view name{reinterpret_cast<const char*>(letters.data()), letters.size()};
            const std::string called = "`" + std::string{name.substr(0, 64)} + "`";
            if (const Table* const table = schema_->find_table(name); table != nullptr) {
                if (seen[table->id]) {
                    return at_byte(begin, ErrorCode::Corrupt, place + called + " came before");
                }
                seen[table->id] = true;
                if (Result<void> bound = bind(saved, *table); !bound) {
                    return std::move(bound).error().in(place + called).in("byte " + std::to_string(begin));
                }
            } else if (options_->unknown_tables == UnknownTable::Refuse) {
                return at_byte(begin, ErrorCode::SchemaMismatch, place + called + " is not in schema `" + schema_->name() + "`");
            } else if (++unknown > max_unknown_tables) {
                return at_byte(begin, ErrorCode::Unsupported,
                               place + "more than " + std::to_string(max_unknown_tables) + " are not in the schema");
            }
            tables_.push_back(saved);
        }
        groups_at_ = header_size + reader.offset();
        return {};
    }

    [[nodiscard]] Result<void> bind(SavedTable& saved, const Table& table) const {
        saved.table = &table;
        saved.codec = options_->codecs == nullptr ? nullptr : options_->codecs->find(table.name);
        if (table.id == imported_ids_) {
            return Error{ErrorCode::Corrupt, "stable ids are told by the groups themselves"};
        }
        if (saved.codec != nullptr && table.has_contents()) {
            return Error{ErrorCode::Unsupported, "has text or blob fields, and so can have no codec"};
        }
        if (saved.codec == nullptr && saved.version != table.version) {
            return Error{ErrorCode::SchemaMismatch, "was saved with version " + std::to_string(saved.version) +
                                                        " of the table, and here it has version " + std::to_string(table.version)};
        }
        const std::uint32_t wanted = saved.codec != nullptr || table.has_contents() ? varying : table.packed_size;
        if (saved.row_size != wanted) {
            const auto words = [](std::uint32_t size) {
                return size == varying ? std::string{"rows of any length"} : "rows of " + std::to_string(size) + " bytes";
            };
            return Error{ErrorCode::SchemaMismatch, "was saved as " + words(saved.row_size) + ", and here it has " + words(wanted)};
        }
        return {};
    }

    [[nodiscard]] Result<void> check_groups() {
        ByteReader reader{file_.first(end()).subspan(groups_at_)};
        std::uint64_t entities = 0;
        for (std::uint32_t number = 0; number < group_count_; ++number) {
            const std::size_t begin = groups_at_ + reader.offset();
            const std::string problem = check_group(reader, entities);
            if (!problem.empty()) {
                return at_byte(begin, ErrorCode::Corrupt,
                               "group " + std::to_string(number + 1) + " of " + std::to_string(group_count_) + ": " + problem);
            }
        }
        if (entities != entity_count_) {
            return at_byte(entity_count_offset, ErrorCode::Corrupt,
                           std::to_string(entity_count_) + " entities, and there are " + std::to_string(entities) + " in the groups");
        }
        if (reader.remaining() != reference_count_ * reference_size) {
            return at_byte(groups_at_ + reader.offset(), ErrorCode::Corrupt,
                           std::to_string(reader.remaining()) + " bytes after the groups are not " + std::to_string(reference_count_) +
                               " references");
        }
        return {};
    }
    /// Nothing, or what is wrong.
    [[nodiscard]] std::string check_group(ByteReader& reader, std::uint64_t& entities) const {
        const auto count = reader.read_le<std::uint32_t>();
        const auto columns = reader.read_le<std::uint32_t>();
        const std::span<const std::byte> numbers = reader.read_bytes(std::size_t{columns} * sizeof(std::uint32_t));
        static_cast<void>(reader.read_bytes(std::size_t{count} * id_size));
        if (reader.failed()) {
            return "reaches past the end of the file";
        }
        entities += count;
        for (std::uint32_t i = 0; i < columns; ++i) {
            const auto table = load_le<std::uint32_t>(numbers.data() + i * sizeof(std::uint32_t));
            if (table >= tables_.size() || (i != 0 && table <= load_le<std::uint32_t>(numbers.data() + (i - 1) * sizeof(std::uint32_t)))) {
                return "column " + std::to_string(i + 1) + " is of a table that the file does not list, or not in its place";
            }
            if (std::string problem = check_column(reader, tables_[table], count); !problem.empty()) {
                return "column " + std::to_string(i + 1) + " " + problem;
            }
        }
        return {};
    }
    [[nodiscard]] static std::string check_column(ByteReader& reader, const SavedTable& saved, std::uint32_t count) {
        if (saved.row_size != varying) {
            static_cast<void>(reader.read_bytes(std::size_t{count} * saved.row_size));
            return reader.failed() ? "reaches past the end of the file" : "";
        }
        const std::span<const std::byte> lengths = reader.read_bytes(std::size_t{count} * sizeof(std::uint32_t));
        for (std::size_t row = 0; row < lengths.size() / sizeof(std::uint32_t); ++row) {
            const std::span<const std::byte> bytes =
                reader.read_bytes(load_le<std::uint32_t>(lengths.data() + row * sizeof(std::uint32_t)));
            const bool is_row = saved.table == nullptr || saved.codec != nullptr || reader.failed() ||
                                read_row(*saved.table, bytes, nullptr, [](FieldId, std::span<const std::byte>) {});
            if (!is_row) {
                return "(`" + saved.table->name + "`), row " + std::to_string(row + 1) + ": is not the bytes of a row";
            }
        }
        return reader.failed() ? "reaches past the end of the file" : "";
    }

    /// The group that begins at byte `at`; checked before.
    [[nodiscard]] Group group_at(std::size_t at) const {
        ByteReader reader{file_.first(end()).subspan(at)};
        Group group;
        group.entities = reader.read_le<std::uint32_t>();
        const auto columns = reader.read_le<std::uint32_t>();
        const std::span<const std::byte> numbers = reader.read_bytes(std::size_t{columns} * sizeof(std::uint32_t));
        group.ids = reader.read_bytes(std::size_t{group.entities} * id_size).data();
        for (std::uint32_t i = 0; i < columns; ++i) {
            const SavedTable& saved = tables_[load_le<std::uint32_t>(numbers.data() + i * sizeof(std::uint32_t))];
            Column column{&saved, nullptr, nullptr};
            std::size_t bytes = std::size_t{group.entities} * saved.row_size;
            if (saved.row_size == varying) {
                column.lengths = reader.read_bytes(std::size_t{group.entities} * sizeof(std::uint32_t)).data();
                bytes = 0;
                for (std::uint32_t row = 0; row < group.entities; ++row) {
                    bytes += load_le<std::uint32_t>(column.lengths + row * sizeof(std::uint32_t));
                }
            }
            column.rows = reader.read_bytes(bytes).data();
            if (saved.table != nullptr) {
                group.columns.push_back(column);
            }
        }
        group.size = reader.offset();
        return group;
    }

    [[nodiscard]] Result<void> take(Group& group, EntityLoader& loader) const {
        std::vector<TableId> tables;
        for (const Column& column : group.columns) {
            tables.push_back(column.table->table->id);
        }
        for (std::uint32_t entity = 0; entity < group.entities; ++entity) {
            const auto place = [&] { return "entity " + std::to_string(entity + 1) + " of " + std::to_string(group.entities); };
            if (Result<void> begun = loader.begin(load_id(group.ids + std::size_t{entity} * id_size), tables); !begun) {
                return std::move(begun).error().in(place());
            }
            for (std::size_t position = 0; position < group.columns.size(); ++position) {
                Column& column = group.columns[position];
                std::size_t size = column.table->row_size;
                if (column.lengths != nullptr) {
                    size = load_le<std::uint32_t>(column.lengths + std::size_t{entity} * sizeof(std::uint32_t));
                }
                if (Result<void> read = take_row(column, {column.rows, size}, position, loader); !read) {
                    return std::move(read).error().in("table `" + column.table->table->name + "`").in(place());
                }
                column.rows += size;
            }
        }
        return {};
    }
    [[nodiscard]] static Result<void> take_row(const Column& column, std::span<const std::byte> bytes, std::size_t position,
                                               EntityLoader& loader) {
        const Table& table = *column.table->table;
        std::byte* const row = loader.row(position);
        if (column.lengths == nullptr) {
            if (!bytes.empty()) {
                unpack_row(table.runs, bytes.data(), row);
            }
            return {};
        }
        if (column.table->codec != nullptr) {
            return column.table->codec->deserialise(bytes, column.table->version, row);
        }
        const bool read = read_row(
            table, bytes, row, [&](FieldId field, std::span<const std::byte> content) { loader.set_content(position, field, content); });
        return read ? Result<void>{} : Error{ErrorCode::Corrupt, "does not have the bytes of a row"};
    }

    std::span<const std::byte> file_;
    const Schema* schema_;
    TableId imported_ids_;
    const LoadOptions* options_;
    std::uint64_t entity_count_ = 0;
    std::uint64_t reference_count_ = 0;
    std::uint32_t table_count_ = 0;
    std::uint32_t group_count_ = 0;
    std::size_t groups_at_ = 0;
    std::vector<SavedTable> tables_; ///< In the file's order.
};

} // namespace ecsdb::formats::native
