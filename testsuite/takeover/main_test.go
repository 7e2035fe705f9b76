// Package takeover replaces upstream's programs by ours in place, with what upstream's wrote.
package takeover

import (
	"testing"

	"pumphouse/testsuite/programs"
)

func TestMain(m *testing.M) { programs.Main(m) }
