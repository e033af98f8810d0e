# Debian packages that the scripts need, and how they build. To be sourced, not run.

packages_to_build="gcc libc6-dev make cmake pkg-config libyaml-dev libjansson-dev libopenmpi-dev openmpi-bin libhwloc-dev"
packages_to_test="libcmocka-dev clang-format clang-tidy cppcheck mpich libmpich-dev libsimgrid-dev
                  slurm-wlm munge"

# as_root COMMAND...: by sudo where need be.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs those of the packages that are missing. A machine that has them all is left alone, offline or not.
install_missing() {
    local missing=() package

    if ! command -v dpkg >/dev/null; then
        echo "note: this is no Debian; it has to have, by its own names: $*"
        return 0
    fi
    for package in "$@"; do
        dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "error: neither root nor sudo; please install: ${missing[*]}" >&2
        return 1
    fi
    echo "== installing: ${missing[*]}"
    # An image of Debian comes without package lists, and old lists name packages that are gone.
    if ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 && apt_install "${missing[@]}"; then
        return 0
    fi
    as_root apt-get update -qq && apt_install "${missing[@]}"
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Configures and builds a preset of CMakePresets.json, all of it or some targets, quietly unless it fails.
# usage: build_preset PRESET [--target TARGET...]
build_preset() {
    local preset=$1 log

    shift
    log=$(mktemp)
    if cmake --preset "$preset" >"$log" 2>&1 && cmake --build --preset "$preset" -j "$(nproc)" "$@" >>"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    cat "$log"
    rm -f "$log"
    return 1
}
