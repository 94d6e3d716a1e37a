// Saves a database as JSON and loads it into another.
#include <ecsdb/ecsdb.hpp>
#include <ecsdb/formats/json.hpp>

#include <cstdio>

struct Position {
    float x, y;
};
ECSDB_COMPONENT(Position, x, y);

int main() {
    using World = ecsdb::Database<Position, ecsdb::ImportedId>;
    auto from = World::open({});
    auto into = World::open({});
    if (!from || !into) {
        return 1;
    }
    auto transaction = from->begin();
    static_cast<void>(transaction.create(Position{1, 2}));
    if (!transaction.commit()) {
        return 1;
    }
    ecsdb::SystemAllocator memory;
    ecsdb::ByteBuffer bytes{memory};
    const ecsdb::formats::JsonFormat json;
    if (!ecsdb::formats::save(from->read(), json, bytes) || !ecsdb::formats::load(*into, json, bytes.view())) {
        return 1;
    }
    std::printf("%.*s", static_cast<int>(bytes.size()), reinterpret_cast<const char*>(bytes.data()));
    return into->read().count<Position>() == 1 ? 0 : 1;
}
