# ecsdb_generate_components(<target> SCHEMA <file.toml> [NAMESPACE <ns>] [HEADER <name.hpp>])
#
# Turns a schema into C++ structs at build time, and lets <target> include them: `#include "<name.hpp>"`. The header holds, in namespace
# <ns>, one struct per table, described as ecsdb's components; the schema's text as `schema_toml`, its stored form as `schema_bytes`, and
# `load_schema()`. It is made again whenever the schema changes, and a faulty schema fails the build with file, line and column.
#
# NAMESPACE is the file's name without its ending, unless given; HEADER is that name with `_components.hpp`.
#
# The generator is built for the machine that builds. Where that is not the machine that runs, build tools/generate_components.cpp by
# hand and set ECSDB_GENERATE_COMPONENTS_EXECUTABLE to the result.
include_guard(GLOBAL)

# Beside this file once installed, in tools/ among the sources.
find_file(
    ECSDB_GENERATE_COMPONENTS_SOURCE
    NAMES generate_components.cpp
    PATHS "${CMAKE_CURRENT_LIST_DIR}" "${CMAKE_CURRENT_LIST_DIR}/../tools"
    NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH
    DOC "The source of the program that turns schemas into C++")
mark_as_advanced(ECSDB_GENERATE_COMPONENTS_SOURCE)

function(ecsdb_generate_components target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "SCHEMA;NAMESPACE;HEADER" "")
    if(NOT TARGET "${target}")
        message(FATAL_ERROR "ecsdb_generate_components: there is no target ${target}")
    endif()
    if(NOT arg_SCHEMA OR arg_UNPARSED_ARGUMENTS OR arg_KEYWORDS_MISSING_VALUES)
        message(FATAL_ERROR "ecsdb_generate_components(<target> SCHEMA <file.toml> [NAMESPACE <ns>] [HEADER <name.hpp>]), "
                            "not: ${target} ${ARGN}")
    endif()
    cmake_path(ABSOLUTE_PATH arg_SCHEMA BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE OUTPUT_VARIABLE schema)
    if(NOT EXISTS "${schema}")
        message(FATAL_ERROR "ecsdb_generate_components: there is no file ${schema}")
    endif()
    cmake_path(GET schema STEM stem)
    if(NOT arg_NAMESPACE)
        string(MAKE_C_IDENTIFIER "${stem}" arg_NAMESPACE)
    endif()
    if(NOT arg_HEADER)
        set(arg_HEADER "${stem}_components.hpp")
    endif()

    set(generator "${ECSDB_GENERATE_COMPONENTS_EXECUTABLE}")
    if(NOT generator)
        if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
            message(FATAL_ERROR "ecsdb_generate_components: when cross-compiling, set ECSDB_GENERATE_COMPONENTS_EXECUTABLE to a "
                                "generator built for this machine from ${ECSDB_GENERATE_COMPONENTS_SOURCE}")
        endif()
        if(NOT TARGET ecsdb_generate_components_program)
            add_executable(ecsdb_generate_components_program EXCLUDE_FROM_ALL "${ECSDB_GENERATE_COMPONENTS_SOURCE}")
            target_link_libraries(ecsdb_generate_components_program PRIVATE ecsdb::ecsdb)
        endif()
        set(generator ecsdb_generate_components_program)
    endif()

    # A folder of its own for each target: two may generate headers of one name.
    set(directory "${CMAKE_CURRENT_BINARY_DIR}/${target}_components")
    set(header "${directory}/${arg_HEADER}")
    cmake_path(GET header PARENT_PATH header_directory)
    file(MAKE_DIRECTORY "${header_directory}")
    add_custom_command(
        OUTPUT "${header}"
        COMMAND ${generator} "${schema}" "${header}" "${arg_NAMESPACE}"
        DEPENDS "${schema}" ${generator}
        COMMENT "Generating ${arg_HEADER} from ${stem}"
        VERBATIM)

    get_target_property(type "${target}" TYPE)
    string(MAKE_C_IDENTIFIER "${target}_${arg_HEADER}" step)
    add_custom_target(${step} DEPENDS "${header}")
    add_dependencies("${target}" ${step})
    if(type STREQUAL "INTERFACE_LIBRARY")
        target_include_directories("${target}" INTERFACE "$<BUILD_INTERFACE:${directory}>")
    else()
        # Public, because a library that has components usually shows them.
        target_include_directories("${target}" PUBLIC "$<BUILD_INTERFACE:${directory}>")
    endif()
endfunction()
