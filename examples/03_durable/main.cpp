/// A database on disk: opened, written, snapshot, closed, and found again.
#include <ecsdb/engine.hpp>

#include <cstdio>

struct Account {
    std::uint64_t gold;
};
ECSDB_COMPONENT(Account, gold);

using Bank = ecsdb::Database<Account>;

namespace {

ecsdb::Result<std::uint64_t> open_and_count(std::uint64_t deposit) {
    ecsdb::Options options;
    options.directory = "bank";
    options.durability = ecsdb::Durability::Synced; // visible only once on disk
    auto opened = Bank::open(options);
    if (!opened) {
        return std::move(opened).error();
    }
    Bank& bank = *opened;
    const ecsdb::RecoveryReport& report = bank.recovery_report();
    std::printf("opened at version %llu (%s, snapshot %llu, %llu transactions replayed)\n", static_cast<unsigned long long>(report.version),
                report.created ? "new"
                : report.clean ? "closed in order"
                               : "recovered",
                static_cast<unsigned long long>(report.snapshot_version), static_cast<unsigned long long>(report.replayed));

    auto tx = bank.begin();
    tx.create(Account{deposit});
    if (auto committed = tx.commit(); !committed) {
        return std::move(committed).error();
    }
    if (auto saved = bank.snapshot(); !saved) {
        return std::move(saved).error();
    }
    std::uint64_t total = 0;
    bank.read().each<const Account>([&](const Account& account) { total += account.gold; });
    if (auto closed = bank.close(); !closed) {
        return std::move(closed).error();
    }
    return total;
}

} // namespace

int main() {
    for (const std::uint64_t deposit : {100U, 20U, 3U}) {
        auto total = open_and_count(deposit);
        if (!total) {
            std::fprintf(stderr, "%s\n", total.error().to_string().c_str());
            return 1;
        }
        std::printf("the bank holds %llu gold\n", static_cast<unsigned long long>(*total));
    }
    return 0;
}
