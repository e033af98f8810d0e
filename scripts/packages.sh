# Debian packages that the scripts need. To be sourced, not run.

packages_to_build="gcc libc6-dev make cmake pkg-config libyaml-dev libjansson-dev libopenmpi-dev openmpi-bin libhwloc-dev"
packages_to_test="libcmocka-dev iproute2 procps clang-format clang-tidy cppcheck"

# Installs those of the packages that are missing. A machine that has them all is left alone, offline or not.
install_missing() {
    local missing="" package as_root=""

    for package in "$@"; do
        dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    echo "== installing:$missing"
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "error: neither root nor sudo; please install:$missing" >&2
            return 1
        fi
        as_root="sudo"
    fi
    # Package lists that are missing or too old name nothing that can be fetched.
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
        { $as_root apt-get update -q &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }
}

# Configures and builds a preset of CMakePresets.json, quietly unless it fails.
build_preset() {
    local log

    log=$(mktemp)
    if cmake --preset "$1" >"$log" 2>&1 && cmake --build --preset "$1" -j "$(nproc)" >>"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    cat "$log"
    rm -f "$log"
    return 1
}
