#!/usr/bin/env bash
# Generates the gRPC stubs from the .proto files. They are never committed.
# Usage: clients/python/generate.sh VENV OUTPUT
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
venv="${1:?usage: $0 VENV OUTPUT}"
output="${2:?usage: $0 VENV OUTPUT}"
protos="$here/../../crates/proto/proto"

rm -rf "$output"
mkdir -p "$output"
(cd "$protos" && find holdfast -name '*.proto' -print0) |
    xargs -0 "$venv/bin/python" -m grpc_tools.protoc "--proto_path=$protos" "--python_out=$output" "--grpc_python_out=$output"
