#!/bin/sh
# Builds the real pd-server that the tests run against into <repo>/.cache/bin/pd-server
# and prints where it is. A build is redone only when this module or the Go version has
# changed; the first one takes several CPU minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/.cache/bin
out=$bin/pd-server
mkdir -p "$bin"

# Two test processes may ask at the same time: the second waits and finds it built.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$bin/.pd-server.lock"
	flock 9
fi

key=$(cat "$here/go.mod" "$here/go.sum" "$here/build.sh" | sha256sum | cut -d' ' -f1)-$(go env GOVERSION)-$(go env GOARCH)
if [ -x "$out" ] && [ "$(cat "$out.key" 2>/dev/null)" = "$key" ]; then
	echo "$out"
	exit 0
fi

echo "building pd-server, this takes some minutes the first time" >&2
cd "$here"
CGO_ENABLED=0 GOFLAGS= go build -mod=readonly -buildvcs=false -trimpath -tags without_dashboard \
	-ldflags "-s -w -X github.com/tikv/pd/pkg/versioninfo.PDReleaseVersion=v8.1.0-alpha" \
	-o "$out.new" github.com/tikv/pd/cmd/pd-server
mv "$out.new" "$out"
echo "$key" >"$out.key"
echo "$out"
