package drainer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
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

// TestCheckpointTable: a drainer that writes files may have its checkpoint in a server, and goes on from
// there, also from what an upstream drainer has left.
func TestCheckpointTable(t *testing.T) {
	r, srv := newRig(t), mariadbtest.Start(t)
	o := r.options("drainer1")
	o.Downstream = downstream.File{CheckpointTable: &downstream.CheckpointTable{Server: mysql.Server{Host: srv.Host, Port: srv.Port, User: "root"}, Table: "mine"}}
	run := func() nodes.TSO {
		t.Helper()
		d := r.open(o)
		at := r.record(d.NodeID()).MaxCommitTS
		r.set(d.NodeID(), nodes.Paused)
		if err := r.ends(d); err != nil {
			t.Fatal(err)
		}
		return at
	}
	first := run()
	if _, err := os.Stat(filepath.Join(o.DataDir, checkpoint.FileName)); !os.IsNotExist(err) {
		t.Errorf("there is a file with a checkpoint: %v", err)
	}
	db, later := srv.Open(), r.tso()
	var text string
	if err := db.QueryRow("SELECT checkPoint FROM tidb_binlog.mine WHERE clusterID = ?", fmt.Sprint(r.cluster)).Scan(&text); err != nil || !strings.Contains(text, fmt.Sprint(first)) {
		t.Errorf("the table has %q, %v; want %s in it", text, err, first)
	}
	if _, err := db.Exec("UPDATE tidb_binlog.mine SET checkPoint = ?", fmt.Sprintf(`{"consistent":true,"commitTS":%d,"ts-map":{},"schema-version":0}`, later)); err != nil {
		t.Fatal(err)
	}
	if at := run(); at < later {
		t.Errorf("the drainer goes on from %s, want %s", at, later)
	}
}
