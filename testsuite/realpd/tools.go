//go:build tools

// Package realpd holds nothing but the version of the PD server that the tests run
// against (see build.sh). It is a module of its own so that PD's dependencies never
// meet the product's.
package realpd

import _ "github.com/tikv/pd/cmd/pd-server"
