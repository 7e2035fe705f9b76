package main

import (
	"testing"

	"pumphouse/internal/setting"
	"pumphouse/testsuite/secrettest"
)

// TestConfigHidesSecrets: what GET /config and the log show of a configuration has no secret, whatever key it stands in.
func TestConfigHidesSecrets(t *testing.T) { secrettest.Hidden(t, &config{}, setting.Shown) }
