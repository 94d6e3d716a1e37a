/// @file
/// Names zstd, and nothing else does.
#pragma once

#include <zstd.h>
