# Runs the vcpkg port as vcpkg would, as far as that goes without vcpkg and a network: the port's own script, with vcpkg's functions
# stood in for by the least that they promise; then a project that finds the result.
#   cmake -DPORT=<directory> -DBUILD=<directory> -DVERSION=<version> -DOPTIONS=<cmake arguments> -DCONSUMER=<directory>
#         [-DJSON_CONSUMER=<directory>] -P run.cmake
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${BUILD}")

set(PORT_DIRECTORY "${PORT}")
foreach(manifest "${PORT_DIRECTORY}/vcpkg.json" "${PORT_DIRECTORY}/../../../../vcpkg.json")
    file(READ "${manifest}" json)
    string(JSON manifest_version GET "${json}" version-semver)
    if(NOT manifest_version STREQUAL VERSION)
        message(FATAL_ERROR "${manifest} says version ${manifest_version}; the library is ${VERSION}")
    endif()
    string(JSON dependencies GET "${json}" dependencies)
    foreach(dependency concurrentqueue tomlplusplus zstd)
        if(NOT dependencies MATCHES "\"${dependency}\"")
            message(FATAL_ERROR "${manifest} does not depend on ${dependency}")
        endif()
    endforeach()
endforeach()

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(PORT ecsdb)
# What `vcpkg install ecsdb[json]` would have chosen.
if(JSON_CONSUMER)
    set(FEATURES core json)
else()
    set(FEATURES core)
endif()
set(CURRENT_PACKAGES_DIR "${BUILD}/packages/${PORT}")
function(vcpkg_check_features)
    cmake_parse_arguments(arg "" "OUT_FEATURE_OPTIONS" "FEATURES;INVERTED_FEATURES" ${ARGN})
    list(GET arg_FEATURES 1 required)
    list(GET arg_INVERTED_FEATURES 1 disabled)
    if("json" IN_LIST FEATURES)
        set(${arg_OUT_FEATURE_OPTIONS} -D${required}=ON -D${disabled}=OFF PARENT_SCOPE)
    else()
        set(${arg_OUT_FEATURE_OPTIONS} -D${required}=OFF -D${disabled}=ON PARENT_SCOPE)
    endif()
endfunction()
function(vcpkg_cmake_configure)
    cmake_parse_arguments(arg "" "SOURCE_PATH" "OPTIONS" ${ARGN})
    run("${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${BUILD}/build" ${OPTIONS} ${arg_OPTIONS} -DCMAKE_BUILD_TYPE=Release
        "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}")
endfunction()
function(vcpkg_cmake_install)
    run("${CMAKE_COMMAND}" --build "${BUILD}/build" --target install)
endfunction()
# Moves the package to share/<port> and corrects how it finds the prefix from there.
function(vcpkg_cmake_config_fixup)
    cmake_parse_arguments(arg "" "CONFIG_PATH" "" ${ARGN})
    file(RENAME "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}" "${CURRENT_PACKAGES_DIR}/share/${PORT}")
    file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/cmake")
    file(GLOB all_targets "${CURRENT_PACKAGES_DIR}/share/${PORT}/*Targets.cmake")
    foreach(targets IN LISTS all_targets)
        file(READ "${targets}" text)
        string(
            REGEX
            REPLACE
                "get_filename_component\\(_IMPORT_PREFIX \"\\\${CMAKE_CURRENT_LIST_FILE}\" PATH\\)(\nget_filename_component\\(_IMPORT_PREFIX \"\\\${_IMPORT_PREFIX}\" PATH\\))*"
                "get_filename_component(_IMPORT_PREFIX \"\${CMAKE_CURRENT_LIST_FILE}\" PATH)\nget_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)\nget_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)"
                text
                "${text}")
        file(WRITE "${targets}" "${text}")
    endforeach()
endfunction()
function(vcpkg_install_copyright)
    cmake_parse_arguments(arg "" "" "FILE_LIST" ${ARGN})
    file(COPY_FILE "${arg_FILE_LIST}" "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright")
endfunction()

include("${PORT_DIRECTORY}/portfile.cmake")

# What vcpkg checks of a package after the port has run.
foreach(present include/ecsdb/ecsdb.hpp share/ecsdb/copyright share/ecsdb/ecsdbConfig.cmake share/ecsdb/usage)
    if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/${present}")
        message(FATAL_ERROR "the port installed no ${present}")
    endif()
endforeach()
foreach(absent debug lib bin share/doc)
    if(EXISTS "${CURRENT_PACKAGES_DIR}/${absent}")
        message(FATAL_ERROR "the port left ${absent} behind")
    endif()
endforeach()

run("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${BUILD}/consumer" ${OPTIONS} "-Decsdb_DIR=${CURRENT_PACKAGES_DIR}/share/ecsdb")
run("${CMAKE_COMMAND}" --build "${BUILD}/consumer")
run("${BUILD}/consumer/consumer")
if(JSON_CONSUMER)
    run("${CMAKE_COMMAND}" -S "${JSON_CONSUMER}" -B "${BUILD}/json_consumer" ${OPTIONS} "-Decsdb_DIR=${CURRENT_PACKAGES_DIR}/share/ecsdb")
    run("${CMAKE_COMMAND}" --build "${BUILD}/json_consumer")
    run("${BUILD}/json_consumer/consumer")
endif()
