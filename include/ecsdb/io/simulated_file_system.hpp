/// @file
/// Files in memory that can lose what was not synced: power cuts, lying disks and full ones, at any point and as often as a test likes.
#pragma once

#include "ecsdb/io/file_system.hpp"
#include "ecsdb/io/simulated_disk.hpp"

#include <mutex>
#include <optional>
#include <string_view>

namespace ecsdb {

/// A file system in memory that knows, of every file and directory, what is durable and what is still pending.
///
/// It is pessimistic where real ones differ: syncing a file says nothing about its name, pending writes survive in any order, and names
/// only as far as their directory was synced. Paths are relative to one root directory; a leading `/` and `.` change nothing.
///
/// Every call may come from any thread.
class SimulatedFileSystem final : public FileSystem {
public:
    SimulatedFileSystem() = default;

    /// Cuts the power: this file system goes on with what survives, open files and locks are dead (their calls fail with `Io`), and the
    /// machine has booted anew (unless the plan says that only the process died). Starts a new history.
    void crash(const CrashPlan& plan) {
        const std::lock_guard lock{mutex_};
        restart(disk_.survivors(plan), plan);
    }

    /// What `crash` would leave, as a file system of its own; this one goes on undisturbed.
    [[nodiscard]] std::unique_ptr<SimulatedFileSystem> after_crash(const CrashPlan& plan) const {
        const std::lock_guard lock{mutex_};
        return image_of(disk_, plan);
    }

    /// Keeps, from now on, every change, so that `after_crash_at` can go back to any of them. Costs the bytes written.
    void record_history() {
        const std::lock_guard lock{mutex_};
        start_of_history_ = disk_;
        history_.clear();
        changes_ = 0;
        recording_ = true;
    }

    /// How many changes (writes, syncs, creations, …) there were since `record_history`, or else the last crash.
    [[nodiscard]] std::size_t changes() const {
        const std::lock_guard lock{mutex_};
        return changes_;
    }

    /// What a crash right after the first `change` recorded changes would have left. Needs `record_history`. Cost: repeats them.
    [[nodiscard]] std::unique_ptr<SimulatedFileSystem> after_crash_at(std::size_t change, const CrashPlan& plan) const {
        const std::lock_guard lock{mutex_};
        ECSDB_ASSERT(recording_ && change <= history_.size(), "only a recorded change can be gone back to");
        detail::SimulatedDisk disk = start_of_history_;
        for (std::size_t number = 0; number < change && number < history_.size(); ++number) {
            disk.apply(history_[number]);
        }
        return image_of(disk, plan);
    }

    /// How many changes a crash now could lose, which is how far `KeepPending::Prefix` can count.
    [[nodiscard]] std::size_t pending() const {
        const std::lock_guard lock{mutex_};
        return disk_.pending();
    }

    /// Makes the disk full at `bytes` in all files together: what would exceed it fails with `NoSpace`, a write after a part of it.
    /// Before the first call only a single file's size is limited (4 GiB).
    void set_quota(std::uint64_t bytes) {
        const std::lock_guard lock{mutex_};
        quota_ = bytes;
    }
    [[nodiscard]] std::uint64_t bytes_in_use() const {
        const std::lock_guard lock{mutex_};
        return disk_.bytes_in_use();
    }

    /// Whether the disk lies: syncs then succeed and do nothing.
    void ignore_sync(bool ignore) {
        const std::lock_guard lock{mutex_};
        ignore_sync_ = ignore;
    }

    /// Fails the next sync of a file with `Io` and forgets its pending writes, as Linux does after a write-back error: they can still
    /// be read, later syncs succeed, and a crash shows that they never reached the disk. `false` takes back what has not happened yet.
    void fail_sync_once_dropping_pages(bool fail = true) {
        const std::lock_guard lock{mutex_};
        drop_next_sync_ = fail;
    }

    /// Lets the next write of a file land `distance` bytes further on, as a disk with a confused controller does: its caller hears of
    /// success, and where the bytes should be lies what lay there before.
    void misdirect_next_write(std::uint64_t distance) {
        const std::lock_guard lock{mutex_};
        misdirection_ = distance;
    }

    /// Flips, on the medium itself, the bits of `mask` from `offset` of a file on: durable at once, no change that a history counts, and
    /// nobody is told. What lies behind the file's end is left alone. False where there is no such file.
    bool damage(const std::string& path, std::uint64_t offset, std::span<const std::byte> mask) {
        const std::lock_guard lock{mutex_};
        detail::SimulatedDisk::Node* const node = disk_.find(resolve(path).node);
        if (node == nullptr || node->directory) {
            return false;
        }
        for (std::vector<std::byte>* const image : {&node->bytes, &node->durable_bytes}) {
            for (std::size_t i = 0; i < mask.size() && offset + i < image->size(); ++i) {
                (*image)[static_cast<std::size_t>(offset) + i] ^= mask[i];
            }
        }
        return true;
    }

    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, FileMode mode) noexcept override {
        const std::lock_guard lock{mutex_};
        const Place place = resolve(path);
        if (mode == FileMode::CreateNew) {
            if (auto created = create("create", path, place, Change::Kind::CreateFile); !created) {
                return std::move(created).error();
            }
        }
        const std::uint64_t id = mode == FileMode::CreateNew ? disk_.lookup(place.directory, place.name) : place.node;
        detail::SimulatedDisk::Node* const node = disk_.find(id);
        if (node == nullptr) {
            return failure(ErrorCode::NotFound, "open", path, "no such file");
        }
        if (node->directory) {
            return failure(ErrorCode::Io, "open", path, "is a directory");
        }
        ++node->handles;
        return std::unique_ptr<File>{std::make_unique<OpenFile>(*this, id, path, mode)};
    }

    Result<void> create_directory(const std::string& path) noexcept override {
        const std::lock_guard lock{mutex_};
        return create("create directory", path, resolve(path), Change::Kind::CreateDirectory);
    }

    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) noexcept override {
        const std::lock_guard lock{mutex_};
        const detail::SimulatedDisk::Node* const node = disk_.find(resolve(path).node);
        if (node == nullptr || !node->directory) {
            return failure(node == nullptr ? ErrorCode::NotFound : ErrorCode::Io, "list", path, "no such directory");
        }
        std::vector<std::string> names;
        for (const auto& [name, id] : node->names) {
            names.push_back(name);
        }
        return names;
    }

    Result<void> rename(const std::string& from, const std::string& to) noexcept override {
        const std::lock_guard lock{mutex_};
        const Place source = resolve(from);
        const Place target = resolve(to);
        const detail::SimulatedDisk::Node* const moved = disk_.find(source.node);
        const detail::SimulatedDisk::Node* const replaced = disk_.find(target.node);
        if (moved == nullptr || target.directory == 0) {
            return failure(ErrorCode::NotFound, "rename", from + " to " + to, "no such file or directory");
        }
        if (source.node == target.node) {
            return {};
        }
        if ((replaced != nullptr && (replaced->directory || moved->directory)) ||
            (moved->directory && source.directory != target.directory)) {
            return failure(ErrorCode::Io, "rename", from + " to " + to, "a directory can only take a free name beside its own");
        }
        commit({Change::Kind::Move, source.directory, source.name, target.directory, target.name});
        return {};
    }

    Result<void> remove(const std::string& path) noexcept override {
        const std::lock_guard lock{mutex_};
        const Place place = resolve(path);
        const detail::SimulatedDisk::Node* const node = disk_.find(place.node);
        if (node == nullptr) {
            return failure(ErrorCode::NotFound, "remove", path, "no such file or directory");
        }
        if (place.name.empty() || !node->names.empty()) {
            return failure(ErrorCode::Io, "remove", path, "directory not empty");
        }
        commit({Change::Kind::Unlink, place.directory, place.name});
        return {};
    }

    [[nodiscard]] Result<bool> exists(const std::string& path) noexcept override {
        const std::lock_guard lock{mutex_};
        return resolve(path).node != 0;
    }

    [[nodiscard]] Result<std::uint64_t> file_size(const std::string& path) noexcept override {
        const std::lock_guard lock{mutex_};
        const detail::SimulatedDisk::Node* const node = disk_.find(resolve(path).node);
        if (node == nullptr) {
            return failure(ErrorCode::NotFound, "size of", path, "no such file");
        }
        return std::uint64_t{node->bytes.size()};
    }

    Result<void> sync_directory(const std::string& path) noexcept override {
        const std::lock_guard lock{mutex_};
        const std::uint64_t id = resolve(path).node;
        const detail::SimulatedDisk::Node* const node = disk_.find(id);
        if (node == nullptr || !node->directory) {
            return failure(node == nullptr ? ErrorCode::NotFound : ErrorCode::Io, "sync directory", path, "no such directory");
        }
        if (!ignore_sync_) {
            commit({Change::Kind::SyncNames, id});
        }
        return {};
    }

    [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& path) noexcept override {
        const std::lock_guard lock{mutex_};
        Place place = resolve(path);
        if (locked_.contains(place.node)) {
            return failure(ErrorCode::Locked, "lock", path, "held by process 1");
        }
        if (place.node == 0) {
            if (auto created = create("lock", path, place, Change::Kind::CreateFile); !created) {
                return std::move(created).error();
            }
            place.node = disk_.lookup(place.directory, place.name);
        }
        locked_.insert(place.node);
        return std::unique_ptr<FileLock>{std::make_unique<HeldLock>(*this, place.node)};
    }

    [[nodiscard]] BootId boot_id() noexcept override {
        const std::lock_guard lock{mutex_};
        BootId id{};
        store_le<std::uint64_t>(id.data(), mix64(boot_));
        store_le<std::uint64_t>(id.data() + 8, boot_);
        return id;
    }

private:
    using Change = detail::DiskChange;

    /// 4 GiB, of each file: an offset gone wrong should fail as on a disk, not take the machine's memory.
    static constexpr std::uint64_t no_quota = std::uint64_t{1} << 32U;

    /// Where a path leads: the directory and the name in it (0 and nothing for the root or a missing parent), and the node, if there is
    /// one.
    struct Place {
        std::uint64_t directory = 0;
        std::string name;
        std::uint64_t node = 0;
    };

    class OpenFile final : public File {
    public:
        OpenFile(SimulatedFileSystem& system, std::uint64_t node, std::string path, FileMode mode)
            : system_{&system}, node_{node}, run_{system.run_}, path_{std::move(path)}, mode_{mode} {}
        ~OpenFile() override {
            const std::lock_guard lock{system_->mutex_};
            if (auto* const node = this->node()) {
                --node->handles;
            }
        }

        [[nodiscard]] Result<std::size_t> pread(std::span<std::byte> out, std::uint64_t offset) noexcept override {
            const std::lock_guard lock{system_->mutex_};
            const auto* const node = this->node();
            if (node == nullptr) {
                return dead("read");
            }
            const std::size_t begin = static_cast<std::size_t>(std::min<std::uint64_t>(offset, node->bytes.size()));
            const std::size_t count = std::min(out.size(), node->bytes.size() - begin);
            std::copy_n(node->bytes.begin() + static_cast<std::ptrdiff_t>(begin), count, out.begin());
            return count;
        }

        Result<void> pwrite(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
            const std::lock_guard lock{system_->mutex_};
            const auto* const node = this->node();
            if (node == nullptr || mode_ == FileMode::Read) {
                return dead("write");
            }
            offset += std::exchange(system_->misdirection_, 0);
            const std::uint64_t room = system_->room_in(*node);
            const std::size_t fits = offset >= room ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), room - offset));
            if (fits != 0) {
                const auto written = bytes.first(fits);
                system_->commit({Change::Kind::Write,
                                 node_,
                                 {},
                                 0,
                                 {},
                                 offset,
                                 std::make_shared<const std::vector<std::byte>>(written.begin(), written.end())});
            }
            return fits == bytes.size() ? Result<void>{} : failure(ErrorCode::NoSpace, "write", path_, "the quota is used up");
        }

        Result<void> sync() noexcept override {
            const std::lock_guard lock{system_->mutex_};
            if (node() == nullptr) {
                return dead("sync");
            }
            if (system_->drop_next_sync_) {
                system_->drop_next_sync_ = false;
                system_->commit({Change::Kind::DropPending, node_});
                return failure(ErrorCode::Io, "sync", path_, "the disk did not take the pages");
            }
            if (!system_->ignore_sync_) {
                system_->commit({Change::Kind::SyncFile, node_});
            }
            return {};
        }

        Result<void> truncate(std::uint64_t size) noexcept override { return resize("truncate", size, true); }

        [[nodiscard]] Result<std::uint64_t> size() noexcept override {
            const std::lock_guard lock{system_->mutex_};
            const auto* const node = this->node();
            if (node == nullptr) {
                return dead("size of");
            }
            return std::uint64_t{node->bytes.size()};
        }

        Result<void> preallocate(std::uint64_t size) noexcept override { return resize("preallocate", size, false); }

    private:
        detail::SimulatedDisk::Node* node() noexcept { return run_ == system_->run_ ? system_->disk_.find(node_) : nullptr; }

        Error dead(std::string_view operation) const {
            return failure(ErrorCode::Io, operation, path_, run_ == system_->run_ ? "opened for reading" : "the machine has crashed");
        }

        Result<void> resize(std::string_view operation, std::uint64_t size, bool may_shorten) {
            const std::lock_guard lock{system_->mutex_};
            const auto* const node = this->node();
            if (node == nullptr || mode_ == FileMode::Read) {
                return dead(operation);
            }
            if (size > system_->room_in(*node)) {
                return failure(ErrorCode::NoSpace, operation, path_, "the quota is used up");
            }
            if (size > node->bytes.size() || (may_shorten && size < node->bytes.size())) {
                system_->commit({Change::Kind::Resize, node_, {}, 0, {}, size});
            }
            return {};
        }

        SimulatedFileSystem* system_;
        std::uint64_t node_;
        std::uint64_t run_;
        std::string path_;
        FileMode mode_;
    };

    class HeldLock final : public FileLock {
    public:
        HeldLock(SimulatedFileSystem& system, std::uint64_t node) noexcept : system_{&system}, node_{node}, run_{system.run_} {}
        ~HeldLock() override {
            const std::lock_guard lock{system_->mutex_};
            if (run_ == system_->run_) {
                system_->locked_.erase(node_);
            }
        }

    private:
        SimulatedFileSystem* system_;
        std::uint64_t node_;
        std::uint64_t run_;
    };

    static Error failure(ErrorCode code, std::string_view operation, const std::string& path, const char* reason) {
        return Error{code, std::string{operation} + " " + path + ": " + reason};
    }

    Place resolve(std::string_view path) {
        Place place;
        place.node = detail::SimulatedDisk::root;
        while (!path.empty()) {
            const std::size_t slash = std::min(path.find('/'), path.size());
            const std::string_view part = path.substr(0, slash);
            path.remove_prefix(std::min(slash + 1, path.size()));
            if (!part.empty() && part != ".") {
                const auto* const parent = disk_.find(place.node);
                place.directory = parent != nullptr && parent->directory ? place.node : 0;
                place.name = part;
                place.node = disk_.lookup(place.directory, place.name);
            }
        }
        return place;
    }

    Result<void> create(std::string_view operation, const std::string& path, const Place& place, Change::Kind kind) {
        if (place.node != 0) {
            return failure(ErrorCode::AlreadyExists, operation, path, "exists already");
        }
        if (place.directory == 0) {
            return failure(ErrorCode::NotFound, operation, path, "no such directory");
        }
        commit({kind, place.directory, place.name});
        return {};
    }

    /// How large a file may become.
    std::uint64_t room_in(const detail::SimulatedDisk::Node& node) const {
        if (quota_ == no_quota) {
            return no_quota;
        }
        const std::uint64_t used = disk_.bytes_in_use();
        return node.bytes.size() + (quota_ > used ? quota_ - used : 0);
    }

    void commit(Change change) {
        disk_.apply(change);
        ++changes_;
        if (recording_) {
            history_.push_back(std::move(change));
        }
    }

    std::unique_ptr<SimulatedFileSystem> image_of(const detail::SimulatedDisk& disk, const CrashPlan& plan) const {
        auto image = std::make_unique<SimulatedFileSystem>();
        image->boot_ = boot_;
        image->restart(disk.survivors(plan), plan);
        return image;
    }

    void restart(detail::SimulatedDisk disk, const CrashPlan& plan) {
        disk_ = std::move(disk);
        boot_ += plan.keep == KeepPending::Cached ? 0U : 1U;
        ++run_;
        locked_.clear();
        history_.clear();
        changes_ = 0;
        recording_ = false;
    }

    mutable std::mutex mutex_;
    detail::SimulatedDisk disk_;
    detail::SimulatedDisk start_of_history_;
    std::vector<Change> history_;
    std::size_t changes_ = 0;
    bool recording_ = false;
    std::set<std::uint64_t> locked_;
    std::uint64_t boot_ = 1;
    std::uint64_t run_ = 1;
    std::uint64_t quota_ = no_quota;
    bool ignore_sync_ = false;
    bool drop_next_sync_ = false;
    std::uint64_t misdirection_ = 0;
};

} // namespace ecsdb
