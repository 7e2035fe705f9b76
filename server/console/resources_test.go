package console

import "testing"

// TestConnectionsWith: MySQL clients, those on their way in, readers of the page and the console's own
// files never need more than there are.
func TestConnectionsWith(t *testing.T) {
	for _, c := range []struct {
		files      uint64
		want, have int
	}{
		{1 << 20, 1024, 1024}, {1424, 1024, 1024}, {1423, 1024, 1023}, {1024, 1024, 624}, {1024, 100, 100}, {256, 1024, 1}, {0, 5, 1},
		{1<<64 - 1, 5000, 5000},
	} {
		if got := connectionsWith(c.files, c.want); got != c.have {
			t.Errorf("%d files, %d wanted: %d, want %d", c.files, c.want, got, c.have)
		}
	}
}
