/// A market: items change hands for gold, a million times, offered by four threads at once. Whatever goes wrong, nothing is lost.
///
///   04_trade [offers]
#include <ecsdb/engine.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

using ecsdb::Entity;
using ecsdb::Error;
using ecsdb::ErrorCode;
using ecsdb::Result;

struct Player {
    std::uint64_t gold;
    std::uint32_t items; ///< How many `Item`s name this player as their owner.
};
struct Item {
    Entity owner;
};
/// The audit: one row for each trade, never changed.
struct Trade {
    Entity item, seller, buyer;
    std::uint64_t price;
};
ECSDB_COMPONENT(Player, gold, items);
ECSDB_COMPONENT(Item, owner);
ECSDB_COMPONENT(Trade, item, seller, buyer, price);

// What holds for every row, whoever writes it: the database refuses any transaction that would break it.
template <>
struct ecsdb::ComponentOptions<Player> {
    static void constrain(TableEditor& table) { table.field("gold").max(1500); }
};
template <>
struct ecsdb::ComponentOptions<Item> {
    static void constrain(TableEditor& table) { table.field("owner").references("Player", "entity_id").not_null(); }
};

using Market = ecsdb::Database<Player, Item, Trade>;

namespace {

constexpr std::uint32_t player_count = 1000;
constexpr std::uint32_t items_each = 5;
constexpr std::uint32_t room_in_bag = 8;
constexpr std::uint64_t gold_each = 500;
constexpr std::uint32_t trader_count = 4;

struct Offer {
    Entity item, seller, buyer;
    std::uint64_t price = 0;
    bool regretted = false; ///< The seller will think better of it, at the last moment.
};

/// The player, as the transaction sees them.
Result<Player> find_player(const Market::WriteState& state, Entity entity) {
    if (!state.is_alive(entity)) {
        return Error{ErrorCode::NotFound, "the player has left: a stale id"};
    }
    const Player* const player = state.get<Player>(entity);
    if (player == nullptr) {
        return Error{ErrorCode::NotFound, "unknown player"};
    }
    return *player;
}

/// One trade, from inside a transaction: nobody else writes meanwhile, so what is checked here holds until the end. Returns the audit row.
Result<Entity> trade(Market::WriteState& state, const Offer& offer) {
    if (offer.seller == offer.buyer) {
        return Error{ErrorCode::InvalidArgument, "seller and buyer are the same player"};
    }
    Result<Player> seller = find_player(state, offer.seller);
    if (!seller) {
        return std::move(seller).error();
    }
    Result<Player> buyer = find_player(state, offer.buyer);
    if (!buyer) {
        return std::move(buyer).error();
    }
    const Item* const item = state.get<Item>(offer.item);
    if (item == nullptr || item->owner != offer.seller) {
        return Error{ErrorCode::Aborted, "the seller does not own the item"};
    }
    if (buyer->gold < offer.price) {
        return Error{ErrorCode::Aborted, "the buyer has not enough gold"};
    }
    if (buyer->items == room_in_bag) {
        return Error{ErrorCode::Aborted, "the buyer's bag is full"};
    }

    seller->gold += offer.price;
    seller->items -= 1;
    buyer->gold -= offer.price;
    buyer->items += 1;
    for (const Result<void>& written :
         {state.update(offer.seller, *seller), state.update(offer.buyer, *buyer), state.update(offer.item, Item{offer.buyer})}) {
        if (!written) {
            return written.error().clone();
        }
    }
    Result<Entity> audit = state.create(Trade{offer.item, offer.seller, offer.buyer, offer.price});
    if (offer.regretted) {
        return Error{ErrorCode::Aborted, "the seller had second thoughts"}; // all of the above is undone
    }
    return audit; // now the schema's promises are checked: a purse that overflows undoes it, too
}

/// Who and what there is at the beginning.
struct Cast {
    std::vector<Entity> players, items, gone;
};

Result<Cast> set_the_stage(Market& market) {
    Cast cast;
    auto tx = market.begin();
    cast.players = tx.create_many(player_count, Player{gold_each, items_each});
    for (const Entity player : cast.players) {
        const std::vector<Entity> items = tx.create_many(items_each, Item{player});
        cast.items.insert(cast.items.end(), items.begin(), items.end());
    }
    cast.gone = tx.create_many(10, Player{0, 0});
    if (auto committed = tx.commit(); !committed) {
        return std::move(committed).error();
    }
    auto farewell = market.begin();
    farewell.destroy_many(cast.gone); // their ids name nobody from now on, ever
    if (auto committed = farewell.commit(); !committed) {
        return std::move(committed).error();
    }
    return cast;
}

/// The same trade as a list of commands: good where nobody else writes these rows. What it writes was computed from a view, and the
/// transaction does not look again whether that still holds; a function does.
Result<void> trade_by_commands(Market& market, const Offer& offer) {
    const auto view = market.read();
    Player seller = *view.get<Player>(offer.seller);
    Player buyer = *view.get<Player>(offer.buyer);
    seller.gold += offer.price;
    seller.items -= 1;
    buyer.gold -= offer.price;
    buyer.items += 1;
    auto tx = market.begin();
    tx.update(offer.seller, seller).update(offer.buyer, buyer).update(offer.item, Item{offer.buyer});
    tx.create(Trade{offer.item, offer.seller, offer.buyer, offer.price});
    return tx.commit();
}

using Tally = std::map<std::string, std::uint64_t>; // how often each outcome came up

/// Makes offers, most of them reasonable. Others trade at the same time, so an item may be sold before this thread comes to it.
Tally make_offers(Market& market, const Cast& cast, std::uint64_t count, std::uint32_t seed) {
    std::mt19937 random{seed};
    const auto any_of = [&](const std::vector<Entity>& some) { return some[random() % some.size()]; };
    Tally tally;
    for (std::uint64_t i = 0; i < count; ++i) {
        Offer offer{any_of(cast.items), {}, any_of(cast.players), 1 + random() % 200, random() % 100 == 0};
        offer.seller = random() % 50 == 0 ? any_of(cast.players) : market.get<Item>(offer.item)->owner;
        switch (random() % 300) {
        case 0:
            offer.buyer = any_of(cast.gone);
            break;
        case 1:
            offer.buyer = any_of(cast.items); // alive, but no player
            break;
        case 2:
            offer.buyer = offer.seller;
            break;
        default:
            break;
        }
        const Result<Entity> outcome = market.execute([&](Market::WriteState& state) { return trade(state, offer); });
        ++tally[outcome                                                    ? "traded"
                : outcome.error().code() == ErrorCode::ConstraintViolation ? "the seller's purse overflows"
                                                                           : outcome.error().message()];
    }
    return tally;
}

/// Whether all gold and every item is there, and every trade is in the audit: must hold in every version there ever is.
bool is_conserved(const Market::View& view, const Cast& cast) {
    std::uint64_t gold = 0;
    std::uint64_t items = 0;
    view.each<Player>([&](const Player& player) {
        gold += player.gold;
        items += player.items;
    });
    // The stage took two versions; since then, every version is a trade.
    return gold == gold_each * cast.players.size() && items == cast.items.size() && view.count<Item>() == items &&
           view.count<Trade>() == view.version() - 2;
}

Result<void> run(std::uint64_t offers) {
    auto opened = Market::open({});
    if (!opened) {
        return std::move(opened).error();
    }
    Market& market = *opened;
    const Result<Cast> cast = set_the_stage(market);
    if (!cast) {
        return cast.error().clone();
    }
    if (auto traded = trade_by_commands(market, {cast->items[0], cast->players[0], cast->players[1], 100, false}); !traded) {
        return traded;
    }

    const auto begun = std::chrono::steady_clock::now();
    std::array<Tally, trader_count> tallies;
    std::atomic<bool> open_for_business{true};
    std::uint64_t versions_seen = 0;
    bool conserved = true;
    {
        std::jthread reader{[&] {
            while (open_for_business) {
                conserved = is_conserved(market.read(), *cast) && conserved;
                ++versions_seen;
                std::this_thread::sleep_for(std::chrono::milliseconds{1});
            }
        }};
        {
            std::vector<std::jthread> traders;
            for (std::uint32_t i = 0; i < trader_count; ++i) {
                traders.emplace_back([&, i] { tallies[i] = make_offers(market, *cast, offers / trader_count, i); });
            }
        }
        open_for_business = false;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();

    Tally total;
    for (const Tally& tally : tallies) {
        for (const auto& [outcome, count] : tally) {
            total[outcome] += count;
        }
    }
    std::printf("%llu offers by %u threads in %.1f s\n\n  offers   a second  outcome\n", static_cast<unsigned long long>(offers),
                trader_count, seconds);
    for (const auto& [outcome, count] : total) {
        std::printf("%8llu %10.0f  %s\n", static_cast<unsigned long long>(count), static_cast<double>(count) / seconds, outcome.c_str());
    }
    const auto view = market.read();
    if (!conserved || !is_conserved(view, *cast) || view.count<Trade>() != total["traded"] + 1) {
        return Error{ErrorCode::Corrupt, "gold, items or audit rows were lost"};
    }
    std::printf("\nGold, items and audit add up, now and in each of the %llu views taken meanwhile.\n",
                static_cast<unsigned long long>(versions_seen));
    return {};
}

} // namespace

int main(int argc, char** argv) {
    const bool quick = std::getenv("ECSDB_EXAMPLE_QUICK") != nullptr; // set where the examples run as tests
    const std::uint64_t offers = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : quick ? 20'000 : 1'000'000;
    if (auto result = run(offers / trader_count * trader_count); !result) {
        std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
        return 1;
    }
    return 0;
}
