#!/bin/bash
# Installs the Debian packages given as arguments, as far as they are missing. Starts no service:
# the demo runs its own copies on its own ports. Uses sudo when not root.
set -euo pipefail

# One at a time: the first to end would take the guard below away from the other.
exec 9<"$0"
flock 9

missing=()
for package in "$@"; do
    status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=(env)
if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || {
        echo "Missing Debian packages, and neither root nor sudo to install them: ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo env)
fi
apt_get() {
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -qq "$@" </dev/null
}

# What package scripts ask before they start a service; 101 means "not allowed". A machine that has an
# answer of its own keeps it.
guard=/usr/sbin/policy-rc.d
if [[ ! -e $guard ]]; then
    trap '"${as_root[@]}" rm -f "$guard"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$guard" >/dev/null
    "${as_root[@]}" chmod 755 "$guard"
fi

installed() { dpkg-query --show --showformat '${Package}\n' | sort -u; }
before=$(installed)

echo "Installing Debian packages: ${missing[*]}"
known() { apt-cache show -- "${missing[@]}" >/dev/null 2>&1; }
install() { apt_get install --yes --no-install-recommends -- "${missing[@]}" >/dev/null; }
# The lists of a fresh machine are empty, those of an old one may name files that are gone.
known || apt_get update
install || { apt_get update && install; }

# Nor at the next boot; what was there before keeps its setting.
if [[ -d /run/systemd/system ]]; then
    comm -13 <(echo "$before") <(installed) | xargs --no-run-if-empty dpkg-query --listfiles |
        sed -n 's#^\(/usr\)\?/lib/systemd/system/\([^@/]*\.service\)$#\2#p' |
        while read -r unit; do
            "${as_root[@]}" systemctl --quiet disable "$unit" </dev/null || true
        done
fi
