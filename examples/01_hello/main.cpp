/// The first ten minutes: components, a transaction, a view, a whole-column update.
#include <ecsdb/engine.hpp>

#include <cstdio>

struct Position {
    float x, y, z;
};
struct Velocity {
    float x, y, z;
};
ECSDB_COMPONENT(Position, x, y, z);
ECSDB_COMPONENT(Velocity, x, y, z);

using World = ecsdb::Database<Position, Velocity>;

namespace {

ecsdb::Result<void> run() {
    auto opened = World::open({});
    if (!opened) {
        return std::move(opened).error();
    }
    World& world = *opened;

    // A transaction: everything in it happens, or nothing. The id is valid at once.
    auto tx = world.begin();
    const ecsdb::Entity ship = tx.create(Position{0, 0, 0}, Velocity{1, 2, 3});
    if (auto committed = tx.commit(); !committed) {
        return committed;
    }

    // A view is one version of the whole world, whatever the writer does meanwhile.
    const auto before = world.read();

    // A whole column, computed by this thread, isolated, and published at once.
    if (auto updated = world.update<Position, const Velocity>([](Position& p, const Velocity& v) {
            p.x += v.x;
            p.y += v.y;
            p.z += v.z;
        });
        !updated) {
        return updated;
    }

    const auto after = world.read();
    std::printf("version %llu: x = %g; version %llu: x = %g\n", static_cast<unsigned long long>(before.version()),
                static_cast<double>(before.get<Position>(ship)->x), static_cast<unsigned long long>(after.version()),
                static_cast<double>(after.get<Position>(ship)->x));

    // A transaction that cannot be done leaves no trace, and says why.
    auto failing = world.begin();
    failing.update(ship, Position{9, 9, 9}).insert(ship, Velocity{});
    if (auto refused = failing.commit(); !refused) {
        std::printf("refused: %s\n", refused.error().to_string().c_str());
    }
    return {};
}

} // namespace

int main() {
    if (auto result = run(); !result) {
        std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
        return 1;
    }
    return 0;
}
