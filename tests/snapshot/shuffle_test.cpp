#include "ecsdb/snapshot/shuffle.hpp"

#include "support/catch.hpp"

#include <random>
#include <vector>

namespace ecsdb::test::shuffle_test {

TEST_CASE("bytes of rows are put in order by their place in the row, and back", "[snapshot]") {
    std::mt19937_64 random{3};
    for (std::size_t width = 1; width <= 21; ++width) {
        for (const std::size_t rows : {1U, 2U, 7U, 64U, 100U}) {
            CAPTURE(width, rows);
            std::vector<std::byte> in(rows * width);
            for (std::byte& byte : in) {
                byte = static_cast<std::byte>(random());
            }
            std::vector<std::byte> out(in.size());
            snapshot::shuffle_rows(in.data(), out.data(), rows, width);
            for (std::size_t row = 0; row < rows; ++row) {
                for (std::size_t k = 0; k < width; ++k) {
                    REQUIRE(out[k * rows + row] == in[row * width + k]);
                }
            }
            std::vector<std::byte> back(in.size());
            snapshot::unshuffle_rows(out.data(), back.data(), rows, width);
            CHECK(back == in);
        }
    }
}

} // namespace ecsdb::test::shuffle_test
