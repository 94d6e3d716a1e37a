/// @file
/// Judges a history of committed transactions: whether some serial order explains everything they read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ecsdb::test {

/// One committed transaction: what it read (and whose value it found there), and what it wrote. Every write is known by its writer.
struct Recorded {
    struct Read {
        std::uint64_t item;
        std::uint64_t writer; ///< 0: the value was there before the history began.
    };

    std::uint64_t id = 0;    ///< Not 0, and nobody else's.
    std::vector<Read> reads; ///< Of values that others wrote: not its own.
    std::vector<std::uint64_t> writes;
};

/// Transactions in the order of their commits, which is also the order in which the versions of each item came.
class History {
public:
    explicit History(const std::vector<Recorded>& transactions) : transactions_{transactions}, followers_(transactions.size()) {
        std::unordered_map<std::uint64_t, std::size_t> place_of;
        std::unordered_map<std::uint64_t, std::vector<std::size_t>> writers;
        for (std::size_t at = 0; at < transactions.size(); ++at) {
            place_of[transactions[at].id] = at;
            for (const std::uint64_t item : transactions[at].writes) {
                writers[item].push_back(at);
            }
        }
        for (const auto& [item, places] : writers) {
            for (std::size_t i = 1; i < places.size(); ++i) {
                followers_[places[i - 1]].push_back(places[i]); // the one overwrote the other
            }
        }
        for (std::size_t at = 0; at < transactions.size(); ++at) {
            for (const Recorded::Read& read : transactions[at].reads) {
                const std::vector<std::size_t>& places = writers[read.item];
                std::size_t next = 0;
                if (read.writer != 0) {
                    const auto writer = place_of.find(read.writer);
                    while (next < places.size() && (writer == place_of.end() || places[next] != writer->second)) {
                        ++next;
                    }
                    if (next == places.size()) {
                        invented_ = "transaction " + std::to_string(transactions[at].id) + " read what nobody had written";
                        continue;
                    }
                    followers_[places[next]].push_back(at); // read what the other wrote
                    ++next;
                }
                if (next < places.size() && places[next] != at) {
                    followers_[at].push_back(places[next]); // read what the other overwrote
                    displaced_ = displaced_ || places[next] < at;
                }
            }
        }
    }

    /// Why no serial order explains the history: transactions each of which must come before the next, in a circle. Empty when one does.
    [[nodiscard]] std::string contradiction() const {
        if (!invented_.empty()) {
            return invented_;
        }
        enum class Colour : std::uint8_t { White, Grey, Black };
        std::vector<Colour> colours(transactions_.size(), Colour::White);
        std::vector<std::pair<std::size_t, std::size_t>> path; // a transaction, and how many of its followers have been looked at
        for (std::size_t start = 0; start < transactions_.size(); ++start) {
            if (colours[start] != Colour::White) {
                continue;
            }
            colours[start] = Colour::Grey;
            path.emplace_back(start, 0);
            while (!path.empty()) {
                auto& [at, looked_at] = path.back();
                if (looked_at == followers_[at].size()) {
                    colours[at] = Colour::Black;
                    path.pop_back();
                    continue;
                }
                const std::size_t next = followers_[at][looked_at++];
                if (next == at) {
                    continue;
                }
                if (colours[next] == Colour::Grey) {
                    return describe(path, next);
                }
                if (colours[next] == Colour::White) {
                    colours[next] = Colour::Grey;
                    path.emplace_back(next, 0);
                }
            }
        }
        return {};
    }

    /// Whether the order of the commits is itself such an order: everybody read the newest values there were before its commit.
    [[nodiscard]] bool is_in_order_of_commits() const { return invented_.empty() && !displaced_; }

private:
    [[nodiscard]] std::string describe(const std::vector<std::pair<std::size_t, std::size_t>>& path, std::size_t back_to) const {
        std::string circle;
        bool in_circle = false;
        for (const auto& [at, looked_at] : path) {
            in_circle = in_circle || at == back_to;
            if (in_circle) {
                circle += std::to_string(transactions_[at].id) + " before ";
            }
        }
        return circle + std::to_string(transactions_[back_to].id);
    }

    const std::vector<Recorded>& transactions_;
    std::vector<std::vector<std::size_t>> followers_; ///< Who must come later, by place.
    std::string invented_;
    bool displaced_ = false;
};

} // namespace ecsdb::test
