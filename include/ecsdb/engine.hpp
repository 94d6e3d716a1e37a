/// @file
/// Everything a game engine needs, in reading order, but for TOML: schemas come from C++ structs or from generated code.
#pragma once

#include "ecsdb/config.hpp"
#include "ecsdb/version.hpp"

#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/database.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/schema/component.hpp"
#include "ecsdb/transaction/await.hpp"
