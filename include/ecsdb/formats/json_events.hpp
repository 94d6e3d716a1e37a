/// @file
/// Walks through a JSON document as its parser comes along, and hands over piece by piece what it is made of.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/detail/vendor_json.hpp"
#include "ecsdb/formats/json_values.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ecsdb::formats::json {

/// How deep a document may be nested: a row is at most its schema's structs and arrays deep, far less than this.
inline constexpr std::size_t max_depth = 256;

/// The members of a document. The latter two are lists.
enum class Part : std::uint8_t { Version, EntityCount, Types, Entities, Other };

/// Reads letters one by one and lets everybody see how far it is.
class Letters {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    /// `at` is where reading begins, moves along, and must outlive it. `end` is where it ends.
    Letters(const char*& at, const char* end) noexcept : at_{&at}, end_{end} {}
    /// What stands for the end of any.
    Letters() noexcept = default;

    [[nodiscard]] const char& operator*() const noexcept { return **at_; }
    Letters& operator++() noexcept {
        ++*at_;
        return *this;
    }
    [[nodiscard]] bool operator==(const Letters& other) const noexcept { return is_at_end() == other.is_at_end(); }

private:
    [[nodiscard]] bool is_at_end() const noexcept { return at_ == nullptr || *at_ == end_; }

    const char** at_ = nullptr;
    const char* end_ = nullptr;
};

/// One pass over a document. `Sink` has
///
///     Result<bool> wants(Part part);                       // false: what it is does not matter
///     Result<bool> wants_component(std::string_view name); // of an entity, in the order of the document
///     Result<void> take(Part part, const Value& value);    // the value, or one after the other of a list's
///     std::size_t most_values() const;                     // that a value handed over can be made of
///     std::optional<std::size_t> fault_offset() const;     // of the value an error was about
///
/// and any error it returns ends the pass. What nobody wants is read over, and takes no memory but for its longest text.
template <typename Sink>
class Events {
public:
    explicit Events(Sink& sink) noexcept : sink_{&sink} {}

    /// Errors: `Corrupt` for what is no JSON or nested too deep, and what the sink returns; each with line and byte.
    [[nodiscard]] Result<void> run(std::string_view document) {
        begin_ = at_ = document.data();
        end_ = begin_ + document.size();
        static_cast<void>(nlohmann::json::sax_parse(Letters{at_, end_}, Letters{}, this));
        return error_ ? Result<void>{*std::move(error_)} : Result<void>{};
    }

    // What nlohmann-json's parser calls.
    bool null() { return scalar(Kind::Null, 0); }
    bool boolean(bool value) { return scalar(Kind::Bool, value ? 1 : 0); }
    bool number_integer(std::int64_t value) { return scalar(Kind::Signed, static_cast<std::uint64_t>(value)); }
    bool number_unsigned(std::uint64_t value) { return scalar(Kind::Unsigned, value); }
    bool number_float(double value, const std::string&) { return scalar(Kind::Real, std::bit_cast<std::uint64_t>(value)); }
    bool string(std::string& value) {
        if (passes_over()) {
            return true;
        }
        values_.add_text(value, offset());
        return took();
    }
    bool binary(nlohmann::json::binary_t&) { return false; } // JSON has none
    bool start_object(std::size_t) { return open(Kind::Object); }
    bool end_object() { return close(); }
    bool start_array(std::size_t) { return open(Kind::List); }
    bool end_array() { return close(); }
    bool key(std::string& name) {
        if (ignored_ != 0) {
            return true;
        }
        bool wanted = true;
        if (depth_ == depth_of_members) {
            part_ = part_of(name);
            if (!ask(sink_->wants(part_), wanted)) {
                return false;
            }
        } else if (part_ == Part::Entities && depth_ == depth_of_entity) {
            in_components_ = name == "components";
            wanted = in_components_ || name == "id";
        } else if (part_ == Part::Entities && depth_ == depth_of_components && in_components_ &&
                   !ask(sink_->wants_component(name), wanted)) {
            return false;
        }
        if (wanted) {
            values_.key(name);
        } else {
            ignores_next_ = true;
        }
        return true;
    }
    template <typename Exception>
    bool parse_error(std::size_t, const std::string&, const Exception& exception) {
        // What it says begins with a number of its own and a place we know better.
        const std::string_view said{exception.what()};
        const std::size_t words = said.find(": ");
        return fail(Error{ErrorCode::Corrupt,
                          "is no JSON: " + std::string{said.substr(words == std::string_view::npos ? 0 : words + 2).substr(0, 200)}});
    }

private:
    // How many lists and objects are open where the keys of the document, of an entity, of its components come.
    static constexpr std::size_t depth_of_members = 1;
    static constexpr std::size_t depth_of_entity = 3;
    static constexpr std::size_t depth_of_components = 4;

    [[nodiscard]] static Part part_of(std::string_view name) noexcept {
        return name == "version"        ? Part::Version
               : name == "entity_count" ? Part::EntityCount
               : name == "types"        ? Part::Types
               : name == "entities"     ? Part::Entities
                                        : Part::Other;
    }
    [[nodiscard]] bool is_list(Part part) const noexcept { return part == Part::Types || part == Part::Entities; }
    /// Of the last letter read.
    [[nodiscard]] std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - begin_) - (at_ == begin_ ? 0 : 1); }

    bool scalar(Kind kind, std::uint64_t bits) {
        if (passes_over()) {
            return true;
        }
        values_.add(kind, bits, offset());
        return took();
    }
    bool open(Kind kind) {
        if (++depth_ > max_depth) {
            return fail(Error{ErrorCode::Corrupt, "nested more than " + std::to_string(max_depth) + " deep"});
        }
        if (passes_over()) {
            ++ignored_;
            return true;
        }
        if (depth_ == 1) {
            ignored_ = kind == Kind::Object ? 0 : 1; // has no members; whether it is JSON at all, the parser says
            return true;
        }
        if (depth_ == 2 && is_list(part_)) {
            values_.clear();
            return kind == Kind::List || fail(not_of_its_kind());
        }
        values_.open(kind, offset());
        return has_room();
    }
    bool close() {
        --depth_;
        if (ignored_ != 0) {
            --ignored_;
            return true;
        }
        if (depth_ == 0 || (depth_ == 1 && is_list(part_))) {
            return true;
        }
        values_.close();
        return took();
    }
    /// Whether the value that comes is one that nobody wants.
    bool passes_over() noexcept { return std::exchange(ignores_next_, false) || ignored_ != 0; }

    /// A value is complete; if it is in no other, it is handed over.
    bool took() {
        if (!values_.is_complete()) {
            return has_room();
        }
        if (depth_ == 0 || (depth_ == 1 && is_list(part_))) {
            return fail(not_of_its_kind());
        }
        Result<void> taken = sink_->take(part_, values_.root());
        values_.clear();
        return taken || fail(std::move(taken).error());
    }
    bool has_room() {
        return values_.count() <= sink_->most_values() ||
               fail(Error{ErrorCode::Corrupt, "has more values than the schema has a place for"});
    }
    bool ask(Result<bool> answer, bool& wanted) {
        wanted = answer && *answer;
        return answer || fail(std::move(answer).error());
    }

    [[nodiscard]] static Error not_of_its_kind() {
        return Error{ErrorCode::Corrupt, "`version`, `entity_count`, `types` or `entities` is missing, or not of its kind"};
    }
    bool fail(Error error) {
        const std::size_t at = sink_->fault_offset().value_or(offset());
        const auto line = 1 + std::count(begin_, begin_ + at, '\n');
        error_ = std::move(error).in("line " + std::to_string(line) + ", byte " + std::to_string(at));
        return false;
    }

    Sink* sink_;
    const char* begin_ = nullptr;
    const char* at_ = nullptr; ///< The letter the parser reads next.
    const char* end_ = nullptr;
    Values values_; ///< What is taken down at the moment.
    std::size_t depth_ = 0;
    Part part_ = Part::Other;
    bool in_components_ = false;
    bool ignores_next_ = false;
    std::size_t ignored_ = 0; ///< Open lists and objects that nobody wants.
    std::optional<Error> error_;
};

} // namespace ecsdb::formats::json
