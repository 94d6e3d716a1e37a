#include "ecsdb/recovery/on_writer.hpp"

#include "recovery/world.hpp"

namespace on_writer_test {

using namespace recovery_test;

TEST_CASE("counts are read on the writer as of a version that is published by then", "[recovery]") {
    for (const bool own_thread : {false, true}) {
        ecsdb::Options options;
        options.own_thread = own_thread;
        World world = open_or_fail(options);
        auto tx = world.begin();
        const ecsdb::Entity entity = tx.create(Purse{1});
        require(tx.commit());
        require(world.update(entity, Purse{2}).wait());
        ecsdb::detail::CountsFromWriter counts{world.engine().pipeline()};
        std::array<std::uint32_t, 3> read{};
        // Submitted before, so counted: whoever asks comes in turn.
        for (std::uint64_t i = 0; i < 3; ++i) {
            static_cast<void>(world.update(entity, Purse{i}));
        }
        const auto version = counts.read(entity.index(), read);
        REQUIRE(version);
        CHECK(*version == 5);
        CHECK(read == std::array<std::uint32_t, 3>{5, 0, 0});
        CHECK(counts.newest() == 5);
        CHECK(*counts.read(1'000'000, read) == 5);
        CHECK(read == std::array<std::uint32_t, 3>{0, 0, 0});
        require(world.close());
        CHECK_FALSE(counts.read(0, read));
    }
}

} // namespace on_writer_test
