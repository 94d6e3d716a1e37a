#include <ecsdb/engine.hpp>

int main() {
    return ecsdb::version_string[0] == '\0' ? 1 : 0;
}
