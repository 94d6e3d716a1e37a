/// @file
/// Knows what a database may hold after a crash at any moment: everything that was durable by then, nothing that had not been tried.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test {

/// What a crash may end.
enum class Crash : std::uint8_t {
    Power,   ///< The machine: what was not synced may be lost.
    Process, ///< The program alone: what was written stays.
};

/// Remembers every state a database was taken to, each under the version it has there, and how much was durable when.
///
/// Moments are counted by the simulated disk: its number of changes so far. So one run can be judged as if it had crashed after any of
/// its changes. The rule (reliability.md): what is found is the state of one version x with durable <= x <= attempted.
template <typename State>
class Oracle {
public:
    /// A history begins at `version`, all of which is durable.
    Oracle(std::uint64_t version, State state) { restart(version, std::move(state)); }

    void restart(std::uint64_t version, State state) {
        attempts_.clear();
        attempt(0, version, std::move(state));
        promise(version);
    }

    /// From `moment` on the state of `version` may be found: to be said before the transaction is given to the database. Returns a name for
    /// the attempt.
    std::uint64_t attempt(std::size_t moment, std::uint64_t version, State state) {
        attempts_.push_back({version, moment, never, std::make_shared<const State>(std::move(state)), ++last_name_, true});
        return last_name_;
    }
    /// That attempt never happened, whatever the disk does: the database refused it.
    void refuse(std::uint64_t name) {
        std::erase_if(attempts_, [&](const Attempt& attempt) { return attempt.name == name; });
    }
    /// What was attempted above `version` and is in doubt can be found until `moment`, and never again.
    void withdraw(std::size_t moment, std::uint64_t version) {
        for (Attempt& attempt : attempts_) {
            if (attempt.version > version && attempt.until == never) {
                attempt.until = moment;
            }
        }
    }
    /// The database has been opened by `moment` as `version`, which holds `state` from now on.
    void accept(std::size_t moment, std::uint64_t version, State state) {
        withdraw(moment, version);
        attempt(moment, version, std::move(state));
        confirm(Crash::Power, moment, version);
        confirm(Crash::Process, moment, version);
    }
    /// From `moment` on, everything up to `version` outlives such a crash. Ignored where that says no more than before.
    void confirm(Crash crash, std::size_t moment, std::uint64_t version) {
        std::vector<Promise>& promises = promises_[static_cast<std::size_t>(crash)];
        if (version > promises.back().version) {
            promises.push_back({moment, version});
        }
    }

    /// What had to outlive such a crash at `moment`; `undone` promises further back, as if so many had not been kept.
    [[nodiscard]] std::uint64_t kept_by(Crash crash, std::size_t moment, std::size_t undone = 0) const {
        const std::vector<Promise>& promises = promises_[static_cast<std::size_t>(crash)];
        std::size_t last = 0;
        while (last + 1 < promises.size() && promises[last + 1].moment <= moment) {
            ++last;
        }
        return promises[last - std::min(last, undone)].version;
    }
    /// The state of `version` as a crash at `moment` can have left it; null where there is none.
    [[nodiscard]] const State* state_at(std::size_t moment, std::uint64_t version) const {
        for (auto attempt = attempts_.rbegin(); attempt != attempts_.rend(); ++attempt) {
            if (attempt->version == version && attempt->from <= moment && moment <= attempt->until) {
                return attempt->state.get();
            }
        }
        return nullptr;
    }
    /// Every state of `version` that was ever attempted by `moment`, the last one first: a disk that lied may have forgotten how a doubt
    /// was resolved.
    [[nodiscard]] std::vector<std::shared_ptr<const State>> ever_at(std::size_t moment, std::uint64_t version) const {
        std::vector<std::shared_ptr<const State>> states;
        for (auto attempt = attempts_.rbegin(); attempt != attempts_.rend(); ++attempt) {
            if (attempt->version == version && attempt->from <= moment) {
                states.push_back(attempt->state);
            }
        }
        return states;
    }
    /// The states that lead to `version`, where a history begins with it in doubt; not those of which a lying disk leaves open whether they
    /// do.
    [[nodiscard]] std::map<std::uint64_t, std::shared_ptr<const State>> left_below(std::uint64_t version) const {
        std::map<std::uint64_t, std::shared_ptr<const State>> states;
        for (const Attempt& attempt : attempts_) {
            if (attempt.version <= version && attempt.from == 0 && attempt.leads_on) {
                states[attempt.version] = attempt.state;
            }
        }
        return states;
    }
    /// Whether such a crash at `moment` can have left `version`; empty, or what is wrong with it.
    [[nodiscard]] std::string judge(Crash crash, std::size_t moment, std::uint64_t version) const {
        if (const std::uint64_t kept = kept_by(crash, moment); version < kept) {
            return "version " + std::to_string(version) + " was found, but " + std::to_string(kept) + " had been promised to stay";
        }
        return state_at(moment, version) != nullptr ? std::string{}
                                                    : "version " + std::to_string(version) + " was found, which nobody had attempted";
    }

    /// There was a crash at `moment`: a history begins with what it can have left, from version `least` on. Moments count anew.
    void crashed(std::size_t moment, std::uint64_t least) {
        std::map<std::uint64_t, Attempt> left;
        for (const Attempt& attempt : attempts_) {
            if (attempt.version >= least && attempt.from <= moment && moment <= attempt.until) {
                left[attempt.version] = {attempt.version, 0, never, attempt.state, attempt.name, attempt.leads_on};
            }
        }
        attempts_.clear();
        for (auto& [version, attempt] : left) {
            attempts_.push_back(std::move(attempt));
        }
        promise(least);
    }
    /// The same where the disk had lied: nothing was promised, and no attempt is out of the question.
    void crashed_lying(std::size_t moment) {
        std::erase_if(attempts_, [&](const Attempt& attempt) { return attempt.from > moment; });
        for (Attempt& attempt : attempts_) {
            attempt.from = 0;
            attempt.until = never;
            attempt.leads_on = false;
        }
        promise(0);
    }

private:
    static constexpr std::size_t never = ~std::size_t{0};
    struct Attempt {
        std::uint64_t version;
        std::size_t from;
        std::size_t until;
        std::shared_ptr<const State> state;
        std::uint64_t name;
        bool leads_on; ///< To the next one.
    };
    struct Promise {
        std::size_t moment;
        std::uint64_t version;
    };

    void promise(std::uint64_t least) {
        promises_[0].assign(1, {0, least});
        promises_[1].assign(1, {0, least});
    }

    std::vector<Attempt> attempts_;
    std::uint64_t last_name_ = 0;
    std::vector<Promise> promises_[2]; ///< For each kind of crash.
};

} // namespace ecsdb::test
