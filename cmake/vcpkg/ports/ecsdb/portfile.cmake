# An overlay port: it builds the source tree it lies in.
#   vcpkg install ecsdb --overlay-ports=<ecsdb>/cmake/vcpkg/ports
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

# Only headers: there is nothing a debug build would add.
set(VCPKG_BUILD_TYPE release)

# ecsdb::json is there if it is asked for, whatever else is installed.
vcpkg_check_features(
    OUT_FEATURE_OPTIONS json_options
    FEATURES json CMAKE_REQUIRE_FIND_PACKAGE_nlohmann_json
    INVERTED_FEATURES json CMAKE_DISABLE_FIND_PACKAGE_nlohmann_json)

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${json_options}
        -DECSDB_BUILD_TESTS=OFF
        -DECSDB_BUILD_BENCH=OFF
        -DECSDB_BUILD_EXAMPLES=OFF
        -DECSDB_INSTALL=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/ecsdb)

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
