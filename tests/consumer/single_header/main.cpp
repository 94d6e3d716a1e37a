#include "ecsdb_single.hpp"

const void* version_seen_by_other();

int main() {
    return version_seen_by_other() == &ecsdb::version_string ? 0 : 1;
}
