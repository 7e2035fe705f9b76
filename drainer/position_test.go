package drainer

import (
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// downTo is a sink that has everything downstream up to a commit TS.
type downTo struct {
	sink.Sink
	commitTS nodes.TSO
}

func (d downTo) Applied() nodes.TSO { return d.commitTS }

// TestCheckpointIsNotAhead: the checkpoint goes neither past what is downstream, nor, when that is of an earlier life, past
// what this one has decoded.
func TestCheckpointIsNotAhead(t *testing.T) {
	for _, c := range []struct{ downstream, passed, want nodes.TSO }{{5, 9, 5}, {9, 5, 5}, {7, 7, 7}} {
		d := &Drainer{sink: downTo{commitTS: c.downstream}}
		d.current.set(new(flow))
		d.passed.Store(int64(c.passed))
		if got := d.applied(); got != c.want {
			t.Errorf("downstream up to %s, decoded up to %s: %s, want %s", c.downstream, c.passed, got, c.want)
		}
	}
}
