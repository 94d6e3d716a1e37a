# What the scripts share: finding or installing the tools and libraries, and building a preset. Sourced, not run.
# Never asks a question: where it may not install, it says what to install and stops.

say() { printf '\n== %s\n' "$*"; }

jobs_here() { echo "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc 2>/dev/null || echo 2)}"; }

# has_header FILE: whether the compiler would find it in one of the usual places.
has_header() {
    local directory
    for directory in /usr/include /usr/local/include; do
        [ -e "$directory/$1" ] && return 0
    done
    return 1
}

has_package() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# What Debian's `package` is wanted for is there, from whatever source.
is_there() {
    case "$1" in
    cmake) command -v cmake ;;
    g++) command -v g++ ;;
    clang) command -v clang++ ;;
    ninja-build) command -v ninja ;;
    ccache) command -v ccache ;;
    libtomlplusplus-dev) has_header toml++/toml.h ;;
    libconcurrentqueue-dev) has_header concurrentqueue/concurrentqueue.h || has_header moodycamel/concurrentqueue.h ;;
    libzstd-dev) has_header zstd.h ;;
    catch2) has_header catch2/catch.hpp || has_header catch2/catch_all.hpp ;;
    libbenchmark-dev) has_header benchmark/benchmark.h ;;
    nlohmann-json3-dev) has_header nlohmann/json.hpp ;;
    *) has_package "$1" ;;
    esac >/dev/null 2>&1
}

# Runs apt-get as root, by right or by sudo where that needs no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}
may_install() { [ "$(id -u)" = 0 ] || { command -v sudo && sudo -n true; } >/dev/null 2>&1; }

apt_install() { as_root apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" </dev/null; }

# need_packages REQUIRED... [--optional PACKAGE...]: installs what is missing; without the optional ones it goes on.
need_packages() {
    local missing=() wanted=() optional=0 package
    for package in "$@"; do
        if [ "$package" = --optional ]; then
            optional=1
        elif ! is_there "$package"; then
            if [ $optional = 0 ]; then missing+=("$package"); else wanted+=("$package"); fi
        fi
    done
    [ ${#missing[@]} = 0 ] && [ ${#wanted[@]} = 0 ] && return 0

    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
        # Elsewhere CMake looks for the libraries itself and fetches what it does not find; it cannot fetch the tools.
        if ! command -v cmake >/dev/null 2>&1 || ! { command -v c++ || command -v g++ || command -v clang++; } >/dev/null 2>&1; then
            echo "needed: CMake 3.25 or newer, and GCC 12 or Clang 14 or newer; please install them and run this again" >&2
            return 1
        fi
        return 0
    fi
    if ! may_install; then
        [ ${#missing[@]} = 0 ] && return 0
        echo "missing packages, and no right to install them here (neither root nor password-less sudo). Please run, as root," >&2
        echo "    apt-get install ${missing[*]}" >&2
        echo "and then this again." >&2
        return 1
    fi
    say "installing ${missing[*]} ${wanted[*]}"
    as_root apt-get -o DPkg::Lock::Timeout=300 update </dev/null || echo "apt-get update failed; trying with the lists there are" >&2
    if [ ${#missing[@]} != 0 ] && ! apt_install "${missing[@]}"; then
        echo "apt-get could not install: ${missing[*]}" >&2
        return 1
    fi
    for package in "${wanted[@]}"; do
        apt_install "$package" || echo "$package is not to be had; going on without it" >&2
    done
    return 0
}

# What a preset is built with; clang only where it is wanted.
need_packages_for_preset() {
    local preset=$1 compilers=(g++)
    shift
    case "$preset" in
    asan | ubsan | tsan | clang) compilers+=(clang libclang-rt-dev) ;;
    esac
    need_packages "${compilers[@]}" cmake ninja-build libtomlplusplus-dev libconcurrentqueue-dev libzstd-dev catch2 libbenchmark-dev \
        --optional ccache nlohmann-json3-dev "$@"
}

# build_preset ROOT PRESET [cmake --build arguments]: configures and builds. CMake's default generator is used where ninja is not.
build_preset() {
    local root=$1 preset=$2
    shift 2
    if command -v ninja >/dev/null 2>&1; then
        export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
    fi
    say "configuring $preset"
    (cd "$root" && cmake --preset "$preset" -Wno-dev) || return 1
    say "building $preset"
    (cd "$root" && cmake --build --preset "$preset" --parallel "$(jobs_here)" "$@")
}
