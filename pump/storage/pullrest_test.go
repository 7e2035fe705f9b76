package storage

import (
	"context"
	"errors"
	"testing"
	"time"

	"pumphouse/nodes"
)

// held is how much memory a puller keeps of what it has read.
func (p *Puller) held() int {
	n := cap(p.log.single)
	for _, b := range p.log.blocks {
		n += cap(b.data)
	}
	return n
}

// TestPullerWaitsWithLittle: what a puller has read ahead while it caught up is not kept while it waits for more, and what
// comes then is read as before.
func TestPullerWaitsWithLittle(t *testing.T) {
	s := mustOpen(t, Options{Dir: t.TempDir()})
	defer s.Close()
	const most = 3 * keepAtRest // two blocks and a large record
	p, err := s.Pull(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ended, end := context.WithCancel(t.Context())
	end()
	ts := nodes.TSO(1)
	read := func(count, size int) {
		for range count {
			appendAll(t, s, Record{Type: Prewrite, StartTS: ts, Payload: payload(t, ts, size)}, Record{Type: Commit, StartTS: ts, CommitTS: ts + 1})
			ts += 2
		}
		first := ts - nodes.TSO(2*count) + 1
		for i := range nodes.TSO(count) {
			e, err := p.Next(t.Context())
			if err != nil || e.CommitTS != first+2*i || len(e.Payload) < size {
				t.Fatalf("got commit TS %s with %d bytes, %v; want %s with %d", e.CommitTS, len(e.Payload), err, first+2*i, size)
			}
		}
	}
	wait := func(d time.Duration) {
		p.read = p.read.Add(-d)
		if e, err := p.Next(ended); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %+v, %v after the last binlog", e, err)
		}
	}
	read(1000, 4<<10)
	wait(0)
	if got := p.held(); got <= most {
		t.Fatalf("it has only %d bytes just after it has caught up: this test shows nothing", got)
	}
	wait(restAfter)
	if got := p.held(); got > most {
		t.Errorf("it keeps %d bytes while it waits, want at most %d", got, most)
	}
	read(1, 6<<20)
	wait(restAfter)
	if got := p.held(); got > most {
		t.Errorf("it keeps %d bytes while it waits after a large binlog, want at most %d", got, most)
	}
	read(10, 100)
	wait(restAfter)
	small := p.held()
	read(10, 100)
	if got := p.held(); small == 0 || got > most {
		t.Errorf("it had %d bytes, then %d: what is small must be kept", small, got)
	}
}
