/// @file
/// What most of a program needs, in reading order. Schemas come from C++ structs or generated code: TOML, saves, import are in ecsdb.hpp.
#pragma once

#include "ecsdb/config.hpp"
#include "ecsdb/version.hpp"

#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/database.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/schema/component.hpp"
#include "ecsdb/transaction/await.hpp"
