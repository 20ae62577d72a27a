#!/bin/bash
# Runs every static check, also after one has failed, and names those that did.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=()

check() {
    local name=$1
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

check "ruff check" "$bin/ruff" check .
check "ruff format" "$bin/ruff" format --check .
check "mypy" "$bin/mypy"
check "import-linter" "$bin/lint-imports"
check "deptry" "$bin/deptry" .
while IFS= read -r recipe; do
    check "hadolint $recipe" "$bin/hadolint" "$recipe"
done < <(git ls-files --cached --others --exclude-standard -- '*Dockerfile' '*Dockerfile.*' '*.Dockerfile')

if [[ ${#failed[@]} -gt 0 ]]; then
    printf 'Failed: %s\n' "${failed[@]}"
    exit 1
fi
echo "All checks passed."
