# ecsdb's dependencies: found on the machine, else fetched at the commit named here. Every one ends up as the same target either
# way. What was fetched is kept in ecsdb_fetched: an install could not point anyone at it.
include(FetchContent)
set(ecsdb_fetched "")

# Sources as they were tested with; raise them together with the CHANGELOG.
FetchContent_Declare(
    tomlplusplus SYSTEM
    GIT_REPOSITORY https://github.com/marzer/tomlplusplus.git
    GIT_TAG 30172438cee64926dc41fdd9c11fb3ba5b2ba9de # v3.4.0
)
FetchContent_Declare(
    concurrentqueue SYSTEM
    GIT_REPOSITORY https://github.com/cameron314/concurrentqueue.git
    GIT_TAG 6dd38b8a1dbaa7863aa907045f32308a56a6ff5d # v1.0.4
)
FetchContent_Declare(
    zstd SYSTEM
    GIT_REPOSITORY https://github.com/facebook/zstd.git
    GIT_TAG 794ea1b0afca0f020f4e57b6732332231fb23c70 # v1.5.6
    SOURCE_SUBDIR build/cmake
)
set(subdirectory_zstd /build/cmake)
FetchContent_Declare(
    catch2 SYSTEM
    GIT_REPOSITORY https://github.com/catchorg/Catch2.git
    GIT_TAG 182c910b4b63ff587a3440e08f84f70497e49a81 # v2.13.10
)
FetchContent_Declare(
    benchmark SYSTEM
    GIT_REPOSITORY https://github.com/google/benchmark.git
    GIT_TAG 344117638c8ff7e239044fd0fa7085839fc03021 # v1.8.3
)

# Fetches the declared dependency `name` and makes `target` stand for `provided`, a target the fetched project makes.
function(ecsdb_fetch name target provided)
    message(STATUS "ecsdb: ${name} not found; fetching it")
    # The fetched project's own tests and tools are not ours to build, nor its files ours to install.
    set(BUILD_TESTING OFF)
    set(BUILD_SHARED_LIBS OFF)
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
    set(CMAKE_MESSAGE_LOG_LEVEL WARNING)
    set(ZSTD_BUILD_PROGRAMS OFF)
    set(ZSTD_BUILD_SHARED OFF)
    set(ZSTD_LEGACY_SUPPORT OFF)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_INSTALL OFF)
    set(BENCHMARK_ENABLE_GTEST_TESTS OFF)
    FetchContent_MakeAvailable(${name})
    set_property(DIRECTORY "${${name}_SOURCE_DIR}${subdirectory_${name}}" PROPERTY EXCLUDE_FROM_ALL TRUE)
    if(NOT TARGET ${target})
        string(REPLACE "::" "_" plain "ecsdb_fetched_${target}")
        add_library(${plain} INTERFACE)
        add_library(${target} ALIAS ${plain})
        target_link_libraries(${plain} INTERFACE ${provided})
    endif()
    set(ecsdb_fetched ${ecsdb_fetched} ${name} PARENT_SCOPE)
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

find_package(TomlHeaders 3.3 QUIET)
if(NOT TomlHeaders_FOUND)
    ecsdb_fetch(tomlplusplus TomlHeaders::TomlHeaders tomlplusplus::tomlplusplus)
endif()

find_package(ConcurrentQueue QUIET)
if(NOT ConcurrentQueue_FOUND)
    ecsdb_fetch(concurrentqueue ConcurrentQueue::ConcurrentQueue concurrentqueue)
endif()

find_package(ZstdLibrary QUIET)
if(NOT ZstdLibrary_FOUND)
    ecsdb_fetch(zstd ZstdLibrary::ZstdLibrary libzstd_static)
    # Its build leaves the include directory to whoever installs it.
    FetchContent_GetProperties(zstd)
    target_include_directories(ecsdb_fetched_ZstdLibrary_ZstdLibrary SYSTEM INTERFACE "${zstd_SOURCE_DIR}/lib")
endif()

# Makes ecsdb_catch: Catch2's headers, of version 2 or 3, and for 3 the library without a main.
macro(ecsdb_find_catch)
    find_package(Catch2 CONFIG QUIET)
    if(Catch2_FOUND AND Catch2_VERSION VERSION_GREATER_EQUAL 3)
        add_library(ecsdb_catch INTERFACE)
        target_link_libraries(ecsdb_catch INTERFACE Catch2::Catch2)
    else()
        find_path(ECSDB_CATCH_INCLUDE_DIR NAMES catch2/catch.hpp DOC "Where Catch2 version 2 is")
        mark_as_advanced(ECSDB_CATCH_INCLUDE_DIR)
        if(ECSDB_CATCH_INCLUDE_DIR)
            add_library(ecsdb_catch INTERFACE)
            target_include_directories(ecsdb_catch SYSTEM INTERFACE "${ECSDB_CATCH_INCLUDE_DIR}")
        else()
            ecsdb_fetch(catch2 ecsdb_catch Catch2::Catch2)
        endif()
    endif()
endmacro()

# Makes benchmark::benchmark.
macro(ecsdb_find_benchmark)
    find_package(benchmark CONFIG QUIET)
    if(NOT benchmark_FOUND)
        ecsdb_fetch(benchmark benchmark::benchmark benchmark)
    endif()
endmacro()
