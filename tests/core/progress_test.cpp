#include "ecsdb/core/progress.hpp"

#include "support/catch.hpp"

namespace progress_test {

TEST_CASE("progress is told to whoever asked, and to nobody by default", "[core]") {
    const ecsdb::Progress nobody;
    CHECK_FALSE(nobody);
    nobody(1, 2);

    std::uint64_t seen[2] = {};
    const ecsdb::Progress somebody{[](void* context, std::uint64_t done, std::uint64_t total) {
                                       static_cast<std::uint64_t*>(context)[0] = done;
                                       static_cast<std::uint64_t*>(context)[1] = total;
                                   },
                                   seen};
    CHECK(somebody);
    somebody(3, 4);
    CHECK(seen[0] == 3);
    CHECK(seen[1] == 4);
}

} // namespace progress_test
