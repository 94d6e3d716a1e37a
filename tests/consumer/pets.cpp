// A component that was generated from a schema, by a package or a subdirectory.
#include "pets_components.hpp"

#include <string_view>

static_assert(std::string_view{ecsdb::ComponentTraits<pets::pet>::name} == "pet");

pets::pet named(const char* name);
pets::pet named(const char* name) {
    return {.name = name, .age = 3};
}
