#!/bin/sh
# Installs Dumpling, the dump program of the same TiDB, into <repo>/.cache/bin and prints where it is. Beside build.sh it
# costs a link, once: it shares nearly all packages with tidb-server.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd -P)/.cache/bin
mkdir -p "$bin"
bin=$(cd "$bin" && pwd -P)
if command -v flock >/dev/null 2>&1; then # two test processes may ask at the same time
	exec 9>"$bin/.dumpling.lock"
	flock 9
fi
cd "$here"
GOBIN=$bin CGO_ENABLED=0 GOFLAGS='' go install -mod=readonly -buildvcs=false -trimpath -ldflags "-s -w -checklinkname=0" github.com/pingcap/tidb/dumpling/cmd/dumpling
echo "$bin/dumpling"
