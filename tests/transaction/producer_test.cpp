#include "ecsdb/transaction/producer.hpp"

#include "support/storage_fixture.hpp"

#include <atomic>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace ecsdb::test::producer_test {
namespace {

using namespace transaction;

struct Scene {
    SystemAllocator allocator;
    CommandQueue queue;
    EntityIds ids{0};
    std::vector<std::uint64_t> ring = std::vector<std::uint64_t>(ProducerState::ring_bytes / 8);
    ProducerState producer;

    explicit Scene(std::uint64_t limit = 1'000'000) : producer{queue, allocator, ids, reinterpret_cast<std::byte*>(ring.data()), limit} {}

    bool submit(std::uint32_t bytes, std::uint64_t mark) {
        CommandHeader* const header = producer.start_command(bytes);
        if (header == nullptr) {
            return false;
        }
        header->form = Form::Operations;
        std::memset(static_cast<void*>(header + 1), static_cast<int>(mark & 0xFFU), bytes);
        bool queued = false;
        producer.submit(header, queued);
        return queued;
    }
    /// The writer's side: runs up to `most` commands; false where one does not hold what was written.
    bool run(std::size_t most, std::uint64_t& next) {
        bool right = true;
        for (CommandHeader* header = nullptr; most != 0 && queue.take(&header, 1) == 1; --most) {
            const auto* const bytes = reinterpret_cast<const std::uint8_t*>(header + 1);
            right = right && header->producer == &producer;
            for (std::uint32_t i = 0; i < header->bytes; ++i) {
                right = right && bytes[i] == (next & 0xFFU);
            }
            ++next;
            producer.next_run();
            producer.note_ring_end(header->ring_end);
        }
        producer.announce();
        return right;
    }
};

} // namespace

TEST_CASE("the ring is full when its bytes are, and has room again once commands were run", "[transaction]") {
    Scene scene;
    std::uint64_t written = 0;
    std::uint64_t run = 0;
    std::vector<std::uint32_t> sizes;
    for (int round = 0; round < 50; ++round) {
        const auto bytes = static_cast<std::uint32_t>((round * 328) % 4096 / 8 * 8);
        while (scene.submit(bytes, written)) {
            sizes.push_back(bytes + 16);
            ++written;
        }
        // Nothing is wasted but what is left at the ring's end, and what the next command lacks.
        CHECK(std::accumulate(sizes.begin() + std::ptrdiff_t(run), sizes.end(), 0U) >= ProducerState::ring_bytes - 2 * 4112);
        CHECK_FALSE(scene.submit(bytes, written));
        CHECK(scene.run(static_cast<std::size_t>(1 + (written - run) / 2), run));
        REQUIRE(scene.submit(bytes, written++));
        sizes.push_back(bytes + 16);
    }
    CHECK(scene.run(1'000'000, run));
    CHECK(run == written);
    CHECK(scene.producer.submitted() == written);
    CHECK(scene.producer.is_done(written));
    CHECK_FALSE(scene.producer.is_done(written + 1));
}

TEST_CASE("the number of commands not yet run is bounded", "[transaction]") {
    Scene scene{3};
    std::uint64_t run = 0;
    CHECK(scene.submit(8, 0));
    CHECK(scene.submit(8, 1));
    CHECK(scene.submit(8, 2));
    CHECK_FALSE(scene.submit(8, 3));
    CHECK(scene.run(1, run));
    CHECK(scene.submit(8, 3));
    CHECK_FALSE(scene.submit(8, 4));
    CHECK(scene.run(9, run));
}

TEST_CASE("a failure is found by its number, alone or with its whole batch", "[transaction]") {
    Scene scene;
    std::uint64_t run = 0;
    const auto code = [&](std::uint64_t sequence) {
        const std::optional<Error> error = scene.producer.take_failure(sequence);
        return error ? error->code() : ErrorCode{};
    };
    for (std::uint64_t i = 0; i < 10; ++i) {
        REQUIRE(scene.submit(8, i));
    }
    REQUIRE(scene.run(4, run)); // 1 to 4
    scene.producer.note_failure(2, Error{ErrorCode::NotFound, "2"});
    CHECK(code(1) == ErrorCode{});
    CHECK(code(2) == ErrorCode::NotFound);
    CHECK(code(2) == ErrorCode{});
    scene.producer.note_failure(3, Error{ErrorCode::NotFound, "3"});
    // 5 to 8 fail as a batch, 6 and 8 also on their own.
    for (int i = 0; i < 4; ++i) {
        scene.producer.next_run();
    }
    scene.producer.note_failure(6, Error{ErrorCode::AlreadyExists, "6"});
    scene.producer.note_failure(8, Error{ErrorCode::AlreadyExists, "8"});
    scene.producer.fail_batch(Error{ErrorCode::Io, "disk"});
    scene.producer.announce();
    CHECK(code(4) == ErrorCode{});
    CHECK(code(5) == ErrorCode::Io);
    CHECK(code(6) == ErrorCode::AlreadyExists);
    CHECK(code(7) == ErrorCode::Io);
    CHECK(code(8) == ErrorCode::AlreadyExists);
    CHECK(code(9) == ErrorCode{});
    CHECK(code(3) == ErrorCode::NotFound);
}

TEST_CASE("buffers come home through the writer and are used again", "[transaction]") {
    Scene scene;
    CommandBuffer* const one = scene.producer.take_buffer();
    CommandBuffer* const two = scene.producer.take_buffer();
    REQUIRE(one != nullptr);
    REQUIRE(two != nullptr);
    REQUIRE(one->append(OperationKind::Destroy, Entity{1, 1, 0}, 0, nullptr, 0));
    scene.producer.return_buffer(one);
    scene.producer.return_buffer(two);
    CommandBuffer* const again = scene.producer.take_buffer();
    CHECK((again == one || again == two));
    CHECK(again->operation_count() == 0);
    CommandBuffer* const other = scene.producer.take_buffer();
    CHECK((other == one || other == two));
    CHECK(other != again);
    scene.producer.give_buffer(again);
    scene.producer.give_buffer(other);
}

TEST_CASE("the bytes of buffers that wait are bounded, but one alone may be of any size", "[transaction]") {
    Scene scene;
    ProducerState& producer = scene.producer;
    const auto buffer_of = [&](std::uint32_t bytes) {
        CommandBuffer* const buffer = producer.take_buffer();
        REQUIRE(buffer != nullptr);
        const std::vector<std::byte> row(bytes - sizeof(Operation));
        REQUIRE(buffer->append(OperationKind::Set, Entity{1, 1, 0}, 0, row.data(), static_cast<std::uint32_t>(row.size())));
        REQUIRE(buffer->bytes().size() == bytes);
        return buffer;
    };
    CHECK(producer.has_room_for_buffer(5000, 1000));
    CommandBuffer* const large = buffer_of(5000);
    producer.note_buffer(5000);
    CHECK(producer.waiting_buffer_bytes() == 5000);
    CHECK_FALSE(producer.has_room_for_buffer(8, 1000));
    CHECK_FALSE(producer.has_room_for_buffer(5000, 9999));
    CHECK(producer.has_room_for_buffer(5000, 10000));
    CHECK_FALSE(producer.has_room_for_buffer(~std::size_t{0}, ~std::size_t{0}));
    CommandBuffer* const small = buffer_of(1000);
    producer.note_buffer(1000);
    producer.return_buffer(large);
    CHECK(producer.waiting_buffer_bytes() == 1000);
    CHECK(producer.has_room_for_buffer(1000, 2000));
    CHECK_FALSE(producer.has_room_for_buffer(1001, 2000));
    producer.return_buffer(small);
    CHECK(producer.waiting_buffer_bytes() == 0);
    CHECK(producer.has_room_for_buffer(2001, 2000));
}

TEST_CASE("waiting for room among buffers ends with room, with the time, or when given up", "[transaction]") {
    Scene scene;
    SimulatedClock clock;
    scene.producer.note_buffer(1000);
    std::uint64_t wait = 100;
    const auto never = [] { return false; };
    const auto later = [&] {
        clock.advance(30);
        return true;
    };
    CHECK_FALSE(scene.producer.wait_room_for_buffer(clock, 1, 1000, wait, later, never));
    CHECK(clock.monotonic_ns() == 120);
    CHECK(scene.producer.wait_room_for_buffer(clock, 1, 1000, wait, never, [] { return true; }));
    CHECK(wait == 100);
    CommandBuffer* const buffer = scene.producer.take_buffer();
    const std::vector<std::byte> row(1000 - sizeof(Operation));
    REQUIRE(buffer->append(OperationKind::Set, Entity{1, 1, 0}, 0, row.data(), static_cast<std::uint32_t>(row.size())));
    int helped = 0;
    const auto run = [&] {
        if (++helped == 2) {
            scene.producer.return_buffer(buffer);
        }
        return later();
    };
    CHECK(scene.producer.wait_room_for_buffer(clock, 1, 1000, wait, run, never));
    CHECK(helped == 2);
    CHECK(wait == 40);
}

TEST_CASE("a sleeping consumer is woken by a command, or does not fall asleep over one", "[transaction][threads]") {
    Scene scene;
    constexpr std::uint64_t commands = 3000;
    bool right = true;
    bool waited = true;
    std::uint64_t run = 0;
    {
        std::jthread writer{[&] {
            while (run < commands) {
                const std::uint64_t before = run;
                right = scene.run(1'000'000, run) && right;
                if (run == before) {
                    scene.queue.sleep(5'000'000'000, [] { return false; });
                }
            }
        }};
        SystemClock clock;
        for (std::uint64_t i = 0; i < commands; ++i) {
            while (!scene.submit(16, i)) {
                scene.producer.wait_room(clock, no_timeout, [] { return false; });
            }
            if (i % 3 == 0) {
                waited = scene.producer.wait_done(clock, i + 1, 60'000'000'000, [] { return false; }) && waited;
            }
        }
    }
    CHECK(right);
    CHECK(waited);
    CHECK(run == commands);
}

TEST_CASE("a wait ends when it is given up", "[transaction]") {
    Scene scene;
    REQUIRE(scene.submit(8, 0));
    SystemClock clock;
    int asked = 0;
    CHECK(scene.producer.wait_done(clock, 1, no_timeout, [&] { return ++asked == 3; }));
    CHECK_FALSE(scene.producer.is_done(1));
    CHECK_FALSE(scene.producer.wait_done(clock, 1, 0, [] { return false; }));
}

} // namespace ecsdb::test::producer_test
