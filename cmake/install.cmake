# `cmake --install`: the headers, and a package that finds the three dependencies again the way this build did.
if(ecsdb_fetched)
    list(JOIN ecsdb_fetched ", " missing)
    message(STATUS "ecsdb: no install target: ${missing} came with this build, and an installed ecsdb could not find it again")
    return()
endif()

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/ecsdb")
install(
    TARGETS ecsdb
    EXPORT ecsdbTargets
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(
    EXPORT ecsdbTargets
    NAMESPACE ecsdb::
    DESTINATION "${package_dir}")
# Apart, so that whoever does not ask for it needs no nlohmann-json.
if(TARGET ecsdb_json)
    install(TARGETS ecsdb_json EXPORT ecsdbJsonTargets)
    install(
        EXPORT ecsdbJsonTargets
        NAMESPACE ecsdb::
        DESTINATION "${package_dir}")
endif()
configure_package_config_file(cmake/ecsdbConfig.cmake.in "${PROJECT_BINARY_DIR}/ecsdbConfig.cmake" INSTALL_DESTINATION "${package_dir}")
# Until 1.0, a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ecsdbConfigVersion.cmake" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(
    FILES "${PROJECT_BINARY_DIR}/ecsdbConfig.cmake"
          "${PROJECT_BINARY_DIR}/ecsdbConfigVersion.cmake"
          cmake/FindConcurrentQueue.cmake
          cmake/FindTomlHeaders.cmake
          cmake/FindZstdLibrary.cmake
          cmake/ecsdb_generate_components.cmake
          tools/generate_components.cpp
    DESTINATION "${package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
