# Breaks every rule of cmake/check_layers.cmake once, in a small tree of its own, and expects to hear of each; then a good tree
# passes. Run as a test: cmake -DCHECK=<the script> -DSCRATCH=<directory> -P check_layers_test.cmake
cmake_minimum_required(VERSION 3.25)
set(good "/// @file\n/// Says what it is for.\n#pragma once\n")
set(failures 0)

# Writes one header (and its test unless `untested`), runs the check and compares.
function(expect outcome header text)
    file(REMOVE_RECURSE "${SCRATCH}")
    file(WRITE "${SCRATCH}/include/ecsdb/core/result.hpp" "${good}")
    file(WRITE "${SCRATCH}/tests/core/result_test.cpp" "")
    file(WRITE "${SCRATCH}/include/ecsdb/${header}" "${text}")
    if(NOT "untested" IN_LIST ARGN)
        string(REPLACE ".hpp" "_test.cpp" test "${header}")
        file(WRITE "${SCRATCH}/tests/${test}" "")
    endif()
    execute_process(
        COMMAND "${CMAKE_COMMAND}" -DROOT=${SCRATCH} -P "${CHECK}"
        OUTPUT_VARIABLE output
        ERROR_VARIABLE output
        RESULT_VARIABLE result)
    if(outcome STREQUAL "passes")
        if(result EQUAL 0)
            return()
        endif()
    elseif(NOT result EQUAL 0)
        string(FIND "${output}" "${outcome}" at)
        if(NOT at EQUAL -1)
            return()
        endif()
    endif()
    message("${header}: expected '${outcome}', got (${result}):\n${output}")
    math(EXPR failures "${failures} + 1")
    set(failures ${failures} PARENT_SCOPE)
endfunction()

expect("include/ecsdb/core/a.hpp:4: core may not include ecsdb/schema/b.hpp" core/a.hpp "${good}#include \"ecsdb/schema/b.hpp\"\n")
expect("include/ecsdb/wal/a.hpp:5: wal may not include ecsdb/transaction/queue.hpp" wal/a.hpp
       "${good}\n#include <ecsdb/transaction/queue.hpp>\n")
expect("include/ecsdb/options.hpp:4: options may not include ecsdb/database.hpp" options.hpp "${good}#include \"ecsdb/database.hpp\"\n")
expect("include/ecsdb/wal/a.hpp:4: wal may not include ecsdb/options.hpp" wal/a.hpp "${good}#include \"ecsdb/options.hpp\"\n")
expect("includes ecsdb/transaction/participant.hpp, which does not exist" wal/a.hpp
       "${good}\n#include \"ecsdb/transaction/participant.hpp\"\n")
expect("own headers are included by full path" core/a.hpp "${good}#include \"result.hpp\"\n")
expect("third-party headers are named in detail/ only" schema/a.hpp "${good}#include <toml++/toml.h>\n")
expect("'cellar' is no room of the house" cellar/a.hpp "${good}")
expect("core/a.hpp:1: does not open with" core/a.hpp "#pragma once\n")
expect("has no #pragma once" core/a.hpp "/// @file\n/// Says what it is for.\n")
expect("has no test: expected tests/core/a_test.cpp" core/a.hpp "${good}" untested)
expect("has no test: expected tests/database/database_test.cpp" database.hpp "${good}" untested)
expect("only .hpp files belong here" core/a.ipp "${good}")
string(REPEAT "// a line\n" 600 long)
expect("has 603 lines" core/a.hpp "${good}${long}")
expect("<fcntl.h> is for io/ only" storage/a.hpp "${good}#include <fcntl.h>\n")
expect("storage/a.hpp:4: calls ::open() directly" storage/a.hpp "${good}inline int f() { return ::open(\"x\", 0); }\n")
expect("wal/a.hpp:4: calls fdatasync() directly" wal/a.hpp "${good}inline int f(int d) { return fdatasync(d); }\n")
expect("calls std::fopen() directly" core/a.hpp "${good}inline void* f() { return std::fopen(\"x\", \"r\"); }\n")

expect(passes storage/a.hpp
       "${good}#include \"ecsdb/core/result.hpp\"\n#include <vector>\n// ::open(x) in a comment\nint open(int); int f() { return file.pread(1) + file->fsync() + Files::fopen(2) + open(1); }\n")
expect(passes io/a.hpp "${good}#include <fcntl.h>\ninline int f() { return ::open(\"x\", 0); }\n")
expect(passes core/clock.hpp "${good}#include <fcntl.h>\n")
expect(passes detail/vendor_toml.hpp "${good}#include <toml++/toml.h>\n" untested)
expect(passes version.hpp "${good}" untested)

file(REMOVE_RECURSE "${SCRATCH}")
if(failures)
    message(FATAL_ERROR "${failures} of the check's rules do not hold")
endif()
