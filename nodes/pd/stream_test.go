package pd

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/pdpb"
	"google.golang.org/grpc"

	"pumphouse/nodes"
)

func TestReadTSO(t *testing.T) {
	const id, ms = 7, 1_700_000_000_000
	header := &pdpb.ResponseHeader{ClusterId: id}
	base := nodes.MakeTSO(time.UnixMilli(ms), 0)
	answer := func(count uint32, physical, logical int64, bits uint32) *pdpb.TsoResponse {
		return &pdpb.TsoResponse{Header: header, Count: count, Timestamp: &pdpb.Timestamp{Physical: physical, Logical: logical, SuffixBits: bits}}
	}
	good := []struct {
		name        string
		resp        *pdpb.TsoResponse
		first, step nodes.TSO
	}{
		{"one", answer(1, ms, 9, 0), base + 9, 1},
		{"the last of five", answer(5, ms, 9, 0), base + 5, 1},
		{"with a data centre's suffix", answer(3, ms, 0b1101, 2), base + 0b0101, 4},
		{"the whole millisecond", answer(1<<18, ms, 1<<18-1, 0), base, 1},
	}
	for _, c := range good {
		first, step, err := readTSO(c.resp, id, int(c.resp.Count))
		if err != nil || first != c.first || step != c.step {
			t.Errorf("%s: %d, %d, %v; want %d, %d", c.name, first, step, err, c.first, c.step)
		}
	}
	bad := map[string]*pdpb.TsoResponse{
		"nothing":             {},
		"no timestamp":        {Header: header, Count: 1},
		"another count":       answer(2, ms, 9, 0),
		"another cluster":     {Header: &pdpb.ResponseHeader{ClusterId: 8}, Count: 1, Timestamp: &pdpb.Timestamp{Physical: ms}},
		"an error":            {Header: &pdpb.ResponseHeader{ClusterId: id, Error: &pdpb.Error{Message: "not leader"}}, Count: 1},
		"negative":            answer(1, -1, 0, 0),
		"beyond 63 bits":      answer(1, 1<<45, 0, 0),
		"logical too large":   answer(1, ms, 1<<18, 0),
		"logical negative":    answer(1, ms, -1, 0),
		"suffix takes it all": answer(1, ms, 1, 40),
	}
	for name, resp := range bad {
		if first, _, err := readTSO(resp, id, 1); err == nil {
			t.Errorf("%s: taken for %d", name, first)
		}
	}
	if first, _, err := readTSO(answer(5, ms, 3, 0), id, 5); err == nil {
		t.Errorf("five up to the logical part 3: taken for %d", first)
	}
}

// wayward is a PD that gives the timestamps it is told to; no real one can be made to.
type wayward struct {
	pdpb.UnimplementedPDServer
	url   string
	stamp chan int64 // physical parts
}

func (w *wayward) GetMembers(context.Context, *pdpb.GetMembersRequest) (*pdpb.GetMembersResponse, error) {
	self := &pdpb.Member{Name: "w", MemberId: 1, ClientUrls: []string{w.url}}
	return &pdpb.GetMembersResponse{Header: &pdpb.ResponseHeader{ClusterId: 7}, Members: []*pdpb.Member{self}, Leader: self}, nil
}

func (w *wayward) Tso(stream pdpb.PD_TsoServer) error {
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		ms, ok := <-w.stamp
		if !ok {
			<-stream.Context().Done() // fall silent
			return nil
		}
		err = stream.Send(&pdpb.TsoResponse{
			Header: &pdpb.ResponseHeader{ClusterId: 7}, Count: req.GetCount(),
			Timestamp: &pdpb.Timestamp{Physical: ms, Logical: int64(req.GetCount())},
		})
		if err != nil {
			return err
		}
	}
}

// startWayward serves w and gives the address to ask it at. advertised, if not empty, is
// what it tells clients instead.
func startWayward(t *testing.T, w *wayward, advertised string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + ln.Addr().String()
	if advertised != "" {
		w.url = advertised
	}
	gs := grpc.NewServer()
	pdpb.RegisterPDServer(gs, w)
	served := make(chan error, 1)
	go func() { served <- gs.Serve(ln) }()
	t.Cleanup(func() { gs.Stop(); <-served })
	return ln.Addr().String()
}

func TestTimestampsThatGoBackAreRefused(t *testing.T) {
	w := &wayward{stamp: make(chan int64, 100)}
	c, err := New(Options{Endpoints: []string{startWayward(t, w, "")}, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.stamp <- 1000
	first, err := c.TSO(t.Context())
	if err != nil || first.Physical() != 1000 {
		t.Fatalf("got %d, %v", first, err)
	}
	for range 50 {
		w.stamp <- 999
	}
	if ts, err := c.TSO(t.Context()); !errors.Is(err, ErrBackwards) {
		t.Errorf("got %d, %v after %d; want ErrBackwards", ts, err, first)
	}
}

func TestPDThatFallsSilentIsLeft(t *testing.T) {
	w := &wayward{stamp: make(chan int64, 1)}
	c, err := New(Options{Endpoints: []string{startWayward(t, w, "")}, Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.stamp <- 1000
	if _, err := c.TSO(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(w.stamp)
	start := time.Now()
	if _, err := c.TSO(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a time-out", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestLeaderThatCannotBeReachedAsAdvertised: behind a tunnel PD is found at another
// address than the one it knows of itself.
func TestLeaderThatCannotBeReachedAsAdvertised(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	ln.Close()
	w := &wayward{stamp: make(chan int64, 1)}
	c, err := New(Options{Endpoints: []string{startWayward(t, w, "http://"+nobody)}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.stamp <- 1000
	if ts, err := c.TSO(t.Context()); err != nil || ts.Physical() != 1000 {
		t.Errorf("got %d, %v", ts, err)
	}
}
