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

// TestOrphans: where there is no TiKV the age of the prewrite decides, and many at once are
// one line in the log.
func TestOrphans(t *testing.T) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	now := time.Now()
	r, err := New(Options{Endpoints: []string{"nowhere"}, OrphanTimeout: time.Minute, Logger: log, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	noTiKV := errors.New("no TiKV")
	ask := func(ts nodes.TSO, age time.Duration, want storage.Verdict) {
		t.Helper()
		v, _, err := r.rollBackAlone(storage.Question{StartTS: ts, Key: primary, Age: age}, noTiKV)
		if v != want || (v == storage.RolledBack) != (err == nil) || err != nil && !errors.Is(err, noTiKV) {
			t.Errorf("%d at the age of %s: %d, %v", ts, age, v, err)
		}
	}
	for ts := range nodes.TSO(50) {
		ask(ts+1, 59*time.Second, storage.Unknown)
		ask(ts+1, time.Minute, storage.RolledBack)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("50 orphans are %d lines in the log:\n%s", n, out.Bytes())
	}
	if v, _, err := r.rollBackAlone(storage.Question{StartTS: 1, Key: primary, Reported: true}, noTiKV); v != storage.RolledBack || err != nil {
		t.Errorf("TiDB says that it is rolled back: %d, %v", v, err)
	}
	now = now.Add(time.Minute)
	ask(2000, time.Hour, storage.RolledBack)
	if want := fmt.Sprintf("count=%d", 50); !bytes.Contains(out.Bytes(), []byte(want)) {
		t.Errorf("no %s in the log:\n%s", want, out.Bytes())
	}
}
