#!/bin/sh
# Generates the Go code of every .proto file here. The two generators are pinned
# and built from Go modules; protoc itself must be on the PATH (Debian:
# protobuf-compiler; made with 3.21.12).
set -eu
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOFLAGS= GOBIN="$bin" go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOFLAGS= GOBIN="$bin" go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.1

gen() {
	PATH="$bin:$PATH" protoc -I "$root" \
		--go_out="$root" --go_opt=module=pumphouse \
		--go-grpc_out="$root" --go-grpc_opt=module=pumphouse "$@"
}
root=$(cd .. && pwd)
gen binlogpb/binlog.proto binlogpb/pump.proto binlogpb/cistern.proto
gen binlogpb/pbfile/pbfile.proto
gen binlogpb/pbkafka/pbkafka.proto
