#include "ecsdb/storage/pool_options.hpp"

#include "ecsdb/storage/pool.hpp"
#include "support/storage_fixture.hpp"

#include <vector>

namespace ecsdb::test::pool_options_test {

using storage::PoolOptions;

PoolOptions growing(std::size_t first, std::size_t most, std::uint32_t percent) {
    PoolOptions options;
    options.first_block_bytes = first;
    options.max_block_bytes = most;
    options.growth_percent = percent;
    return options;
}

TEST_CASE("blocks grow by the factor asked for, up to the largest", "[storage][memory]") {
    CHECK(growing(4096, 65536, 200).block_after(4096) == 8192);
    CHECK(growing(4096, 65536, 150).block_after(4096) == 6144);
    CHECK(growing(4096, 65536, 100).block_after(4096) == 4096);
    CHECK(growing(4096, 65536, 1000).block_after(4096) == 40960);
    CHECK(growing(4096, 65536, 1000).block_after(40960) == 65536);
    CHECK(growing(4096, 65536, 200).block_after(65536) == 65536);
    CHECK(growing(4096, 65536, 101).block_after(4096) == 4160); // never the same again
    constexpr std::size_t huge = ~std::size_t{0} / 2 + 1;
    CHECK(growing(huge, ~std::size_t{0}, 1000).block_after(huge) == ~std::size_t{0});
    CHECK(growing(1, 2048, 200).block_after(1) == 64);
}

TEST_CASE("a pool takes its blocks as it was told to", "[storage][memory]") {
    class Noting final : public Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
            sizes.push_back(bytes);
            return system_.allocate(bytes, alignment);
        }
        void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
            system_.deallocate(memory, bytes, alignment);
        }
        std::vector<std::size_t> sizes;

    private:
        SystemAllocator system_;
    };
    for (const std::uint32_t percent : {100U, 150U, 200U, 400U}) {
        CAPTURE(percent);
        Noting allocator;
        const PoolOptions options = growing(65536, 262144, percent);
        {
            storage::PagePool pool{allocator, options};
            std::vector<storage::Node*> nodes;
            for (int i = 0; i < 1000; ++i) {
                nodes.push_back(pool.take(2048));
                REQUIRE(nodes.back() != nullptr);
            }
            for (storage::Node* const node : nodes) {
                pool.give(node);
            }
        }
        std::vector<std::size_t> blocks;
        for (const std::size_t size : allocator.sizes) {
            if (size >= 65536) {
                blocks.push_back(size);
            }
        }
        REQUIRE(blocks.size() > 3);
        CHECK(blocks.front() == 65536);
        for (std::size_t i = 1; i < blocks.size(); ++i) {
            CHECK(blocks[i] == options.block_after(blocks[i - 1]));
        }
        CHECK(blocks.back() == (percent == 100 ? 65536 : 262144));
    }
}

} // namespace ecsdb::test::pool_options_test
