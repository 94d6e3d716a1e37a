# Writes ecsdb as one header: ecsdb/ecsdb.hpp with every own include replaced, once, by what it names.
#   cmake -DROOT=<source tree> -DVERSION=0.1.0 -DOUTPUT=<file> -P cmake/amalgamate.cmake
cmake_minimum_required(VERSION 3.25)

file(READ "${ROOT}/LICENSE" license)
string(STRIP "${license}" license)
string(REGEX REPLACE "\n" "\n// " license "// ${license}")
string(REGEX REPLACE "// \n" "//\n" license "${license}")
set_property(
    GLOBAL
    PROPERTY
        ecsdb_text
        "// ecsdb ${VERSION} in one header: generated from the library's sources, so change those instead.
// Needs C++20, toml++ 3.3, moodycamel::ConcurrentQueue and zstd (link with -lzstd -pthread).
//
${license}
#pragma once
")
set_property(GLOBAL PROPERTY ecsdb_seen "")

# Appends `header` (as in ecsdb/core/result.hpp) unless it is there already, each include in it first where it stands.
function(inline_header header)
    get_property(seen GLOBAL PROPERTY ecsdb_seen)
    if(header IN_LIST seen)
        return()
    endif()
    set_property(GLOBAL APPEND PROPERTY ecsdb_seen "${header}")
    file(READ "${ROOT}/include/${header}" rest)
    string(REGEX REPLACE "\n#pragma once\n" "\n" rest "${rest}")
    set_property(GLOBAL APPEND_STRING PROPERTY ecsdb_text "\n// ---- ${header} ----\n\n")
    set(depth 0)
    while(rest MATCHES "\n([ \t]*#[ \t]*include[ \t]*[<\"](ecsdb/[^>\"]+)[>\"][^\n]*)\n")
        set(included "${CMAKE_MATCH_2}")
        string(FIND "${rest}" "${CMAKE_MATCH_1}" at)
        string(LENGTH "${CMAKE_MATCH_1}" length)
        string(SUBSTRING "${rest}" 0 ${at} before)
        math(EXPR at "${at} + ${length} + 1")
        string(SUBSTRING "${rest}" ${at} -1 rest)
        # The next match needs the line break before it.
        string(PREPEND rest "\n")
        # What is inlined under a condition would be missing wherever the condition does not hold.
        string(REGEX REPLACE "[][;]" "," conditions "\n${before}")
        string(REGEX MATCHALL "\n[ \t]*#[ \t]*if" opened "${conditions}")
        string(REGEX MATCHALL "\n[ \t]*#[ \t]*endif" closed "${conditions}")
        list(LENGTH opened opened)
        list(LENGTH closed closed)
        math(EXPR depth "${depth} + ${opened} - ${closed}")
        if(depth GREATER 0)
            message(FATAL_ERROR "include/${header}: includes ${included} under a condition; a single header cannot")
        endif()
        set_property(GLOBAL APPEND_STRING PROPERTY ecsdb_text "${before}")
        inline_header("${included}")
    endwhile()
    set_property(GLOBAL APPEND_STRING PROPERTY ecsdb_text "${rest}")
endfunction()

inline_header(ecsdb/ecsdb.hpp)
get_property(text GLOBAL PROPERTY ecsdb_text)
string(REGEX REPLACE "\n\n\n+" "\n\n" text "${text}")
file(WRITE "${OUTPUT}" "${text}")
