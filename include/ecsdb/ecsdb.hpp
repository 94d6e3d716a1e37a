/// @file
/// All of ecsdb: the engine, saving to bytes, entities imported from other databases, and schemas in TOML.
#pragma once

#include "ecsdb/engine.hpp"
#include "ecsdb/import.hpp"
#include "ecsdb/saves.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "ecsdb/schema/toml_writer.hpp"
