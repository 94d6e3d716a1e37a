# Configures, builds and runs one consumer project as a stranger would.
#   cmake -DPROJECT=<directory> -DBUILD=<directory> [-DOPTIONS=<cmake arguments>] [-DEXPECT_ERROR=<regex>] -P run.cmake
# With EXPECT_ERROR the build must fail, saying that.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${BUILD}")

function(run what)
    execute_process(
        COMMAND ${ARGN}
        OUTPUT_VARIABLE output
        ERROR_VARIABLE output
        RESULT_VARIABLE result)
    set(output "${output}" PARENT_SCOPE)
    set(result "${result}" PARENT_SCOPE)
    if(NOT result EQUAL 0 AND NOT what STREQUAL "allowed to fail")
        message(FATAL_ERROR "${what} failed:\n${output}")
    endif()
    message("${output}")
endfunction()

run("configuring" "${CMAKE_COMMAND}" -S "${PROJECT}" -B "${BUILD}" ${OPTIONS})
if(EXPECT_ERROR)
    run("allowed to fail" "${CMAKE_COMMAND}" --build "${BUILD}")
    if(result EQUAL 0)
        message(FATAL_ERROR "was built, but should have been refused")
    endif()
    if(NOT output MATCHES "${EXPECT_ERROR}")
        message(FATAL_ERROR "was refused, but not with the words '${EXPECT_ERROR}'")
    endif()
    return()
endif()
run("building" "${CMAKE_COMMAND}" --build "${BUILD}")
run("running" "${BUILD}/consumer")
