package drainer_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pumphouse/drainer"
	"pumphouse/nodes"
)

// TestCheckpointBeforeTheRecord: a drainer whose checkpoint is gone or older than what it told PD does not begin elsewhere without
// being told to.
func TestCheckpointBeforeTheRecord(t *testing.T) {
	r := newRig(t)
	o := r.options("drainer1")
	d := r.open(o)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	told := r.record("drainer1").MaxCommitTS
	if err := r.open(o).Close(); err != nil { // its own checkpoint is fine
		t.Fatal(err)
	}
	told = max(told, r.record("drainer1").MaxCommitTS)
	savepoint := filepath.Join(o.DataDir, "savepoint")
	refused := func(o drainer.Options, begin nodes.TSO) {
		t.Helper()
		d, err := drainer.New(o)
		if err != nil {
			t.Fatal(err)
		}
		err = d.Open(t.Context())
		var earlier *drainer.EarlierError
		if !errors.As(err, &earlier) || earlier.Recorded != told || begin != 0 && earlier.Begin != begin || !strings.Contains(err.Error(), "-accept-loss") {
			t.Fatal(err)
		}
		if got := r.record("drainer1"); got.MaxCommitTS != told || got.State != nodes.Paused {
			t.Errorf("the record afterwards: %+v", got)
		}
		if e, _, err := r.registry.Exit(t.Context(), nodes.Drainer, "drainer1"); err != nil || e.Code != nodes.ProblemDataMissing || !e.Starting {
			t.Errorf("the last exit: %+v, %v", e, err)
		}
	}
	if err := os.Remove(savepoint); err != nil {
		t.Fatal(err)
	}
	none := o
	none.InitialCommitTS = -1 // now: what is between would be skipped
	refused(none, 0)
	none.InitialCommitTS = told - 1
	refused(none, told-1)
	none.InitialCommitTS = told // where it was
	if err := r.open(none).Close(); err != nil {
		t.Fatal(err)
	}
	told = r.record("drainer1").MaxCommitTS
	if err := os.WriteFile(savepoint, []byte("commitTS = "+(told-5).String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(o, told-5)
	accept := o
	accept.AcceptLoss = true
	if err := r.open(accept).Close(); err != nil {
		t.Fatal(err)
	}
}
