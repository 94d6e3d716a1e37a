/// @file
/// Files for segments to come: old segments that nobody needs any more, and new ones written full of zeros while there is time.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/wal/format.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::wal {

/// Keeps a few files of a segment's size in the log's directory, as `NNNNNNNNNN.spare`: what was segment N, or a new file where N is 0.
///
/// Overwriting such a file and syncing it changes nothing but its bytes, where growing one has the file system write its own records too
/// (reliability rule 5). What a spare holds means nothing: a segment's frames are told from it by their salt. Spares are a convenience:
/// without one a segment gets a new file, and a spare that cannot be made is not.
///
/// Any thread; the file system must outlive it.
class SpareSegments {
public:
    static constexpr std::string_view suffix = ".spare";

    /// A file to make a segment of. It is the taker's from now on.
    struct Spare {
        std::string name;
        std::unique_ptr<File> file;
    };

    /// `bytes`: the size of a segment; no other file is kept. `most`: how many are, at most.
    SpareSegments(FileSystem& files, std::string directory, std::uint64_t bytes, std::size_t most)
        : files_{&files}, directory_{std::move(directory)},
          bytes_{std::max<std::uint64_t>(bytes, segment_header_size) / frame_alignment * frame_alignment}, most_{most} {}

    /// Takes over what an earlier run left, and removes what is too much or of another size. The directory must exist. Before anything
    /// else.
    Result<void> find() {
        {
            const std::lock_guard lock{mutex_};
            names_.clear();
        }
        const auto names = files_->list(directory_);
        if (!names) {
            return names.error().clone();
        }
        std::vector<std::string> found;
        for (const std::string& name : *names) {
            if (name.ends_with(suffix)) {
                found.push_back(name);
            }
        }
        if (found.empty()) {
            return {};
        }
        // Their names may have outlived a process but no power cut yet. One that fell back to being a segment must not have been written
        // to.
        if (auto synced = files_->sync_directory(directory_); !synced) {
            return synced;
        }
        for (std::string& name : found) {
            keep(std::move(name));
        }
        return {};
    }

    /// Makes spares of segments nobody needs, as many as are wanted, and removes the others. Files left over cost space, nothing else: an
    /// error ends the work, and the next call will see them again.
    Result<void> retire(std::span<const std::uint64_t> segments) {
        std::vector<std::string> retired;
        std::size_t room = room_left();
        for (const std::uint64_t number : segments) {
            const std::string path = segment_path(directory_, number);
            const auto size = files_->file_size(path);
            std::string name = spare_name(number);
            const bool wanted = room != 0 && size && *size == bytes_;
            if (auto done = wanted ? files_->rename(path, path_of(name)) : files_->remove(path); !done) {
                return done;
            }
            if (wanted) {
                retired.push_back(std::move(name));
                --room;
            }
        }
        // Only then may they be written to: before it, a power cut could turn them into segments again.
        if (auto synced = files_->sync_directory(directory_); !synced) {
            return synced;
        }
        for (std::string& name : retired) {
            keep(std::move(name));
        }
        return {};
    }

    /// A file for a segment of at most `bytes`, if there is one.
    [[nodiscard]] std::optional<Spare> take(std::uint64_t bytes) {
        if (bytes > bytes_) {
            return std::nullopt;
        }
        for (;;) {
            std::string name;
            {
                const std::lock_guard lock{mutex_};
                if (names_.empty()) {
                    return std::nullopt;
                }
                name = std::move(names_.back());
                names_.pop_back();
            }
            // One that is gone or cannot be opened is no loss.
            if (auto file = files_->open(path_of(name), FileMode::ReadWrite)) {
                return Spare{std::move(name), std::move(*file)};
            }
        }
    }

    /// Makes a new one unless there is one already: takes the space, writes zeros and syncs them. Takes a while, and is meant for a thread
    /// that has one; `go_on()` is asked in between. An error leaves nothing behind where it can be removed.
    template <typename GoOn>
    Result<void> prepare(GoOn&& go_on) {
        if (most_ == 0 || !is_empty()) {
            return {};
        }
        std::string name = spare_name(0);
        const std::string path = path_of(name);
        if (auto exists = files_->exists(path); !exists || *exists) {
            return exists ? files_->remove(path) : Result<void>{std::move(exists).error()};
        }
        auto file = files_->open(path, FileMode::CreateNew);
        if (!file) {
            return std::move(file).error();
        }
        Result<void> made = (*file)->preallocate(bytes_);
        static constexpr std::array<std::byte, std::size_t{64} << 10U> zeros{};
        for (std::uint64_t offset = 0; made && offset < bytes_; offset += zeros.size()) {
            made = go_on() ? (*file)->pwrite(std::span{zeros}.first(std::min<std::uint64_t>(zeros.size(), bytes_ - offset)), offset)
                           : Result<void>{Error{ErrorCode::Closed, "the preparation of " + path + " was given up"}};
        }
        if (made) {
            made = (*file)->sync();
        }
        file->reset();
        if (!made) {
            static_cast<void>(files_->remove(path));
            return made;
        }
        keep(std::move(name));
        return {};
    }

    [[nodiscard]] bool is_empty() const {
        const std::lock_guard lock{mutex_};
        return names_.empty();
    }
    [[nodiscard]] std::size_t count() const {
        const std::lock_guard lock{mutex_};
        return names_.size();
    }

private:
    [[nodiscard]] std::string path_of(const std::string& name) const { return (directory_ + '/').append(name); }
    [[nodiscard]] static std::string spare_name(std::uint64_t number) {
        std::string name = segment_file_name(number);
        return name.replace(name.size() - segment_suffix.size(), segment_suffix.size(), suffix);
    }
    [[nodiscard]] std::size_t room_left() const {
        const std::lock_guard lock{mutex_};
        return most_ - std::min(most_, names_.size());
    }
    void keep(std::string name) {
        const auto size = files_->file_size(path_of(name));
        if (size && *size == bytes_) {
            const std::lock_guard lock{mutex_};
            if (names_.size() < most_) {
                names_.push_back(std::move(name));
                return;
            }
        }
        static_cast<void>(files_->remove(path_of(name)));
    }

    FileSystem* files_;
    std::string directory_;
    std::uint64_t bytes_;
    std::size_t most_;
    mutable std::mutex mutex_; // held for a few instructions
    std::vector<std::string> names_;
};

} // namespace ecsdb::wal
