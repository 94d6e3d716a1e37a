/// @file
/// One JSON value with all that is in it, as a flat list that is used again for the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace ecsdb::formats::json {

enum class Kind : std::uint8_t { Null, Bool, Unsigned, Signed, Real, Text, List, Object };

class Value;

/// Takes a value down piece by piece: what opens is closed again, and a key comes before what it names. Keeps its memory. One thread.
class Values {
public:
    void clear() noexcept {
        nodes_.clear();
        open_.clear();
        text_.clear();
        key_ = {};
    }
    /// The next value of the open object is called so.
    void key(std::string_view name) { key_ = keep(name); }
    /// Neither list nor object. `offset` is the place in the document.
    void add(Kind kind, std::uint64_t bits, std::size_t offset) { push({kind, 0, 0, key_, {}, bits, offset}); }
    void add_text(std::string_view text, std::size_t offset) { push({Kind::Text, 0, 0, key_, keep(text), 0, offset}); }
    void open(Kind kind, std::size_t offset) {
        push({kind, 0, 0, key_, {}, 0, offset});
        open_.push_back(nodes_.size() - 1);
    }
    void close() {
        nodes_[open_.back()].end = nodes_.size();
        open_.pop_back();
    }

    /// How many values it has, with those in others.
    [[nodiscard]] std::size_t count() const noexcept { return nodes_.size(); }
    [[nodiscard]] bool is_complete() const noexcept { return !nodes_.empty() && open_.empty(); }
    /// The value everything else is in; once it is complete, until the next change.
    [[nodiscard]] Value root() const noexcept;

private:
    friend class Value;
    struct Piece {
        std::size_t begin = 0;
        std::size_t size = 0;
    };
    struct Node {
        Kind kind;
        std::size_t size; ///< How many values lie directly in it.
        std::size_t end;  ///< The node behind those.
        Piece key;
        Piece text;
        std::uint64_t bits;
        std::size_t offset;
    };

    [[nodiscard]] Piece keep(std::string_view text) {
        text_.append(text);
        return {text_.size() - text.size(), text.size()};
    }
    void push(const Node& node) {
        if (!open_.empty()) {
            ++nodes_[open_.back()].size;
        }
        nodes_.push_back(node);
        nodes_.back().end = nodes_.size();
        key_ = {};
    }

    std::vector<Node> nodes_; ///< Each before those in it.
    std::vector<std::size_t> open_;
    std::string text_;
    Piece key_;
};

/// Looks at a value. As good as the `Values` it is in; none, if it was made from nothing or not found.
class Value {
public:
    /// Goes through the values in a list or object.
    class Iterator;

    Value() noexcept = default;
    [[nodiscard]] explicit operator bool() const noexcept { return values_ != nullptr; }

    [[nodiscard]] bool is(Kind kind) const noexcept { return values_ != nullptr && node().kind == kind; }
    [[nodiscard]] Kind kind() const noexcept { return node().kind; }
    /// Of a list or object, how many values it has; 0 for any other.
    [[nodiscard]] std::size_t size() const noexcept { return node().size; }
    [[nodiscard]] std::size_t offset() const noexcept { return node().offset; }
    /// What it is called in its object.
    [[nodiscard]] std::string_view key() const noexcept { return piece(node().key); }
    [[nodiscard]] std::string_view text() const noexcept { return piece(node().text); }
    /// The number or truth as it was added.
    [[nodiscard]] std::uint64_t bits() const noexcept { return node().bits; }

    /// The first value of that name in an object; none where there is none, or no object. Cost: O(values in it).
    [[nodiscard]] Value member(std::string_view name) const noexcept;
    [[nodiscard]] Iterator begin() const noexcept;
    [[nodiscard]] Iterator end() const noexcept;

private:
    friend class Values;
    Value(const Values& values, std::size_t place) noexcept : values_{&values}, place_{place} {}
    [[nodiscard]] const Values::Node& node() const noexcept { return values_->nodes_[place_]; }
    [[nodiscard]] std::string_view piece(const Values::Piece& piece) const noexcept {
        return {values_->text_.data() + piece.begin, piece.size};
    }

    const Values* values_ = nullptr;
    std::size_t place_ = 0;
};

class Value::Iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Value;
    using difference_type = std::ptrdiff_t;
    using pointer = const Value*;
    using reference = const Value&;

    explicit Iterator(const Value& value) noexcept : value_{value} {}
    [[nodiscard]] const Value& operator*() const noexcept { return value_; }
    [[nodiscard]] const Value* operator->() const noexcept { return &value_; }
    Iterator& operator++() noexcept {
        value_.place_ = value_.node().end;
        return *this;
    }
    [[nodiscard]] bool operator==(const Iterator& other) const noexcept { return value_.place_ == other.value_.place_; }

private:
    Value value_;
};

inline Value Values::root() const noexcept {
    return {*this, 0};
}
inline Value::Iterator Value::begin() const noexcept {
    return Iterator{{*values_, place_ + 1}};
}
inline Value::Iterator Value::end() const noexcept {
    return Iterator{{*values_, node().end}};
}
inline Value Value::member(std::string_view name) const noexcept {
    if (is(Kind::Object)) {
        for (const Value& value : *this) {
            if (value.key() == name) {
                return value;
            }
        }
    }
    return {};
}

} // namespace ecsdb::formats::json
