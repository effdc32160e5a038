#!/usr/bin/env bash
# Makes a virtual environment with the pinned packages and the generated stubs; does nothing if it is there already.
# Usage: setup.sh VENV_DIRECTORY
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
venv="$1"
stamp="$venv/.ready-$(cat "$here/requirements.txt" "$here"/../../crates/proto/proto/holdfast/v1/*.proto | sha256sum | cut -c1-16)"
[ -e "$stamp" ] && exit 0
echo "making a Python environment in $venv" >&2
python3 -m venv "$venv" || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
"$venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
mkdir -p "$venv/stubs"
"$venv/bin/python" -m grpc_tools.protoc -I "$here/../../crates/proto/proto" --python_out "$venv/stubs" --grpc_python_out "$venv/stubs" \
  "$here"/../../crates/proto/proto/holdfast/v1/*.proto
touch "$stamp"
