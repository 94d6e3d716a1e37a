#include "ecsdb/snapshot/file_stream.hpp"

#include "snapshot/snapshot_fixture.hpp"

namespace ecsdb::test::file_stream_test {

using snapshot::FileStream;

namespace {

constexpr std::size_t largest = 300'000;

std::byte byte_at(std::uint64_t offset) {
    return static_cast<std::byte>(offset * 31 + offset / 4096);
}

/// Streams bytes in steps of several sizes; what `finish`, or the first failing step, said.
Result<void> stream(FileSystem& files, Allocator& allocator, std::uint64_t bytes, bool own_thread) {
    auto file = files.open("file", FileMode::CreateNew);
    REQUIRE(file);
    FileStream out{**file, allocator, largest, own_thread};
    if (!out.begin()) {
        return Error{ErrorCode::OutOfMemory, "begin"};
    }
    for (std::uint64_t step = 1; out.offset() < bytes; step = step * 7 % largest + 1) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(step, bytes - out.offset()));
        const std::uint64_t from = out.offset();
        if (std::byte* const room = out.buffer().extend(count)) {
            for (std::size_t i = 0; i < count; ++i) {
                room[i] = byte_at(from + i);
            }
        }
        if (auto passed = out.pass_on(); !passed) {
            return passed;
        }
    }
    return out.finish();
}

/// Notes where a stream writes, and how.
class NotedFile final : public File {
public:
    [[nodiscard]] Result<std::size_t> pread(std::span<std::byte>, std::uint64_t) noexcept override { return std::size_t{0}; }
    Result<void> pwrite(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
        in_order = in_order && offset == cached && uncached == 0;
        cached = offset + bytes.size();
        return {};
    }
    Result<void> pwrite_uncached(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
        in_order = in_order && offset == std::max(cached, uncached);
        uncached = offset + bytes.size();
        return {};
    }
    void begin_write_back(std::uint64_t offset, std::uint64_t bytes) noexcept override {
        in_order = in_order && offset <= begun && offset + bytes <= cached;
        begun = offset + bytes;
    }
    Result<void> sync() noexcept override { return {}; }
    Result<void> truncate(std::uint64_t) noexcept override { return {}; }
    [[nodiscard]] Result<std::uint64_t> size() noexcept override { return std::max(cached, uncached); }
    Result<void> preallocate(std::uint64_t) noexcept override { return {}; }

    bool in_order = true;
    std::uint64_t cached = 0;   ///< So far it was written by way of the page cache …
    std::uint64_t begun = 0;    ///< … and the disk told to begin; contiguous.
    std::uint64_t uncached = 0; ///< So far it was written past it.
};

} // namespace

TEST_CASE("the disk begins while a stream goes on, and a large one goes past the page cache", "[snapshot]") {
    for (const bool own_thread : {false, true}) {
        SystemAllocator allocator;
        NotedFile file;
        FileStream stream{file, allocator, std::size_t{1} << 20U, own_thread};
        REQUIRE(stream.begin());
        const std::uint64_t bytes = FileStream::cached_bytes + (std::uint64_t{16} << 20U) + 5;
        while (stream.offset() < bytes) {
            const std::uint64_t step = std::min<std::uint64_t>(std::uint64_t{1} << 20U, bytes - stream.offset());
            REQUIRE(stream.buffer().extend(static_cast<std::size_t>(step)) != nullptr);
            REQUIRE(stream.pass_on());
        }
        REQUIRE(stream.finish());
        CHECK(file.in_order);
        CHECK(file.cached <= FileStream::cached_bytes);
        CHECK(file.cached > FileStream::cached_bytes - FileStream::write_back_bytes);
        CHECK(file.begun > file.cached - FileStream::write_back_bytes);
        CHECK(file.uncached == bytes);
    }
}

TEST_CASE("the first write that fails ends a stream, on either thread, and nothing comes after it", "[snapshot][fault]") {
    CountingAllocator allocator;
    for (const bool own_thread : {false, true}) {
        SimulatedFileSystem below;
        FaultFileSystem files{below};
        files.inject({.operation = FileOperation::Write, .call = 2, .code = ErrorCode::NoSpace});
        const auto streamed = stream(files, allocator, 3'000'000, own_thread);
        REQUIRE_FALSE(streamed);
        CHECK(streamed.error().code() == ErrorCode::NoSpace);
        CHECK(files.calls(FileOperation::Write) == 2);
    }
    CHECK(allocator.live_bytes == 0);
}

TEST_CASE("a stream without memory says so", "[snapshot][memory]") {
    for (const bool own_thread : {false, true}) {
        for (std::uint64_t call = 0; call < 2; ++call) {
            CountingAllocator allocator;
            allocator.refuse_from = call;
            SimulatedFileSystem files;
            const auto streamed = stream(files, allocator, 3'000'000, own_thread);
            // One buffer is enough without a second thread.
            REQUIRE(streamed.has_value() == (call == 1 && !own_thread));
            CHECK((streamed || streamed.error().code() == ErrorCode::OutOfMemory));
            CHECK(allocator.live_bytes == 0);
        }
    }
}

TEST_CASE("what was appended is what the file holds, and pieces begin and end on pages", "[snapshot]") {
    CountingAllocator allocator;
    for (const bool own_thread : {false, true}) {
        for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{FileStream::piece_bytes},
                                          std::uint64_t{FileStream::piece_bytes} * 3 + 17}) {
            SimulatedFileSystem below;
            FaultFileSystem files{below};
            files.record_trace(true);
            REQUIRE(stream(files, allocator, bytes, own_thread));
            const auto held = bytes_in(below, "file");
            REQUIRE(held.size() == bytes);
            for (std::uint64_t i = 0; i < bytes; ++i) {
                if (held[i] != byte_at(i)) {
                    FAIL(i);
                }
            }
            for (const FileCall& call : files.trace()) {
                if (call.operation == FileOperation::Write) {
                    REQUIRE(call.offset % 4096 == 0);
                    REQUIRE((call.size % 4096 == 0 || call.offset + call.size == bytes));
                }
            }
        }
    }
}

} // namespace ecsdb::test::file_stream_test
