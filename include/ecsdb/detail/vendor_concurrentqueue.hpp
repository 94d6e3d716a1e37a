/// @file
/// The only place that names moodycamel's concurrent queue, wherever the machine keeps its header.
#pragma once

#if __has_include(<concurrentqueue/concurrentqueue.h>)
#include <concurrentqueue/concurrentqueue.h>
#elif __has_include(<moodycamel/concurrentqueue.h>)
#include <moodycamel/concurrentqueue.h>
#elif __has_include(<concurrentqueue.h>)
#include <concurrentqueue.h>
#else
#error                                                                                                                                     \
    "ecsdb needs moodycamel's concurrentqueue: install it (Debian: apt install libconcurrentqueue-dev) or add its directory to the include path"
#endif
