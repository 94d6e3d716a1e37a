#include "support/catch.hpp"

#include "ecsdb/schema/utf8.hpp"

namespace utf8_test {

using ecsdb::is_utf8;

TEST_CASE("malformed UTF-8 is refused, whatever is wrong with it", "[schema][utf8]") {
    CHECK_FALSE(is_utf8("\x80"));             // a continuation without a lead
    CHECK_FALSE(is_utf8("\xC3"));             // cut short
    CHECK_FALSE(is_utf8("a\xE2\x82"));        // cut short by one
    CHECK_FALSE(is_utf8("\xC0\xAF"));         // overlong
    CHECK_FALSE(is_utf8("\xE0\x80\xAF"));     // overlong
    CHECK_FALSE(is_utf8("\xF0\x80\x80\xAF")); // overlong
    CHECK_FALSE(is_utf8("\xED\xA0\x80"));     // a surrogate
    CHECK_FALSE(is_utf8("\xF4\x90\x80\x80")); // past U+10FFFF
    CHECK_FALSE(is_utf8("\xF5\x80\x80\x80"));
    CHECK_FALSE(is_utf8("\xFF"));
    CHECK_FALSE(is_utf8("\xE2(\xA1")); // a letter where a continuation belongs
}

TEST_CASE("text of every length of character is UTF-8", "[schema][utf8]") {
    CHECK(is_utf8(""));
    CHECK(is_utf8("plain"));
    CHECK(is_utf8(std::string_view{"a\0b", 3}));
    CHECK(is_utf8("é€😀"));
    CHECK(is_utf8("\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF"));
}

} // namespace utf8_test
