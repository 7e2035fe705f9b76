package direct_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/pump/direct"
)

// testTimeout is how long a test waits for what should come at once.
const testTimeout = 20 * time.Second

const maxMessage = 6 << 20

// pump is what both ends serve: it records each payload, and refuses those that ask
// for it.
type pump struct {
	binlogpb.UnimplementedPumpServer
	hold func([]direct.Call) // before the calls are stored, if set
	next <-chan struct{}     // if set, when the next binlog of a pull is sent; it ends with it

	mu     sync.Mutex
	got    map[string]int // payloads that came directly
	others map[string]int // and by the gRPC server
}

func newPump() *pump { return &pump{got: make(map[string]int), others: make(map[string]int)} }

func outcome(payload string) error {
	if strings.HasPrefix(payload, "refuse ") {
		return status.Error(codes.Aborted, payload+": 100% nö\n")
	}
	return nil
}

func (p *pump) write(calls []direct.Call) {
	if p.hold != nil {
		p.hold(calls)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range calls {
		payload := string(calls[i].Payload)
		if calls[i].ClusterID != 7 {
			payload = "of another cluster"
		}
		p.got[payload]++
		calls[i].Err = outcome(payload)
	}
}

func (p *pump) WriteBinlog(_ context.Context, req *binlogpb.WriteBinlogReq) (*binlogpb.WriteBinlogResp, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.others[string(req.Payload)]++
	return &binlogpb.WriteBinlogResp{}, outcome(string(req.Payload))
}

// PullBinlogs sends three binlogs, after what next asks for, and ends.
func (p *pump) PullBinlogs(_ *binlogpb.PullBinlogReq, s grpc.ServerStreamingServer[binlogpb.PullBinlogResp]) error {
	if p.next != nil {
		for range p.next {
			if err := s.Send(&binlogpb.PullBinlogResp{Entity: &binlogpb.Entity{Payload: []byte("small")}}); err != nil {
				return err
			}
		}
	}
	for _, payload := range []string{"a", "b", "c"} {
		if err := s.Send(&binlogpb.PullBinlogResp{Entity: &binlogpb.Entity{Payload: []byte(payload)}}); err != nil {
			return err
		}
	}
	return nil
}

// stored tells how often a payload came directly and by the gRPC server.
func (p *pump) stored(payload string) (got, others int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[payload], p.others[payload]
}

func newServer(p *pump, change ...func(*direct.Options)) *direct.Server {
	g := grpc.NewServer(grpc.ForceServerCodecV2(binlogpb.Codec{}), grpc.MaxRecvMsgSize(maxMessage), grpc.InitialWindowSize(8<<20), grpc.InitialConnWindowSize(8<<20))
	binlogpb.RegisterPumpServer(g, p)
	o := direct.Options{Write: p.write, MaxMessage: maxMessage, MaxStreams: 4096, StreamWindow: 4 << 20, ConnWindow: 8 << 20}
	for _, c := range change {
		c(&o)
	}
	return direct.New(g, o)
}

// start serves a pump on a free port; at the end of the test nothing of it may be left.
func start(t testing.TB, p *pump, change ...func(*direct.Options)) (s *direct.Server, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = newServer(p, change...)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		noneLeft(t)
	})
	return s, l.Addr().String()
}

// noneLeft fails if a goroutine of a server is left. The last act of one is to say that it ends.
func noneLeft(t testing.TB) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for until := time.Now().Add(testTimeout); ; runtime.Gosched() {
		stacks := string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "pump/direct.(*") {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("goroutines are left:\n%s", stacks)
		}
	}
}

// dial gives a client that shares its connection with nobody.
func dial(t testing.TB, addr string, opts ...grpc.DialOption) binlogpb.PumpClient {
	t.Helper()
	return binlogpb.NewPumpClient(connect(t, addr, opts...))
}

func connect(t testing.TB, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	opts = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)
	cc, err := grpc.NewClient("passthrough:///"+addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

func write(c binlogpb.PumpClient, payload string, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*testTimeout)
	defer cancel()
	_, err := c.WriteBinlog(ctx, &binlogpb.WriteBinlogReq{ClusterID: 7, Payload: []byte(payload)}, opts...)
	return err
}

// within waits for a channel that is closed or written soon.
func within[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(testTimeout):
		t.Fatal("too long: ", what)
	}
	return v
}

// async runs f and tells when it has returned.
func async(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}
