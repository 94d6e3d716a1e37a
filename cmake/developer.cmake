# What ecsdb's own tests, benchmarks and examples are compiled with. Private: never on a user's target, never installed.
option(ECSDB_WARNINGS_AS_ERRORS "Treat warnings in ecsdb's own code as errors" OFF)
option(ECSDB_NO_EXCEPTIONS "Build the tests and examples with -fno-exceptions" OFF)
option(ECSDB_NO_RTTI "Build the tests and examples with -fno-rtti" OFF)
option(ECSDB_COVERAGE "Measure which lines the tests reach" OFF)
set(ECSDB_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them: address,undefined or thread")

set(can_fuzz OFF)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND ECSDB_SANITIZE MATCHES "address")
    set(can_fuzz ON)
endif()
option(ECSDB_BUILD_FUZZERS "Build the fuzzers (Clang; of little use without the address sanitizer)" ${can_fuzz})

# A stale object costs nothing but time, so a cache is used wherever there is one; a project that embeds ecsdb decides for itself.
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(ECSDB_CCACHE ccache)
    mark_as_advanced(ECSDB_CCACHE)
    if(ECSDB_CCACHE)
        set(CMAKE_CXX_COMPILER_LAUNCHER "${ECSDB_CCACHE}")
    endif()
endif()

add_library(ecsdb_developer INTERFACE)
target_link_libraries(ecsdb_developer INTERFACE ecsdb::ecsdb)
target_compile_options(ecsdb_developer INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
target_compile_definitions(ecsdb_developer INTERFACE "ECSDB_SOURCE_DIRECTORY=\"${PROJECT_SOURCE_DIR}\"")
if(ECSDB_WARNINGS_AS_ERRORS)
    target_compile_options(ecsdb_developer INTERFACE -Werror)
endif()
if(ECSDB_NO_EXCEPTIONS)
    target_compile_options(ecsdb_developer INTERFACE -fno-exceptions)
endif()
if(ECSDB_NO_RTTI)
    target_compile_options(ecsdb_developer INTERFACE -fno-rtti)
endif()
if(ECSDB_COVERAGE)
    target_compile_options(ecsdb_developer INTERFACE --coverage)
    target_link_options(ecsdb_developer INTERFACE --coverage)
endif()
if(ECSDB_SANITIZE)
    if(ECSDB_SANITIZE MATCHES "thread" AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "ECSDB_SANITIZE=thread needs Clang: GCC's does not model fences and reports races that are none. "
                            "Use the tsan preset, or set CMAKE_CXX_COMPILER=clang++.")
    endif()
    target_compile_options(ecsdb_developer INTERFACE -fsanitize=${ECSDB_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(ecsdb_developer INTERFACE -fsanitize=${ECSDB_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # GCC's address sanitizer hides initialisations from its own warning.
        target_compile_options(ecsdb_developer INTERFACE -Wno-maybe-uninitialized)
    endif()
endif()

# What sanitized programs are told when they run as tests. Memory that cannot be had is null in ecsdb, and tested to be; a sanitizer would
# end the program there. A race ends it at once: a process that is to be killed has no later.
set(ECSDB_SANITIZER_OPTIONS
    "ASAN_OPTIONS=allocator_may_return_null=1" "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=allocator_may_return_null=1:second_deadlock_stack=1:halt_on_error=1:suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan_suppressions.txt")
