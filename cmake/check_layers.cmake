# Who may include whom, and how a header has to look. Run as a test:
#   cmake -DROOT=<source tree> -P cmake/check_layers.cmake
# Prints every offence as file:line: what is wrong, and fails if there was one.
cmake_minimum_required(VERSION 3.25)
if(NOT ROOT)
    get_filename_component(ROOT "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
endif()

# A room may include itself, detail, core and the rooms named here; `room/file` allows that file alone. What a room inherits from
# the rooms it may enter is written out, so that each line can be read alone.
set(may_core "")
set(may_detail "")
set(may_io "")
set(may_schema "")
set(may_storage schema)
set(may_delta schema)
set(may_transaction schema storage delta)
foreach(room constraint index events metrics)
    set(may_${room} schema storage delta transaction/participant)
endforeach()
set(may_query schema storage index)
set(may_wal schema delta io transaction/participant)
set(may_snapshot schema storage io)
# What a database is opened with: a header of its own rank, below those that read it.
set(may_options schema io)
set(may_recovery schema storage delta io transaction constraint snapshot wal options)
set(may_migration ${may_recovery} recovery query)
set(may_formats schema storage delta io transaction index query)
set(product ${may_recovery} ${may_formats} constraint events metrics recovery migration formats)
# The headers directly in ecsdb/.
set(may_top ${product} top)
set(may_replication ${may_top})
set(may_backends ${may_top})
set(may_dashboard ${may_top} replication backends)

# Headers that only include, declare or configure have nothing a test could mirror.
set(without_test
    config.hpp
    core/durability.hpp
    ecsdb.hpp
    engine.hpp
    fwd.hpp
    options.hpp
    transaction/writer_options.hpp
    version.hpp)
# The headers any room may include.
set(for_everyone config version fwd)
# File access goes through io/ so that tests can make it fail; these give a bypass away.
set(file_headers "fcntl\\.h|sys/stat\\.h|sys/file\\.h|sys/uio\\.h|dirent\\.h|fstream|filesystem")
set(file_calls
    "pwrite|pwritev|pread|preadv|openat|fsync|fdatasync|sync_file_range|ftruncate|fallocate|posix_fallocate|copy_file_range|flock|renameat2?|unlinkat?|mkdirat?|opendir|mkstemp|mkdtemp|fopen|fwrite|fread|freopen"
)
# Words that could as well name a member or an algorithm, so only `::name(` counts.
set(file_calls_qualified "open|read|write|close|stat|fstat|lseek|rename|remove")
set(max_lines 600)

set(offences 0)
function(offence where what)
    message("${where}: ${what}")
    math(EXPR offences "${offences} + 1")
    set(offences ${offences} PARENT_SCOPE)
endfunction()

# The line of `pattern`'s first match in `text`.
function(line_of text needle result)
    string(FIND "${text}" "${needle}" at)
    string(SUBSTRING "${text}" 0 ${at} before)
    string(REGEX REPLACE "[^\n]" "" before "${before}")
    string(LENGTH "${before}" line)
    math(EXPR line "${line} + 1")
    set(${result} ${line} PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE headers RELATIVE "${ROOT}/include/ecsdb" "${ROOT}/include/ecsdb/*")
list(SORT headers)
set(count 0)
foreach(header IN LISTS headers)
    set(where "include/ecsdb/${header}")
    if(NOT header MATCHES "\\.hpp$")
        offence("${where}" "only .hpp files belong here")
        continue()
    endif()
    math(EXPR count "${count} + 1")
    file(READ "${ROOT}/include/ecsdb/${header}" text)
    # Brackets and semicolons mean something in a CMake list, and nothing here.
    string(REGEX REPLACE "[][;]" "," text "${text}")
    if(header MATCHES "^([^/]+)/")
        set(room "${CMAKE_MATCH_1}")
    else()
        set(room top)
    endif()
    get_filename_component(stem "${header}" NAME_WE)
    if(header STREQUAL "options.hpp")
        set(room options)
    endif()
    if(NOT DEFINED may_${room})
        offence("${where}" "'${room}' is no room of the house: give it a line in cmake/check_layers.cmake and in docs")
        continue()
    endif()

    # Form.
    if(NOT text MATCHES "^/// @file\n/// [^\n]+")
        offence("${where}:1" "does not open with '/// @file' and a sentence that says what it is for")
    endif()
    if(NOT text MATCHES "\n#pragma once\n")
        offence("${where}" "has no #pragma once")
    endif()
    string(REGEX REPLACE "[^\n]" "" lines "${text}")
    string(LENGTH "${lines}" lines)
    if(lines GREATER max_lines)
        offence("${where}:${max_lines}" "has ${lines} lines; split it by role (format, reader, writer)")
    endif()

    # Direction.
    string(REGEX MATCHALL "\n[ \t]*#[ \t]*include[^\n]*" includes "${text}")
    foreach(include IN LISTS includes)
        string(STRIP "${include}" include)
        line_of("${text}" "${include}" line)
        if(include MATCHES "[<\"]ecsdb/([^\">]+)[\">]")
            set(included "${CMAKE_MATCH_1}")
            if(NOT EXISTS "${ROOT}/include/ecsdb/${included}")
                offence("${where}:${line}" "includes ecsdb/${included}, which does not exist")
            endif()
            string(REGEX REPLACE "\\.hpp$" "" included "${included}")
            if(included MATCHES "^([^/]+)/")
                set(target "${CMAKE_MATCH_1}")
            else()
                set(target top)
            endif()
            if(target STREQUAL room
               OR target STREQUAL core
               OR target STREQUAL detail
               OR target IN_LIST may_${room}
               OR included IN_LIST may_${room}
               OR included IN_LIST for_everyone)
                continue()
            endif()
            offence("${where}:${line}" "${room} may not include ecsdb/${included}.hpp")
        elseif(include MATCHES "\"")
            offence("${where}:${line}" "own headers are included by full path, as in \"ecsdb/core/result.hpp\"")
        elseif(NOT room STREQUAL detail AND include MATCHES "<(toml\\+\\+|concurrentqueue|moodycamel|zstd|nlohmann|catch2|benchmark)")
            offence("${where}:${line}" "third-party headers are named in detail/ only")
        elseif(include MATCHES "<(${file_headers})>" AND NOT room STREQUAL io AND NOT header STREQUAL "core/clock.hpp")
            offence("${where}:${line}" "<${CMAKE_MATCH_1}> is for io/ only: go through the file-system seam")
        endif()
    endforeach()

    # System calls that go round the seam. Comments may speak of them.
    # A schema file is read whole, before there is a database whose files could fail.
    if(NOT room STREQUAL io AND NOT header STREQUAL "core/clock.hpp" AND NOT header STREQUAL "detail/vendor_toml.hpp")
        string(REGEX REPLACE "//[^\n]*" "" code "${text}")
        string(REGEX MATCHALL "[^A-Za-z0-9_>:.~](::|std::)?(${file_calls})\\(" calls "${code}")
        string(REGEX MATCHALL "[^A-Za-z0-9_>:.~]::(${file_calls_qualified})\\(" qualified_calls "${code}")
        foreach(call IN LISTS calls qualified_calls)
            string(SUBSTRING "${call}" 1 -1 call)
            line_of("${text}" "${call}" line)
            offence("${where}:${line}" "calls ${call}) directly: file access goes through io/")
        endforeach()
    endif()

    # The mirrored test.
    if(room STREQUAL detail OR header IN_LIST without_test)
        continue()
    endif()
    if(NOT header MATCHES "/")
        file(GLOB mirrors "${ROOT}/tests/${stem}/*_test.cpp")
        set(expected "tests/${stem}/${stem}_test.cpp")
    else()
        set(expected "tests/${room}/${stem}_test.cpp")
        file(GLOB mirrors "${ROOT}/${expected}")
    endif()
    if(NOT mirrors)
        offence("${where}" "has no test: expected ${expected}")
    endif()
endforeach()

if(count EQUAL 0)
    message(FATAL_ERROR "no headers under ${ROOT}/include/ecsdb")
endif()
if(offences)
    message(FATAL_ERROR "${offences} offences in ${count} headers")
endif()
message(STATUS "${count} headers keep to the layers")
