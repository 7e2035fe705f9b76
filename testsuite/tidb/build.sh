#!/bin/sh
# Builds what the tests use of the real TiDB into <repo>/.cache/bin: tidb-server-2023 and
# unistore (TiKV's part, see unistore/main.go). With the name of one as the argument it
# builds just that and prints where it is. A build is redone only when this module or the
# Go version has changed; the first one takes five to ten CPU minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/.cache/bin
mkdir -p "$bin"

# build NAME PACKAGE SOURCES...: the binary NAME, unless these sources have built it already.
build() {
	name=$1 pkg=$2
	shift 2
	out=$bin/$name

	# Two test processes may ask at the same time: the second waits and finds it built.
	if command -v flock >/dev/null 2>&1; then
		exec 9>"$bin/.$name.lock"
		flock 9
	fi
	key=$(cat "$here/go.mod" "$here/go.sum" "$here/build.sh" "$@" | sha256sum | cut -d' ' -f1)-$(go env GOVERSION)-$(go env GOARCH)
	if [ ! -x "$out" ] || [ "$(cat "$out.key" 2>/dev/null)" != "$key" ]; then
		echo "building $name, this takes some minutes the first time" >&2
		# -checklinkname=0: TiDB's util/printer asks for runtime.buildVersion, which the linker of
		# newer Go versions keeps to itself. TiDBReleaseVersion becomes a part of SELECT VERSION().
		(cd "$here" && CGO_ENABLED=0 GOFLAGS= go build -mod=readonly -buildvcs=false -trimpath \
			-ldflags "-s -w -checklinkname=0 -X github.com/pingcap/tidb/parser/mysql.TiDBReleaseVersion=v6.7.0-alpha" \
			-o "$out.new" "$pkg")
		mv "$out.new" "$out"
		echo "$key" >"$out.key"
	fi
	echo "$out"
}

case "${1:-all}" in
tidb-server-2023) build tidb-server-2023 github.com/pingcap/tidb/tidb-server ;;
unistore) build unistore ./unistore "$here"/unistore/*.go ;;
all)
	build tidb-server-2023 github.com/pingcap/tidb/tidb-server
	build unistore ./unistore "$here"/unistore/*.go
	;;
*)
	echo "build.sh: unknown binary $1" >&2
	exit 2
	;;
esac
