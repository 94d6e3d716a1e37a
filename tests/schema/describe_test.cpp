#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/describe.hpp"

namespace describe_test {

using ecsdb::FieldType;
namespace detail = ecsdb::detail;

namespace {

struct Gap {
    float x;
    float forgotten;
    float y;
};

template <typename T>
constexpr ecsdb::MemberDescription described = detail::describe_member<T>("member", 0);

} // namespace

TEST_CASE("a list that forgets a field is noticed, wherever it lay", "[schema][describe]") {
    const auto x = detail::describe_member<float>("x", offsetof(Gap, x));
    const auto forgotten = detail::describe_member<float>("forgotten", offsetof(Gap, forgotten));
    const auto y = detail::describe_member<float>("y", offsetof(Gap, y));
    const auto lists = [](std::initializer_list<ecsdb::MemberDescription> members) {
        return detail::lists_every_field({members.begin(), members.size()}, sizeof(Gap), alignof(Gap));
    };
    CHECK(lists({x, forgotten, y}));
    CHECK_FALSE(lists({x, y}));
    CHECK_FALSE(lists({x, forgotten}));
    CHECK_FALSE(lists({forgotten, y}));
    CHECK_FALSE(lists({forgotten, x, y}));
    CHECK_FALSE(lists({}));
    CHECK(detail::lists_every_field({}, 1, 1));
}

TEST_CASE("every C++ type that can be a field is known as what it is", "[schema][describe]") {
    CHECK(described<std::uint8_t>.type == FieldType::U8);
    CHECK(described<std::int8_t>.type == FieldType::I8);
    CHECK(described<unsigned long>.type == FieldType::U64);
    CHECK(described<long long>.type == FieldType::I64);
    CHECK(described<short>.type == FieldType::I16);
    CHECK(described<unsigned>.type == FieldType::U32);
    CHECK(described<float>.type == FieldType::F32);
    CHECK(described<double>.type == FieldType::F64);
    CHECK(described<bool>.type == FieldType::Bool);
    CHECK(described<ecsdb::Entity>.type == FieldType::Entity);
    CHECK(described<sample::Team>.type == FieldType::Enum);
    CHECK(described<sample::Vec>.type == FieldType::Struct);
    CHECK(described<sample::Position>.type == FieldType::Struct); // A component can be part of another.
    CHECK(described<ecsdb::FixedString<5>>.capacity == 5);
}

TEST_CASE("arrays give their extents, outermost first, however they are nested", "[schema][describe]") {
    const auto& mixed = described<std::array<int[3], 2>>;
    CHECK(mixed.dimensions == 2);
    CHECK(mixed.extents[0] == 2);
    CHECK(mixed.extents[1] == 3);
    CHECK(mixed.size == 24);
    const auto& nullable = described<ecsdb::Nullable<std::array<std::uint16_t, 3>>>;
    CHECK(nullable.nullable);
    CHECK(nullable.size == 6);
    CHECK(nullable.extent_in_memory == 8);
    CHECK(nullable.extents[0] == 3);
}

TEST_CASE("names lose their namespaces", "[schema][describe]") {
    CHECK(detail::last_name("a::b::Position") == "Position");
    CHECK(detail::last_name("Position") == "Position");
    CHECK(detail::describe_enum<sample::Team>().name == "Team");
    CHECK(detail::describe_enum<sample::Team>().values[1].value == 7);
    CHECK(detail::describe_enum<sample::Team>().underlying == FieldType::U16);
}

} // namespace describe_test
