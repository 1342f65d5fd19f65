# Shared by the commands in this folder: finds Python, makes .venv, installs what is missing.
# Sourced, not run. POSIX sh.

say() { printf '%s\n' "$*" >&2; }

root=$(cd "$(dirname "$0")/.." && pwd)
venv="$root/.venv"

find_python() {
    for candidate in python3.13 python3.12 python3.11 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3,11),(3,12),(3,13)))' 2>/dev/null
        then
            echo "$candidate"
            return
        fi
    done
}

# need_debian WHY PACKAGE...: install Debian packages that are missing, saying so first; elsewhere, or
# without the right to, say what to install and go on.
need_debian() {
    why=$1
    shift
    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
        say "Not a Debian system. For $why, install what Debian calls: $*"
        return 0
    fi
    missing=
    for package in "$@"; do
        if [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" != "install ok installed" ]; then
            missing="$missing $package"
        fi
    done
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as_root=sudo
        else
            say "For $why, please run: sudo apt-get install$missing"
            return 0
        fi
    fi
    $as_root apt-get update -qq >/dev/null 2>&1 || say "apt-get update failed; trying with what it knows."
    # shellcheck disable=SC2086 # a list of names
    size=$($as_root apt-get install --no-install-recommends --print-uris -qq $missing 2>/dev/null |
        awk '{ total += $3 } END { printf "%.0f", total / 1000000 }')
    say "For $why, installing Debian packages:$missing (about ${size:-?} MB to download)"
    # shellcheck disable=SC2086
    if ! DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing \
        >"$root/.apt.log" 2>&1; then
        say "apt-get could not install them (see .apt.log); going on without."
        return 0
    fi
    rm -f "$root/.apt.log"
}

# install_munas EXTRAS: make .venv and install munas editable; nothing happens when it is up to date.
install_munas() {
    extras=$1
    python=$(find_python)
    if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        need_debian "Python's virtual environments" python3 python3-venv
        python=$(find_python)
    fi
    if [ -z "$python" ]; then
        say "munas needs Python 3.11, 3.12 or 3.13 (python3 with its venv module). Install it and run this again."
        exit 2
    fi
    stamp="$venv/.munas-$(printf '%s' "$extras" | tr ',' '-')"
    wanted=$(cksum <"$root/pyproject.toml")
    if [ -x "$venv/bin/munas" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted $root" ]; then
        return 0
    fi
    if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        say "Making $venv with $("$python" --version)"
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    say "Installing munas[$extras] into .venv (TensorFlow among it: about 700 MB to download the first time)"
    if ! "$venv/bin/python" -m pip install -q --disable-pip-version-check -e "$root[$extras]" \
        >"$root/.pip.log" 2>&1; then
        grep -v '^WARNING' "$root/.pip.log" | tail -n 20 >&2
        say "pip could not install munas. The lines above say why."
        exit 3
    fi
    rm -f "$root/.pip.log"
    echo "$wanted $root" >"$stamp"
}
