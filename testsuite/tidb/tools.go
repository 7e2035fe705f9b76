//go:build tools

// Package tidb holds the version of the real TiDB that the tests run against (see
// build.sh). It is a module of its own so that TiDB's dependencies never meet the
// product's.
package tidb

import (
	_ "github.com/pingcap/tidb/dumpling/cmd/dumpling"
	_ "github.com/pingcap/tidb/tidb-server"
)
