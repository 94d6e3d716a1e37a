#include "ecsdb/transaction/command.hpp"

#include "support/storage_fixture.hpp"

#include <cstring>
#include <string>
#include <vector>

namespace ecsdb::test::command_test {

using transaction::CommandBuffer;
using transaction::Operation;
using transaction::OperationKind;
using transaction::OperationRange;

TEST_CASE("a buffer without memory says so and keeps what it has", "[transaction]") {
    CountingAllocator allocator;
    CommandBuffer buffer{allocator};
    const std::vector<std::byte> row(3000);
    REQUIRE(buffer.append(OperationKind::Insert, Entity{1, 1, 0}, 0, row.data(), 3000));
    allocator.refuse_from = allocator.calls;
    CHECK_FALSE(buffer.append(OperationKind::Insert, Entity{2, 1, 0}, 0, row.data(), 3000));
    CHECK_FALSE(buffer.append_part(Entity{2, 1, 0}, 0, 4, row.data(), 2990));
    CHECK(buffer.operation_count() == 1);
    CHECK(buffer.bytes().size() == sizeof(Operation) + 3000);
}

TEST_CASE("operations are read back as they were written, whatever their size", "[transaction]") {
    SystemAllocator allocator;
    CommandBuffer buffer{allocator};
    std::vector<std::string> payloads;
    for (std::uint32_t size = 0; size < 40; ++size) {
        payloads.emplace_back(size, static_cast<char>('a' + size % 26));
        REQUIRE(buffer.append(static_cast<OperationKind>(size % 6), Entity{size, 2, 3}, static_cast<TableId>(size * 3),
                              reinterpret_cast<const std::byte*>(payloads.back().data()), size));
    }
    const std::uint32_t value = 0x01020304;
    REQUIRE(buffer.append_part(Entity{99, 1, 0}, 7, 12, reinterpret_cast<const std::byte*>(&value), sizeof(value)));
    CHECK(buffer.operation_count() == 41);
    CHECK(buffer.bytes().size() % 8 == 0);

    OperationRange operations{buffer.bytes()};
    for (std::uint32_t size = 0; size < 40; ++size, operations.advance()) {
        REQUIRE_FALSE(operations.done());
        const Operation& operation = operations.current();
        CHECK(operation.kind == static_cast<OperationKind>(size % 6));
        CHECK(operation.entity == Entity{size, 2, 3});
        CHECK(operation.table == size * 3);
        CHECK(std::string(reinterpret_cast<const char*>(operation.payload()), operation.bytes) == payloads[size]);
    }
    const Operation& part = operations.current();
    CHECK(part.kind == OperationKind::UpdatePart);
    CHECK(part.bytes == 8);
    std::uint32_t offset_and_value[2];
    std::memcpy(offset_and_value, part.payload(), sizeof(offset_and_value));
    CHECK(offset_and_value[0] == 12);
    CHECK(offset_and_value[1] == value);
    operations.advance();
    CHECK(operations.done());
}

TEST_CASE("a cleared buffer is empty and keeps its memory", "[transaction]") {
    CountingAllocator allocator;
    CommandBuffer buffer{allocator};
    for (int round = 0; round < 3; ++round) {
        const std::uint64_t calls = allocator.calls;
        for (std::uint32_t i = 0; i < 1000; ++i) {
            REQUIRE(buffer.append(OperationKind::Destroy, Entity{i, 1, 0}, 0, nullptr, 0));
        }
        CHECK((round == 0 || allocator.calls == calls));
        buffer.clear();
        CHECK(buffer.operation_count() == 0);
        CHECK(OperationRange{buffer.bytes()}.done());
    }
}

TEST_CASE("an operation is copied to another buffer and entity, and zeros need no source", "[transaction]") {
    CountingAllocator allocator;
    CommandBuffer from{allocator};
    CommandBuffer to{allocator};
    const std::vector<std::byte> row(13, std::byte{7});
    REQUIRE(from.append(OperationKind::Set, Entity{1, 1, 0}, 5, row.data(), 13));
    REQUIRE(from.append_part(Entity{1, 1, 0}, 5, 4, nullptr, 9));
    REQUIRE(to.reserve(2, 13));
    allocator.refuse_from = allocator.calls; // there is room already
    OperationRange operations{from.bytes()};
    REQUIRE(to.append_copy(operations.current(), Entity{2, 3, 0}));
    operations.advance();
    REQUIRE(to.append_copy(operations.current(), Entity{2, 3, 0}));
    CHECK(to.operation_count() == 2);
    CHECK(to.bytes().size() == from.bytes().size());
    OperationRange copies{to.bytes()};
    CHECK(copies.current().entity == Entity{2, 3, 0});
    CHECK(copies.current().kind == OperationKind::Set);
    CHECK(copies.current().table == 5);
    CHECK(std::memcmp(copies.current().payload(), row.data(), 13) == 0);
    copies.advance();
    const std::vector<std::byte> zeros(9);
    CHECK(copies.current().bytes == 13);
    CHECK(std::memcmp(copies.current().payload() + 4, zeros.data(), 9) == 0);
    CHECK_FALSE(to.reserve(10'000, 13));
    CHECK(to.operation_count() == 2);
}

} // namespace ecsdb::test::command_test
