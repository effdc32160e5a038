#!/usr/bin/env bash
# Makes a Python environment with what the client needs, unless it is there already.
# Usage: clients/python/setup.sh DIRECTORY
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
venv="${1:?usage: $0 DIRECTORY}"

stamp="$venv/requirements.sha256"
wanted="$(sha256sum <"$here/requirements.txt")"
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "python3 with the module venv is missing: install the Debian packages python3 and python3-venv" >&2
    exit 1
fi
rm -rf "$venv"
python3 -m venv "$venv"
if ! "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"; then
    echo "the Python packages could not be installed: pip needs a package index, see its messages above" >&2
    exit 1
fi
echo "$wanted" >"$stamp"
