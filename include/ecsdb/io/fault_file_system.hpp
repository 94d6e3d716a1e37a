/// @file
/// A file system that fails on demand: it counts the calls to the one below, breaks a chosen one, and writes down what it saw.
#pragma once

#include "ecsdb/io/file_system.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>

namespace ecsdb {

/// The kinds of call a fault can hit.
enum class FileOperation : std::uint8_t {
    Open,
    Read,
    Write,
    Sync,
    Truncate,
    Size,
    Preallocate,
    CreateDirectory,
    List,
    Rename,
    Remove,
    Exists,
    FileSize,
    SyncDirectory,
    Lock,
};
inline constexpr std::size_t file_operation_count = 15;

[[nodiscard]] constexpr std::string_view name_of(FileOperation operation) noexcept {
    constexpr std::string_view names[file_operation_count] = {
        "open", "read",   "write",  "sync",   "truncate",  "size",           "preallocate", "create directory",
        "list", "rename", "remove", "exists", "file size", "sync directory", "lock",
    };
    return names[static_cast<std::size_t>(operation)];
}

/// One call, as the trace keeps it and the hook sees it.
struct FileCall {
    FileOperation operation = FileOperation::Open;
    FileMode mode = FileMode::Read; ///< Of an open.
    std::uint64_t handle = 0;       ///< Which open file, counted from 1; 0 for calls by path.
    std::string path;               ///< Of the file, for calls on a handle too.
    std::string target;             ///< Of a rename.
    std::uint64_t offset = 0;       ///< Of a read or write; the size to be, of a truncate or preallocate.
    std::vector<std::byte> bytes;   ///< What reached the file, of a write. Kept in the trace only.
    std::uint64_t size = 0;         ///< How many bytes the caller meant to read or write.
    std::optional<ErrorCode> error; ///< What the caller was told. Kept in the trace only.
    bool reached = false;           ///< Whether it (of a write, `bytes`) took effect below. Kept in the trace only.

    friend bool operator==(const FileCall&, const FileCall&) = default;
};

/// Which call fails, and how.
struct Fault {
    std::optional<FileOperation> operation{}; ///< Absent: any kind.
    std::uint64_t call = 1;                   ///< The how-manieth matching call from now on, counted from 1.
    ErrorCode code = ErrorCode::Io;
    bool sticky = false;        ///< Whether every matching call after it fails too.
    std::size_t bytes_before{}; ///< Of a write: how many bytes reach the file before it fails.
    bool takes_effect = false;  ///< Whether the call does its work and only reports a failure.
    std::string path_part{};    ///< Only calls on paths that contain this.
};

/// Wraps a file system, which must outlive it.
///
/// Calls may come from any thread; they reach the file system below without a lock held, in any order when they come at once.
class FaultFileSystem final : public FileSystem {
public:
    /// Called before each call is carried out or failed, from the calling thread: to move a clock, to stall, to copy an image.
    using Hook = void (*)(void* context, const FileCall& call);

    explicit FaultFileSystem(FileSystem& below) noexcept : below_{&below} {}

    /// Adds a fault; several may wait at once, and the first of them that hits a call decides how it fails.
    void inject(Fault fault) {
        const std::lock_guard lock{mutex_};
        faults_.push_back({std::move(fault), 0});
    }
    void clear_faults() noexcept {
        const std::lock_guard lock{mutex_};
        faults_.clear();
    }
    /// How many calls a fault has broken.
    [[nodiscard]] std::uint64_t failures() const noexcept {
        const std::lock_guard lock{mutex_};
        return failures_;
    }
    /// How many calls of one kind, or of any, there were.
    [[nodiscard]] std::uint64_t calls(FileOperation operation) const noexcept {
        const std::lock_guard lock{mutex_};
        return counts_[static_cast<std::size_t>(operation)];
    }
    [[nodiscard]] std::uint64_t calls() const noexcept {
        const std::lock_guard lock{mutex_};
        std::uint64_t sum = 0;
        for (const std::uint64_t count : counts_) {
            sum += count;
        }
        return sum;
    }

    /// Set before the calls it should see; null for none.
    void set_hook(Hook hook, void* context) noexcept {
        const std::lock_guard lock{mutex_};
        hook_ = hook;
        context_ = context;
    }

    /// Whether calls are written down from now on, written bytes included.
    void record_trace(bool record) noexcept {
        const std::lock_guard lock{mutex_};
        recording_ = record;
    }
    [[nodiscard]] std::vector<FileCall> trace() const {
        const std::lock_guard lock{mutex_};
        return trace_;
    }

    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, FileMode mode) noexcept override {
        FileCall call = by_path(FileOperation::Open, path);
        call.mode = mode;
        call.handle = next_handle();
        const std::uint64_t handle = call.handle;
        auto opened = carry_out(std::move(call), [&] { return below_->open(path, mode); });
        if (!opened) {
            return opened;
        }
        return std::unique_ptr<File>{std::make_unique<FaultFile>(*this, std::move(*opened), path, handle)};
    }
    Result<void> create_directory(const std::string& path) noexcept override {
        return carry_out(by_path(FileOperation::CreateDirectory, path), [&] { return below_->create_directory(path); });
    }
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) noexcept override {
        return carry_out(by_path(FileOperation::List, path), [&] { return below_->list(path); });
    }
    Result<void> rename(const std::string& from, const std::string& to) noexcept override {
        FileCall call = by_path(FileOperation::Rename, from);
        call.target = to;
        return carry_out(std::move(call), [&] { return below_->rename(from, to); });
    }
    Result<void> remove(const std::string& path) noexcept override {
        return carry_out(by_path(FileOperation::Remove, path), [&] { return below_->remove(path); });
    }
    [[nodiscard]] Result<bool> exists(const std::string& path) noexcept override {
        return carry_out(by_path(FileOperation::Exists, path), [&] { return below_->exists(path); });
    }
    [[nodiscard]] Result<std::uint64_t> file_size(const std::string& path) noexcept override {
        return carry_out(by_path(FileOperation::FileSize, path), [&] { return below_->file_size(path); });
    }
    Result<void> sync_directory(const std::string& path) noexcept override {
        return carry_out(by_path(FileOperation::SyncDirectory, path), [&] { return below_->sync_directory(path); });
    }
    [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& path) noexcept override {
        return carry_out(by_path(FileOperation::Lock, path), [&] { return below_->lock(path); });
    }
    [[nodiscard]] BootId boot_id() noexcept override { return below_->boot_id(); }

private:
    struct Waiting {
        Fault fault;
        std::uint64_t seen;
    };

    class FaultFile final : public File {
    public:
        FaultFile(FaultFileSystem& system, std::unique_ptr<File> below, std::string path, std::uint64_t handle) noexcept
            : system_{&system}, below_{std::move(below)}, path_{std::move(path)}, handle_{handle} {}

        [[nodiscard]] Result<std::size_t> pread(std::span<std::byte> out, std::uint64_t offset) noexcept override {
            return system_->carry_out(on_handle(FileOperation::Read, offset, out.size()), [&] { return below_->pread(out, offset); });
        }
        Result<void> pwrite(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
            return system_->carry_out(
                on_handle(FileOperation::Write, offset, bytes.size()), [&] { return below_->pwrite(bytes, offset); }, bytes,
                [&](std::size_t part) { return below_->pwrite(bytes.first(part), offset); });
        }
        Result<void> pwrite_uncached(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
            return system_->carry_out(
                on_handle(FileOperation::Write, offset, bytes.size()), [&] { return below_->pwrite_uncached(bytes, offset); }, bytes,
                [&](std::size_t part) { return below_->pwrite(bytes.first(part), offset); });
        }
        void begin_write_back(std::uint64_t offset, std::uint64_t bytes) noexcept override { below_->begin_write_back(offset, bytes); }
        void forget_cached() noexcept override { below_->forget_cached(); }
        Result<void> sync() noexcept override {
            return system_->carry_out(on_handle(FileOperation::Sync, 0, 0), [&] { return below_->sync(); });
        }
        Result<void> truncate(std::uint64_t size) noexcept override {
            return system_->carry_out(on_handle(FileOperation::Truncate, size, 0), [&] { return below_->truncate(size); });
        }
        [[nodiscard]] Result<std::uint64_t> size() noexcept override {
            return system_->carry_out(on_handle(FileOperation::Size, 0, 0), [&] { return below_->size(); });
        }
        Result<void> preallocate(std::uint64_t size) noexcept override {
            return system_->carry_out(on_handle(FileOperation::Preallocate, size, 0), [&] { return below_->preallocate(size); });
        }

    private:
        FileCall on_handle(FileOperation operation, std::uint64_t offset, std::uint64_t size) const {
            FileCall call = by_path(operation, path_);
            call.handle = handle_;
            call.offset = offset;
            call.size = size;
            return call;
        }

        FaultFileSystem* system_;
        std::unique_ptr<File> below_;
        std::string path_;
        std::uint64_t handle_;
    };

    static FileCall by_path(FileOperation operation, const std::string& path) {
        FileCall call;
        call.operation = operation;
        call.path = path;
        return call;
    }
    std::uint64_t next_handle() noexcept {
        const std::lock_guard lock{mutex_};
        return ++handles_;
    }

    /// Counts the call and says how it is to fail, if it is.
    std::optional<Fault> admit(const FileCall& call) {
        const std::lock_guard lock{mutex_};
        ++counts_[static_cast<std::size_t>(call.operation)];
        std::optional<Fault> hit;
        for (Waiting& waiting : faults_) {
            const Fault& fault = waiting.fault;
            const bool matches = (!fault.operation || *fault.operation == call.operation) &&
                                 (call.path.find(fault.path_part) != std::string::npos ||
                                  (!call.target.empty() && call.target.find(fault.path_part) != std::string::npos));
            waiting.seen += matches ? 1U : 0U;
            if (matches && !hit && (waiting.seen == fault.call || (fault.sticky && waiting.seen > fault.call))) {
                hit = fault;
            }
        }
        failures_ += hit ? 1U : 0U;
        return hit;
    }

    void keep(FileCall call, std::span<const std::byte> bytes, bool reached, std::optional<ErrorCode> error) {
        const std::lock_guard lock{mutex_};
        if (recording_) {
            call.bytes.assign(bytes.begin(), bytes.end());
            call.reached = reached;
            call.error = error;
            trace_.push_back(std::move(call));
        }
    }

    template <typename Perform>
    std::invoke_result_t<Perform> carry_out(FileCall call, Perform perform) {
        return carry_out(std::move(call), perform, {}, [](std::size_t) { return Result<void>{}; });
    }

    template <typename Perform, typename PerformPart>
    std::invoke_result_t<Perform> carry_out(FileCall call, Perform perform, std::span<const std::byte> bytes, PerformPart perform_part) {
        const std::optional<Fault> fault = admit(call);
        Hook hook = nullptr;
        void* context = nullptr;
        {
            const std::lock_guard lock{mutex_};
            hook = hook_;
            context = context_;
        }
        if (hook != nullptr) {
            hook(context, call);
        }
        if (!fault || fault->takes_effect) {
            auto result = perform();
            const bool reached = result.has_value();
            if (!fault || !reached) {
                const auto error = reached ? std::optional<ErrorCode>{} : result.error().code();
                keep(std::move(call), reached ? bytes : std::span<const std::byte>{}, reached, error);
                return result;
            }
        }
        std::size_t written = fault->takes_effect ? bytes.size() : std::min(fault->bytes_before, bytes.size());
        if (!fault->takes_effect && written != 0 && !perform_part(written)) {
            written = 0;
        }
        Error error{fault->code, std::string{name_of(call.operation)} + " " + call.path + ": injected fault"};
        keep(std::move(call), bytes.first(written), fault->takes_effect || written != 0, fault->code);
        return error;
    }

    FileSystem* below_;
    mutable std::mutex mutex_;
    std::vector<Waiting> faults_;
    std::uint64_t counts_[file_operation_count] = {};
    std::uint64_t failures_ = 0;
    std::uint64_t handles_ = 0;
    Hook hook_ = nullptr;
    void* context_ = nullptr;
    bool recording_ = false;
    std::vector<FileCall> trace_;
};

/// Does to `files` what a trace did to the file system below: every call that took effect and changed something, in order; locks are left
/// alone.
inline Result<void> replay(std::span<const FileCall> trace, FileSystem& files) {
    std::map<std::uint64_t, std::unique_ptr<File>> handles;
    for (std::size_t number = 0; number < trace.size(); ++number) {
        const FileCall& call = trace[number];
        if (!call.reached) {
            continue;
        }
        const auto on_file = [&](auto act) -> Result<void> {
            const auto found = handles.find(call.handle);
            if (found == handles.end()) {
                return Error{ErrorCode::InvalidArgument, "the trace does not open " + call.path};
            }
            return act(*found->second);
        };
        Result<void> done;
        switch (call.operation) {
        case FileOperation::Open:
            if (auto opened = files.open(call.path, call.mode)) {
                handles[call.handle] = std::move(*opened);
            } else {
                done = std::move(opened).error();
            }
            break;
        case FileOperation::Write:
            done = on_file([&](File& file) { return file.pwrite(call.bytes, call.offset); });
            break;
        case FileOperation::Sync:
            done = on_file([](File& file) { return file.sync(); });
            break;
        case FileOperation::Truncate:
            done = on_file([&](File& file) { return file.truncate(call.offset); });
            break;
        case FileOperation::Preallocate:
            done = on_file([&](File& file) { return file.preallocate(call.offset); });
            break;
        case FileOperation::CreateDirectory:
            done = files.create_directory(call.path);
            break;
        case FileOperation::Rename:
            done = files.rename(call.path, call.target);
            break;
        case FileOperation::Remove:
            done = files.remove(call.path);
            break;
        case FileOperation::SyncDirectory:
            done = files.sync_directory(call.path);
            break;
        case FileOperation::Read:
        case FileOperation::Size:
        case FileOperation::List:
        case FileOperation::Exists:
        case FileOperation::FileSize:
        case FileOperation::Lock:
            break;
        }
        if (!done) {
            return std::move(done).error().in("replay of call " + std::to_string(number));
        }
    }
    return {};
}

} // namespace ecsdb
