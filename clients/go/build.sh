#!/usr/bin/env bash
# Builds the verifier from Debian's packages golang-go and golang-golang-x-mod-dev alone; needs no network.
# Usage: clients/go/build.sh OUTPUT
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
output="$(realpath -m "${1:?usage: $0 OUTPUT}")"

if ! command -v go >/dev/null || [ ! -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; then
    echo "go or golang.org/x/mod is missing: install the Debian packages golang-go and golang-golang-x-mod-dev" >&2
    exit 1
fi
mkdir -p "$(dirname "$output")"
export GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS='' GOPROXY=off CGO_ENABLED=0
export GOCACHE="${GOCACHE:-$(dirname "$output")/go-cache}"
cd "$here"
go vet .
go build -o "$output" .
