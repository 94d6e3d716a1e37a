/// @file
/// All of ecsdb: the engine, and schemas in TOML.
#pragma once

#include "ecsdb/engine.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "ecsdb/schema/toml_writer.hpp"
