package direct_test

import (
	"fmt"
	"testing"

	"golang.org/x/net/http2"

	"pumphouse/pump/direct"
)

// hanging is a pump whose writes do not return until they are released.
func hanging() (p *pump, entered chan int, release chan struct{}) {
	p = newPump()
	entered, release = make(chan int, 1000), make(chan struct{})
	p.hold = func(calls []direct.Call) {
		entered <- len(calls)
		<-release
	}
	return p, entered, release
}

// TestAHangingDisk has pings answered and further calls read while a write hangs, and another,
// and everything answered when they come back.
func TestAHangingDisk(t *testing.T) {
	p, entered, release := hanging()
	s, addr := start(t, p, func(o *direct.Options) { o.MaxStreams = 40 })
	r := dialRaw(t, addr)
	next := uint32(1)
	call := func() {
		r.call(next, fmt.Sprint("call ", next))
		next += 2
	}
	call()
	within(t, "first write", entered)
	r.ping('a')
	call()
	within(t, "second write", entered)
	r.ping('b')
	for next < 2*40 {
		call()
	}
	r.ping('c')
	call() // one too many: those that hang count
	r.ping('d')
	if r.resets[next-2] != http2.ErrCodeRefusedStream || len(r.resets) != 1 || len(r.status) != 0 {
		t.Errorf("resets %v, answers %v", r.resets, r.status)
	}
	ended := async(s.GracefulStop)
	r.until("GOAWAY", func() bool { return len(r.away) == 2 })
	select {
	case <-ended:
		t.Fatal("the end does not wait for what hangs")
	default:
	}
	close(release)
	for id := uint32(1); id < 2*40; id += 2 {
		r.answered(id, "0")
		if n, _ := p.stored(fmt.Sprint("call ", id)); n != 1 {
			t.Errorf("call %d is stored %d times", id, n)
		}
	}
	r.ended() // by the server: the reader hears of the last answer
	within(t, "graceful end", ended)
	noneLeft(t)
}

// TestTheDiskComesBack goes on as before with the reader that was there last.
func TestTheDiskComesBack(t *testing.T) {
	p, entered, release := hanging()
	_, addr := start(t, p)
	r := dialRaw(t, addr)
	r.call(1, "one")
	within(t, "write", entered)
	r.ping('a')
	r.call(3, "two")
	within(t, "write", entered)
	close(release)
	r.answered(1, "0")
	r.answered(3, "0")
	for id := uint32(5); id < 500; id += 2 {
		r.call(id, fmt.Sprint("call ", id))
		r.answered(id, "0")
	}
	if len(r.status) != 250 {
		t.Errorf("%d answers", len(r.status))
	}
}

// TestStopDuringAHangWaitsForTheWrite: what is being stored uses what belongs to others.
func TestStopDuringAHangWaitsForTheWrite(t *testing.T) {
	p, entered, release := hanging()
	s, addr := start(t, p)
	r := dialRaw(t, addr)
	r.call(1, "one")
	within(t, "write", entered)
	r.ping('a') // there are two now
	stopped := async(s.Stop)
	for r.gone == nil {
		r.read()
	}
	select {
	case <-stopped:
		t.Error("Stop returns while a write is under way")
	default:
	}
	close(release)
	within(t, "stop", stopped)
}
