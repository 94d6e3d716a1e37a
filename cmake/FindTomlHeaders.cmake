# Finds the headers of toml++ and nothing more. Makes TomlHeaders::TomlHeaders.
# The package's own target is avoided on purpose: Debian's links a library that was compiled with exceptions, and without them
# fails to link; the headers alone work either way.
if(TARGET tomlplusplus::tomlplusplus)
    get_target_property(_tomlheaders_known tomlplusplus::tomlplusplus INTERFACE_INCLUDE_DIRECTORIES)
endif()
find_path(
    TomlHeaders_INCLUDE_DIR
    NAMES toml++/toml.h
    HINTS ${_tomlheaders_known}
    DOC "Where toml++ is")
unset(_tomlheaders_known)
mark_as_advanced(TomlHeaders_INCLUDE_DIR)

if(TomlHeaders_INCLUDE_DIR)
    foreach(_tomlheaders_file version.h impl/version.h)
        if(EXISTS "${TomlHeaders_INCLUDE_DIR}/toml++/${_tomlheaders_file}")
            file(READ "${TomlHeaders_INCLUDE_DIR}/toml++/${_tomlheaders_file}" _tomlheaders_text)
            set(TomlHeaders_VERSION "")
            foreach(_tomlheaders_part MAJOR MINOR PATCH)
                if(_tomlheaders_text MATCHES "define[ \t]+TOML_LIB_${_tomlheaders_part}[ \t]+([0-9]+)")
                    list(APPEND TomlHeaders_VERSION "${CMAKE_MATCH_1}")
                endif()
            endforeach()
            list(JOIN TomlHeaders_VERSION "." TomlHeaders_VERSION)
        endif()
    endforeach()
    unset(_tomlheaders_text)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    TomlHeaders
    REQUIRED_VARS TomlHeaders_INCLUDE_DIR
    VERSION_VAR TomlHeaders_VERSION)

if(TomlHeaders_FOUND AND NOT TARGET TomlHeaders::TomlHeaders)
    add_library(TomlHeaders::TomlHeaders INTERFACE IMPORTED GLOBAL)
    target_include_directories(TomlHeaders::TomlHeaders INTERFACE "${TomlHeaders_INCLUDE_DIR}")
endif()
