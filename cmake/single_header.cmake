# `ecsdb_single_header` generates ecsdb_single.hpp: all of ecsdb in one file, for projects that copy rather than link.
set(ECSDB_SINGLE_HEADER "${PROJECT_BINARY_DIR}/single/ecsdb_single.hpp")
add_custom_command(
    OUTPUT "${ECSDB_SINGLE_HEADER}"
    COMMAND "${CMAKE_COMMAND}" -DROOT=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION} -DOUTPUT=${ECSDB_SINGLE_HEADER} -P
            "${PROJECT_SOURCE_DIR}/cmake/amalgamate.cmake"
    DEPENDS ${ecsdb_headers} "${PROJECT_SOURCE_DIR}/cmake/amalgamate.cmake"
    COMMENT "Generating ecsdb_single.hpp"
    VERBATIM)
add_custom_target(ecsdb_single_header DEPENDS "${ECSDB_SINGLE_HEADER}")
