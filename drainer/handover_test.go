package drainer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// noting is a downstream that notes whose checkpoint it is opened at.
type noting struct {
	downstream.File
	foreign *[]bool
}

func (n noting) Open(ctx context.Context, site drainer.Site, from, until nodes.TSO) (sink.Sink, error) {
	*n.foreign = append(*n.foreign, site.Foreign)
	return n.File.Open(ctx, site, from, until)
}

// TestForeignCheckpoint: the downstream is told when the checkpoint is one that an upstream drainer
// has left, each time, and not when it is our own.
func TestForeignCheckpoint(t *testing.T) {
	r := newRig(t)
	var foreign []bool
	o := r.options("drainer1")
	o.Downstream = noting{foreign: &foreign}
	run := func() {
		t.Helper()
		d := r.open(o)
		began := r.tso()
		r.set(d.NodeID(), nodes.Paused)
		if err := r.ends(d); err != nil {
			t.Fatal(err)
		}
		if err := checkpoint.InDir(o.DataDir).Save(t.Context(), checkpoint.Position{CommitTS: began, ClusterID: r.cluster, Exact: true}); err != nil {
			t.Fatal(err) // as if something had been applied
		}
	}
	upstream := func() {
		t.Helper()
		text := fmt.Sprintf("commitTS = %d\nconsistent = true\nschema-version = 0\n\n[ts-map]\n  primary-ts = 0\n", r.tso())
		if err := os.WriteFile(filepath.Join(o.DataDir, checkpoint.FileName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	upstream()
	run()
	run()
	upstream()
	run()
	run()
	if got := fmt.Sprint(foreign); got != "[true false true false]" {
		t.Errorf("the checkpoints were foreign: %s", got)
	}
}
