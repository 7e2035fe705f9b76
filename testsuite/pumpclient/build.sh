#!/bin/sh
# Builds pumpclient, TiDB's own pump client behind JSON lines, into
# <repo>/.cache/bin/pumpclient and prints where it is. A build is redone only when this
# module or the Go version has changed; the first one takes a CPU minute.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/.cache/bin
out=$bin/pumpclient
mkdir -p "$bin"

# Two test processes may ask at the same time: the second waits and finds it built.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$bin/.pumpclient.lock"
	flock 9
fi

key=$(cat "$here/go.mod" "$here/go.sum" "$here/main.go" "$here/build.sh" | sha256sum | cut -d' ' -f1)-$(go env GOVERSION)-$(go env GOARCH)
if [ -x "$out" ] && [ "$(cat "$out.key" 2>/dev/null)" = "$key" ]; then
	echo "$out"
	exit 0
fi

echo "building pumpclient, this takes a minute the first time" >&2
cd "$here"
CGO_ENABLED=0 GOFLAGS= go build -mod=readonly -buildvcs=false -trimpath \
	-ldflags "-s -w" -o "$out.new" .
mv "$out.new" "$out"
echo "$key" >"$out.key"
echo "$out"
