package direct_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"

	"pumphouse/binlogpb"
	"pumphouse/pump/direct"
)

// TestWritersDoNotNoticeAGracefulEnd replaces the server under 50 writers again and again: no
// call fails, and each is stored once.
func TestWritersDoNotNoticeAGracefulEnd(t *testing.T) {
	p := newPump()
	var addr atomic.Value // of the server in charge
	serve := func() (*direct.Server, <-chan struct{}) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(p)
		served := async(func() {
			if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Serve: %v", err)
			}
		})
		addr.Store(l.Addr().String())
		return s, served
	}
	s, served := serve()
	inCharge := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr.Load().(string))
	})
	clients := []binlogpb.PumpClient{dial(t, "a", inCharge), dial(t, "b", inCharge), dial(t, "c", inCharge)}
	var stop atomic.Bool
	var sent atomic.Int64
	var all sync.WaitGroup
	for w := range 50 {
		all.Go(func() {
			for i := 0; !stop.Load(); i++ {
				payload := fmt.Sprintf("%d of %d", i, w)
				if err := write(clients[w%len(clients)], payload, grpc.WaitForReady(true)); err != nil {
					t.Errorf("%s: %v", payload, err)
				}
				if n, _ := p.stored(payload); n != 1 {
					t.Errorf("%s: stored %d times", payload, n)
				}
				sent.Add(1)
			}
		})
	}
	for range 10 {
		had := sent.Load()
		for sent.Load() < had+200 { // all write
			if t.Failed() {
				break
			}
		}
		next, nextServed := serve()
		within(t, "graceful end", async(s.GracefulStop))
		within(t, "Serve", served)
		s, served = next, nextServed
	}
	stop.Store(true)
	all.Wait()
	within(t, "graceful end", async(s.GracefulStop))
	within(t, "Serve", served)
	noneLeft(t)
	if len(p.got) != int(sent.Load()) || len(p.others) > 0 {
		t.Errorf("%d of %d calls stored, %d by the gRPC server", len(p.got), sent.Load(), len(p.others))
	}
}

// TestCallsUntilThePeerHasHeard sends calls after the first GOAWAY: they are served until the
// peer has answered the ping, and not after that.
func TestCallsUntilThePeerHasHeard(t *testing.T) {
	p := newPump()
	s, addr := start(t, p)
	r := dialRaw(t, addr)
	r.mute = true
	r.call(1, "before")
	r.answered(1, "0")
	r.open(3)
	ended := async(s.GracefulStop)
	r.until("GOAWAY", func() bool { return len(r.away) == 1 })
	if r.away[0].LastStreamID != 1<<31-1 {
		t.Errorf("the first GOAWAY fixes stream %d", r.away[0].LastStreamID)
	}
	r.call(5, "between")
	r.answered(5, "0")
	r.do(r.fr.WritePing(true, [8]byte{'g', 'o', 'o', 'd', 'b', 'y', 'e'}))
	r.call(7, "late")
	r.until("last GOAWAY", func() bool { return len(r.away) == 2 })
	if r.away[1].LastStreamID != 5 {
		t.Errorf("the last GOAWAY names stream %d, want 5", r.away[1].LastStreamID)
	}
	r.do(r.fr.WriteData(3, true, message("slow")))
	r.answered(3, "0")
	r.broken(http2.ErrCodeNo)
	within(t, "graceful end", ended)
	if n, _ := p.stored("late"); n != 0 || len(r.status) != 3 {
		t.Errorf("the late call is stored %d times; answers: %v", n, r.status)
	}
}

func TestStopCutsACallThatNeverEnds(t *testing.T) {
	s, addr := start(t, newPump())
	r := dialRaw(t, addr)
	r.open(1)
	r.do(r.fr.WriteData(1, false, message("half")[:6]))
	r.ping('a')
	ended := async(s.GracefulStop)
	r.until("GOAWAY", func() bool { return len(r.away) == 2 })
	r.ping('b')
	select {
	case <-ended:
		t.Fatal("a call that has begun is not waited for")
	default:
	}
	within(t, "stop", async(s.Stop))
	within(t, "graceful end", ended)
}

// TestGracefulEndOfConnectionsWithoutACall has what an end finds besides writers.
func TestGracefulEndOfConnectionsWithoutACall(t *testing.T) {
	p := newPump()
	s, addr := start(t, p)
	var silent []net.Conn
	for _, text := range []string{"", http2.ClientPreface[:7]} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		silent = append(silent, nc)
	}
	idle := dialRaw(t, addr)
	idle.ping('a') // it is begun
	first := dialRaw(t, addr)
	first.mute = true
	first.ping('a')
	ended := async(s.GracefulStop)
	idle.until("last GOAWAY", func() bool { return len(idle.away) == 2 })
	idle.broken(http2.ErrCodeNo)
	// The first call crosses the GOAWAY.
	first.until("GOAWAY", func() bool { return len(first.away) > 0 })
	first.call(1, "crossing")
	first.answered(1, "0")
	first.do(first.fr.WritePing(true, [8]byte{'g', 'o', 'o', 'd', 'b', 'y', 'e'}))
	first.broken(http2.ErrCodeNo)
	within(t, "graceful end", ended)
	for _, nc := range silent {
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
}
