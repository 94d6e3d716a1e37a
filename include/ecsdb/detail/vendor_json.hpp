/// @file
/// Names nlohmann-json, and nothing else does.
#pragma once

#if !__has_include(<nlohmann/json.hpp>)
#error "ecsdb: ecsdb/formats/json.hpp needs nlohmann-json (Debian: nlohmann-json3-dev); link ecsdb::json, or leave the header out."
#endif

#include <nlohmann/json.hpp>
