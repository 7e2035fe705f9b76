package storage_test

import (
	"os"
	"path/filepath"
	"testing"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// TestKnown: what was remembered is known after a crash that tears the newer slot, and a log without the file is not
// judged unless it is empty.
func TestKnown(t *testing.T) {
	opts := storage.Options{Dir: t.TempDir(), SegmentBytes: 1 << 20, SyncLog: true}
	reopen := func(ts nodes.TSO, sure bool) *storage.Store {
		t.Helper()
		s, err := storage.Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if gotTS, gotSure := s.Known(); gotTS != ts || gotSure != sure {
			t.Errorf("known: %s, %v; want %s, %v", gotTS, gotSure, ts, sure)
		}
		return s
	}
	s := reopen(0, true)
	put(t, s, pre(1, 10), com(1, 2))
	if got := s.Reported(); got != 2 {
		t.Errorf("may report %s", got)
	}
	s.Close()
	s = reopen(2, false) // a log of an earlier version
	for _, ts := range []nodes.TSO{10, 20, 30, 25} {
		if err := s.Remember(ts); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Reported(); got != 30 {
		t.Errorf("may report %s", got)
	}
	s.Close()
	reopen(30, true).Close()
	name := filepath.Join(opts.Dir, "reported")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for slot := range 2 {
		torn := append([]byte(nil), b...)
		torn[slot*512+9] ^= 1
		if err := os.WriteFile(name, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		reopen([]nodes.TSO{20, 30}[slot], true).Close()
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil { // a crash when it was made
		t.Fatal(err)
	}
	reopen(2, false).Close()
}
