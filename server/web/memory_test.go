package web

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"pumphouse/nodes"
)

// TestManyNodesMemory: the page and the metrics of 1,000 nodes that do not report are made of little
// memory. On a busy machine the collector cannot keep up with much more, and what the console has
// is for MySQL clients.
func TestManyNodesMemory(t *testing.T) {
	c := &cluster{snap: &nodes.Snapshot{}}
	for i := range 1000 {
		c.snap.Pumps = append(c.snap.Pumps, record(nodes.Pump, fmt.Sprintf("pump%04d", i), nodes.Online, time.Now().Add(-time.Hour), 0))
	}
	s, err := New(Options{View: c, Survey: c, Events: c})
	if err != nil {
		t.Fatal(err)
	}
	render := func() error { _, err := s.render(t.Context()); return err }
	gather := func() error { _, err := s.gatherer().Gather(); return err }
	if _, err := s.pages.shared.get(); err != nil { // the next one knows how large it is
		t.Fatal(err)
	}
	for _, made := range []struct {
		what string
		make func() error
		most uint64
	}{{"the page", render, 13 << 20}, {"the metrics", gather, 9 << 20}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := made.make(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		took := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d kB", made.what, took>>10)
		if took > made.most {
			t.Errorf("%s took %d kB, wanted %d at most", made.what, took>>10, made.most>>10)
		}
	}
}
