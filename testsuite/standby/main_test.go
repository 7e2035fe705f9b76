package standby

import (
	"testing"

	"pumphouse/testsuite/programs"
)

func TestMain(m *testing.M) { programs.Main(m) }
