# Finds moodycamel::ConcurrentQueue, which no distribution ships with a CMake package of its own name and place.
# Makes ConcurrentQueue::ConcurrentQueue. Debian installs <concurrentqueue/concurrentqueue.h>, vcpkg and newer releases
# <moodycamel/concurrentqueue.h>; ecsdb/detail/vendor_concurrentqueue.hpp accepts both, and the bare file.
find_path(
    ConcurrentQueue_INCLUDE_DIR
    NAMES concurrentqueue/concurrentqueue.h moodycamel/concurrentqueue.h concurrentqueue.h
    PATH_SUFFIXES concurrentqueue
    DOC "Where moodycamel's concurrent queue is")
mark_as_advanced(ConcurrentQueue_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ConcurrentQueue REQUIRED_VARS ConcurrentQueue_INCLUDE_DIR)

if(ConcurrentQueue_FOUND AND NOT TARGET ConcurrentQueue::ConcurrentQueue)
    add_library(ConcurrentQueue::ConcurrentQueue INTERFACE IMPORTED GLOBAL)
    target_include_directories(ConcurrentQueue::ConcurrentQueue INTERFACE "${ConcurrentQueue_INCLUDE_DIR}")
endif()
