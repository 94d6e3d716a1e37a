# An overlay port: it builds the source tree it lies in.
#   vcpkg install ecsdb --overlay-ports=<ecsdb>/cmake/vcpkg/ports
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

# Only headers: there is nothing a debug build would add.
set(VCPKG_BUILD_TYPE release)

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DECSDB_BUILD_TESTS=OFF
        -DECSDB_BUILD_BENCH=OFF
        -DECSDB_BUILD_EXAMPLES=OFF
        -DECSDB_BUILD_TOOLS=OFF
        -DECSDB_INSTALL=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/ecsdb)

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
