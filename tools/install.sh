#!/bin/sh
# usage: tools/install.sh LOCK STAMP
# Makes .venv if there is none and brings it to LOCK. Quick when STAMP says that this was done before.
set -eu

lock=$1
stamp=$2

stop() {
    echo "$1" >&2
    exit 1
}

recent() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2> /dev/null
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 python /usr/bin/python3; do
        if command -v "$name" > /dev/null && recent "$name"; then
            echo "$name"
            return
        fi
    done
    stop "Python 3.11 or newer was not found. Install it (Debian 12+, Ubuntu 24.04+: apt install python3 python3-venv; macOS: brew install python) and try again."
}

# pyproject.toml counts as well: it says what our own package consists of.
wanted=$(git hash-object "$lock" pyproject.toml 2> /dev/null) || stop "git was not found. Install it and try again."

if [ -x .venv/bin/python ] && recent .venv/bin/python; then
    [ "$(cat "$stamp" 2> /dev/null)" != "$wanted" ] || exit 0
else
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2> /dev/null \
        || stop "$python has no venv module. On Debian and Ubuntu: apt install python3-venv. Then try again."
    rm -rf .venv
    echo "Making .venv with $("$python" --version) …"
    "$python" -m venv .venv
fi

echo "Installing $lock (once; about a minute) …"
pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip --quiet"
# The lock is complete, so nothing is left to resolve: a resolver that looks for itself stumbles over extras
# (`coverage[toml]`) as soon as something newer than the lock is published. `pip check` proves that it is complete.
$pip install --require-hashes --no-deps --requirement "$lock"
$pip install --no-deps --no-build-isolation --editable .
$pip check
echo "$wanted" > "$stamp"
