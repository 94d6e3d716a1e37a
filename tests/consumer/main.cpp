// The program of every consumer project: one include, and the library answers.
#include <ecsdb/ecsdb.hpp>

#include <cstdio>
#include <string_view>

int main() {
    std::printf("ecsdb %s\n", ecsdb::version_string);
    return std::string_view{ecsdb::version_string}.empty() ? 1 : 0;
}
