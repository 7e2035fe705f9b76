#!/bin/sh
# Builds tidb-server-2024, the last TiDB that writes binlogs, into <repo>/.cache/bin and
# prints where it is. A build is redone only when this module or the Go version has changed;
# the first one takes ten CPU minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/.cache/bin
out=$bin/tidb-server-2024
mkdir -p "$bin"

# Two test processes may ask at the same time: the second waits and finds it built.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$bin/.tidb-server-2024.lock"
	flock 9
fi

key=$(cat "$here/go.mod" "$here/go.sum" "$here/build.sh" | sha256sum | cut -d' ' -f1)-$(go env GOVERSION)-$(go env GOARCH)
if [ ! -x "$out" ] || [ "$(cat "$out.key" 2>/dev/null)" != "$key" ]; then
	echo "building tidb-server-2024, this takes some minutes the first time" >&2
	# -checklinkname=0: TiDB's util/printer asks for runtime.buildVersion, which the linker of
	# newer Go versions keeps to itself. TiDBReleaseVersion becomes a part of SELECT VERSION().
	(cd "$here" && CGO_ENABLED=0 GOFLAGS= go build -mod=readonly -buildvcs=false -trimpath \
		-ldflags "-s -w -checklinkname=0 -X github.com/pingcap/tidb/pkg/parser/mysql.TiDBReleaseVersion=v8.3.0-alpha" \
		-o "$out.new" github.com/pingcap/tidb/cmd/tidb-server)
	mv "$out.new" "$out"
	echo "$key" >"$out.key"
fi
echo "$out"
