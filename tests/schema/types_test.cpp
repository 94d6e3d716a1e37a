#include "support/catch.hpp"

#include "ecsdb/schema/types.hpp"

#include <set>
#include <string_view>
#include <type_traits>

namespace types_test {

using ecsdb::FieldType;

TEST_CASE("text too long for a fixed string is cut, and the rest stays zero", "[schema][types]") {
    const ecsdb::FixedString<4> cut{"abcdef"};
    CHECK(cut.view() == "abcd");
    const ecsdb::FixedString<4> brief{"ab"};
    CHECK(brief.bytes[2] == 0);
    CHECK(brief.bytes[3] == 0);
    CHECK(brief == ecsdb::FixedString<4>{std::string_view{"ab"}});
    CHECK_FALSE(brief == cut);
    CHECK(ecsdb::FixedString<4>{}.size() == 0);
}

TEST_CASE("a nullable value is absent until it is given", "[schema][types]") {
    ecsdb::Nullable<int> value;
    CHECK_FALSE(value);
    value = 5;
    CHECK(value);
    CHECK(*value == 5);
}

TEST_CASE("every type has a name of its own, and scalars the size of their C++ type", "[schema][types]") {
    std::set<std::string_view> names;
    for (auto number = static_cast<unsigned>(FieldType::U8); number <= static_cast<unsigned>(FieldType::Struct); ++number) {
        names.insert(ecsdb::name_of(static_cast<FieldType>(number)));
    }
    CHECK(names.size() == 15);
    CHECK(names.count("unknown") == 0);
    CHECK(ecsdb::scalar_size(FieldType::I16) == sizeof(std::int16_t));
    CHECK(ecsdb::scalar_size(FieldType::F64) == sizeof(double));
    CHECK(ecsdb::scalar_size(FieldType::Entity) == sizeof(ecsdb::Entity));
    CHECK(ecsdb::scalar_size(FieldType::String) == 0);
}

TEST_CASE("the special types can lie in rows", "[schema][types]") {
    CHECK(std::is_trivially_copyable_v<ecsdb::FixedString<7>>);
    CHECK(std::is_standard_layout_v<ecsdb::FixedString<7>>);
    CHECK(sizeof(ecsdb::FixedString<7>) == 10);
    CHECK(std::is_trivially_copyable_v<ecsdb::Nullable<double>>);
    CHECK(std::is_standard_layout_v<ecsdb::Nullable<double>>);
}

} // namespace types_test
