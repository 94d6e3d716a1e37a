/// @file
/// A file system that tells how many bytes have been read through it: progress for whatever reads files, without its help.
#pragma once

#include "ecsdb/core/progress.hpp"
#include "ecsdb/io/file_system.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// Passes every call on to `below`, and counts what reads bring. For one thread at a time; must outlive the files it gave.
class ReadingProgress final : public FileSystem {
public:
    /// `total`: how many bytes will be read, as far as it is known beforehand.
    ReadingProgress(FileSystem& below, const Progress& progress, std::uint64_t total = 0) noexcept
        : below_{&below}, progress_{progress}, total_{total} {}

    /// Expects so many bytes more.
    void expect(std::uint64_t bytes) noexcept { total_ += bytes; }
    /// Says that there is nothing more to read, whatever was expected.
    void finish() const { progress_(total_, total_); }
    [[nodiscard]] std::uint64_t bytes_read() const noexcept { return done_; }

    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, FileMode mode) noexcept override {
        auto opened = below_->open(path, mode);
        if (!opened || mode != FileMode::Read) {
            return opened;
        }
        return std::unique_ptr<File>{new CountedFile{*this, std::move(*opened)}};
    }
    Result<void> create_directory(const std::string& path) noexcept override { return below_->create_directory(path); }
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) noexcept override { return below_->list(path); }
    Result<void> rename(const std::string& from, const std::string& to) noexcept override { return below_->rename(from, to); }
    Result<void> remove(const std::string& path) noexcept override { return below_->remove(path); }
    [[nodiscard]] Result<bool> exists(const std::string& path) noexcept override { return below_->exists(path); }
    [[nodiscard]] Result<std::uint64_t> file_size(const std::string& path) noexcept override { return below_->file_size(path); }
    Result<void> sync_directory(const std::string& path) noexcept override { return below_->sync_directory(path); }
    [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& path) noexcept override { return below_->lock(path); }
    [[nodiscard]] BootId boot_id() noexcept override { return below_->boot_id(); }

private:
    class CountedFile final : public File {
    public:
        CountedFile(ReadingProgress& system, std::unique_ptr<File> below) noexcept : system_{&system}, below_{std::move(below)} {}

        [[nodiscard]] Result<std::size_t> pread(std::span<std::byte> out, std::uint64_t offset) noexcept override {
            auto read = below_->pread(out, offset);
            if (read) {
                system_->note(*read);
            }
            return read;
        }
        Result<void> pwrite(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
            return below_->pwrite(bytes, offset);
        }
        Result<void> sync() noexcept override { return below_->sync(); }
        Result<void> truncate(std::uint64_t size) noexcept override { return below_->truncate(size); }
        [[nodiscard]] Result<std::uint64_t> size() noexcept override { return below_->size(); }
        Result<void> preallocate(std::uint64_t size) noexcept override { return below_->preallocate(size); }

    private:
        ReadingProgress* system_;
        std::unique_ptr<File> below_;
    };

    void note(std::uint64_t bytes) {
        done_ += bytes;
        total_ = std::max(total_, done_); // headers are read more than once
        progress_(done_, total_);
    }

    FileSystem* below_;
    Progress progress_;
    std::uint64_t total_;
    std::uint64_t done_ = 0;
};

} // namespace ecsdb
