//go:build tools

// Package tidb2024 holds the version of the last TiDB that writes binlogs, which the long
// tests run against (see build.sh and ../tidb).
package tidb2024

import _ "github.com/pingcap/tidb/cmd/tidb-server"
