#!/bin/bash
# Makes .venv if it is missing and installs one set of pinned, hashed packages into it.
# Usage: scripts/venv.sh runtime|demo|test|benchmark|lint     (PYTHON=... chooses the interpreter)
set -euo pipefail
cd "$(dirname "$0")/.."
set_name=$1
venv=.venv

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if [[ -n $candidate ]] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    echo "Python 3.11 or newer is needed; set PYTHON to one." >&2
    return 1
}

# A copied or moved folder, or an interpreter that is gone, leaves a .venv that does not run.
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    # Debian keeps this module in a package of its own.
    "$python" -c 'import ensurepip' 2>/dev/null || scripts/install-debian.sh python3-venv
    echo "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

echo "Installing Python packages: requirements/$set_name.txt"
# The list is whole, so nothing is to be resolved. Older pip would otherwise look for the newest coverage[toml], which
# pytest-cov asks for by its extra, and refuse it as unpinned on the day a newer one than ours appears.
"$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --progress-bar off \
    --no-deps --require-hashes --requirement "requirements/$set_name.txt"
# pip compiles what it installs; other installers may not have, and then each start takes seconds more.
compgen -G "$venv/lib/python*/site-packages/pandas/__pycache__" >/dev/null ||
    "$venv/bin/python" -m compileall -qq -j 0 "$venv/lib" || true
touch "$venv/.installed-$set_name"
