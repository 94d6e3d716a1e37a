#include "ecsdb_single.hpp"

const void* version_seen_by_other();
const void* version_seen_by_other() {
    return &ecsdb::version_string;
}
