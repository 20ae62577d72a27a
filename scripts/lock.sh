#!/bin/bash
# Writes requirements/*.txt: every package pinned with its hashes, for every platform, without an address.
# Each set contains the one before it, in the same versions, so that one .venv can hold all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
[[ -x $uv ]] || .venv/bin/python -m pip install --quiet uv

mkdir -p requirements
lock() {
    local name=$1
    shift
    # --no-config and the cleared variables: a mirror or folder of this machine must not leak in.
    env -u UV_FIND_LINKS -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_DEFAULT_INDEX -u UV_INDEX -u PIP_FIND_LINKS \
        "$uv" --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade \
        pyproject.toml "$@" --output-file "requirements/$name.txt.new"
    if grep -nE '://|--(index|extra|find|trusted)|^[^#]*@ ' "requirements/$name.txt.new"; then
        echo "requirements/$name.txt would hold an address; nothing was written." >&2
        exit 1
    fi
    { echo "# Written by \`make lock\` from pyproject.toml; do not edit."; cat "requirements/$name.txt.new"; } \
        >"requirements/$name.txt"
    rm "requirements/$name.txt.new"
}

lock runtime
lock demo --group demo --constraint requirements/runtime.txt
lock test --group demo --group test --constraint requirements/demo.txt
lock benchmark --group demo --group test --group benchmark --constraint requirements/test.txt
lock lint --group demo --group test --group lint --constraint requirements/test.txt
wc -l requirements/*.txt
