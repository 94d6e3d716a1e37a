#include "ecsdb/core/hints.hpp"

#include "support/catch.hpp"

#include <cstdint>
#include <vector>

namespace ecsdb::test::hints_test {

TEST_CASE("a hint takes any address, and changes nothing", "[core][hints]") {
    std::vector<std::uint64_t> values(1000, 7);
    for (const std::uint64_t& value : values) {
        prefetch_for_read(&value);
        prefetch_for_write(&value);
    }
    prefetch_for_read(nullptr);
    prefetch_for_write(nullptr);
    prefetch_for_read(values.data() + values.size());
    prefetch_for_write(reinterpret_cast<const void*>(~std::uintptr_t{0})); // nobody's
    CHECK(values == std::vector<std::uint64_t>(1000, 7));
}

} // namespace ecsdb::test::hints_test
