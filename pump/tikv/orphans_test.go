package tikv

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// TestOrphans: time counts from the first question about each, many at once are one line
// in the log, and what is not asked about any more is forgotten.
func TestOrphans(t *testing.T) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	o := orphans{timeout: time.Minute, log: log}
	noTiKV := errors.New("no TiKV")
	start := time.Now()
	ask := func(ts nodes.TSO, after time.Duration) storage.Verdict {
		v, _, err := o.judge(ts, start.Add(after), noTiKV)
		if (v == storage.RolledBack) != (err == nil) || err != nil && !errors.Is(err, noTiKV) {
			t.Errorf("%d after %s: %d, %v", ts, after, v, err)
		}
		return v
	}
	for ts := range nodes.TSO(100) {
		ask(ts+1, 0)
	}
	if v := ask(1000, 59*time.Second); v != storage.Unknown {
		t.Errorf("asked for the first time: %d", v)
	}
	for ts := range nodes.TSO(50) {
		if v := ask(ts+1, 59*time.Second); v != storage.Unknown {
			t.Errorf("before its time: %d", v)
		}
		if v := ask(ts+1, time.Minute); v != storage.RolledBack {
			t.Errorf("at its time: %d", v)
		}
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("50 orphans are %d lines in the log:\n%s", n, out.Bytes())
	}
	ask(2000, 4*time.Minute)
	if len(o.first) != 1 {
		t.Errorf("%d transactions are remembered, want only the last", len(o.first))
	}
	ask(2000, 5*time.Minute)
	if want := fmt.Sprintf("count=%d", 50); !bytes.Contains(out.Bytes(), []byte(want)) {
		t.Errorf("no %s in the log:\n%s", want, out.Bytes())
	}
}
