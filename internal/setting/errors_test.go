package setting_test

import (
	"testing"

	"pumphouse/internal/setting"
)

// TestLeast: the least value is good, and one below it is named with the value, the limit and its unit.
func TestLeast(t *testing.T) {
	for _, c := range []struct {
		value, least int
		unit, want   string
	}{
		{1, 1, "minute", ""},
		{0, 0, "", ""},
		{0, 1, "minute", "k 0: must be at least 1 minute"},
		{2, 3, "", "k 2: must be at least 3"},
		{-1, 0, "", "k -1: must not be negative"},
	} {
		var errs setting.Errors
		errs.Least("k", c.value, c.least, c.unit)
		got := ""
		if err := errs.Join(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%d, at least %d: %q, want %q", c.value, c.least, got, c.want)
		}
	}
}
