package drainer

import (
	"testing"
	"time"

	"pumphouse/nodes"
)

func TestCatchUp(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	ts := func(lag time.Duration) nodes.TSO { return nodes.MakeTSO(now.Add(-lag), 0) }
	var c catchUp
	for _, s := range []struct {
		lag  time.Duration
		rows uint64
		want string
		eta  string
	}{
		{time.Hour, 0, "", ""}, // nothing to compare with yet
		{50 * time.Minute, 5000, "catching up with the upstream", "50s"}, // 610 s in 10 s: 60 s gained a second
		{50*time.Minute + 10*time.Second, 5000, "", ""},                  // it stands: that is said elsewhere
		{50*time.Minute + 10*time.Second, 6000, "catching up with the upstream", "unknown: the lag does not shrink"},
		{time.Second, 9000, "caught up with the upstream", ""},
		{time.Second, 9000, "", ""},
		{20 * time.Second, 9000, "", ""},
	} {
		now = now.Add(10 * time.Second)
		got, fields := c.look(now, s.lag, ts(s.lag), s.rows)
		if got != s.want || s.eta != "" && fields["eta"] != s.eta {
			t.Errorf("lag %s: %q %v, want %q with ETA %q", s.lag, got, fields, s.want, s.eta)
		}
		if s.rows == 5000 && s.want != "" && fields["rows_per_s"] != int64(500) {
			t.Errorf("%v, want 500 rows a second", fields)
		}
	}
}
