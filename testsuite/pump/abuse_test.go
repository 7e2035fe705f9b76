package pump

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestPumpBadInput sends what no TiDB and no drainer sends. Each gets an error that says
// what is wrong, nothing of it is delivered, and the pump goes on.
func TestPumpBadInput(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	p := c.Start("pump1", "-max-message-size", fmt.Sprint(110<<20))
	cli := p.Client()
	start := c.TSO()
	prewrite := func(start nodes.TSO, value []byte) []byte {
		return rig.Payload(t, binlogpb.BinlogType_Prewrite, start, 0, value)
	}
	commit := func(start, ts nodes.TSO) []byte { return rig.Payload(t, binlogpb.BinlogType_Commit, start, ts, nil) }
	preDDL, noKey := binlogpb.BinlogType_PreDDL, binlogpb.BinlogType_Prewrite
	at := int64(start)
	encode := func(b *binlogpb.Binlog) []byte {
		raw, err := binlogpb.EncodeBinlog(b)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, bad := range []struct {
		name    string
		payload []byte
		says    string
	}{
		{"garbage", []byte("\xff\xfe this is no protocol buffer"), "malformed"},
		{"cut short", prewrite(start, []byte("value"))[:5], "cut short"},
		{"no key", encode(&binlogpb.Binlog{Tp: &noKey, StartTs: &at, PrewriteValue: []byte("v")}), "no key"},
		{"unused type", encode(&binlogpb.Binlog{Tp: &preDDL, StartTs: &at, PrewriteKey: []byte("k")}), "not in use"},
		{"start TS 0", prewrite(0, nil), "start TS 0"},
		{"start TS below 0", prewrite(-5, nil), "start TS -5"},
		{"commit before start", commit(start, start), "not greater than start TS"},
		{"commit at 0", commit(start, 0), "not greater than start TS"},
	} {
		err := cli.Raw(bad.payload)
		if s := status.Convert(err); s.Code() != codes.InvalidArgument || !strings.Contains(s.Message(), bad.says) {
			t.Errorf("%s: %v, want InvalidArgument with %q", bad.name, err, bad.says)
		}
	}

	_, err := cli.WriteBinlog(t.Context(), &binlogpb.WriteBinlogReq{ClusterID: c.ClusterID + 1, Payload: prewrite(start, []byte("v"))})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), fmt.Sprint(c.ClusterID)) {
		t.Errorf("write to the wrong cluster: %v", err)
	}
	for _, bad := range []struct {
		name    string
		cluster uint64
		offset  int64
		code    codes.Code
	}{
		{"wrong cluster", c.ClusterID + 1, 0, codes.InvalidArgument},
		{"no cluster", 0, 0, codes.InvalidArgument},
		{"negative position", c.ClusterID, -1, codes.InvalidArgument},
		{"position in the future", c.ClusterID, int64(nodes.MakeTSO(time.Now().Add(24*time.Hour), 0)), codes.OutOfRange},
		{"the last position there is", c.ClusterID, 1<<63 - 1, codes.OutOfRange},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		s, err := cli.PullBinlogs(ctx, &binlogpb.PullBinlogReq{ClusterID: bad.cluster, StartFrom: &binlogpb.Pos{Offset: bad.offset}})
		if err == nil {
			_, err = s.Recv()
		}
		cancel()
		if status.Code(err) != bad.code {
			t.Errorf("pull, %s: %v, want %v", bad.name, err, bad.code)
		}
	}

	// What TiDB repeats is no error: it would repeat it for ten minutes.
	first := cli.Transaction([]byte("once"))
	twice, err := cli.Prewrite([]byte("twice"))
	if err != nil {
		t.Fatal(err)
	}
	second := c.TSO()
	for what, raw := range map[string][]byte{
		"the prewrite again":        prewrite(twice, []byte("twice")),
		"rollback without prewrite": rig.Payload(t, binlogpb.BinlogType_Rollback, start, 0, nil),
	} {
		if err := cli.Raw(raw); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 3 {
		if err := cli.Raw(commit(twice, second)); err != nil {
			t.Errorf("the commit: %v", err)
		}
	}
	if err := cli.Raw(commit(start, c.TSO())); err == nil || !strings.Contains(err.Error(), "prewrite is not stored here") {
		t.Errorf("a commit without a prewrite: %v", err)
	}
	if got := p.Metric("binlog_pump_loss_binlog_count"); got != "1" {
		t.Errorf("%s commits count as lost, want the one without a prewrite", got)
	}
	p.Says("prewrite is not stored here")

	large, err := cli.Prewrite(make([]byte, 100<<20))
	if err != nil {
		t.Fatalf("100 MiB: %v", err)
	}
	third, err := cli.Commit(large)
	if err != nil {
		t.Fatal(err)
	}
	// TiDB knows this text: it fails the transaction and goes on. ResourceExhausted with any
	// other text would stop the whole server.
	_, err = cli.Prewrite(make([]byte, 111<<20))
	if s := status.Convert(err); s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "received message larger than max") {
		t.Errorf("more than max-message-size: %v", err)
	}

	if got := cli.Pull(0).Until(third); !slices.Equal(got, []nodes.TSO{first, second, third}) {
		t.Errorf("delivered %v, want %v", got, []nodes.TSO{first, second, third})
	}
}

// TestPumpAbuse throws bytes at the port while TiDB writes and a drainer pulls.
func TestPumpAbuse(t *testing.T) {
	length := 10 * time.Second
	if form.Long() {
		length = 5 * time.Minute
	}
	const maxRSS = 300 << 20
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	p := c.Start("pump1", "-L", "error")
	seed := form.Seed(t)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var abused atomic.Int64
	var wg sync.WaitGroup
	for i, abuse := range []func(net.Conn, *rand.Rand) error{anyBytes, randomHTTP, randomFrames, randomMessages, halfMessage, endlessHeaders, manyStreams} {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for ctx.Err() == nil {
				conn, err := net.Dial("tcp", p.Addr)
				if err != nil {
					t.Errorf("the pump takes no connection: %v", err)
					return
				}
				conn.SetDeadline(time.Now().Add(2 * time.Second))
				// Whatever the pump does with such a peer is right as long as it lives.
				_ = abuse(conn, r)
				// It comes back when the pump is through with this, so that what counts is what one
				// peer costs and not who has more of the machine.
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
				abused.Add(1)
			}
		})
	}
	rig.HoldHalfOpen(t, p.Addr, 200)
	cli := p.Client()
	pull := cli.Pull(0)
	var peak int64
	n := 0
	for ; ctx.Err() == nil; n++ {
		began := time.Now()
		pull.Until(cli.Transaction([]byte("v")))
		if took := time.Since(began); took > 30*time.Second {
			t.Fatalf("a transaction took %v under abuse", took)
		}
		if peak = max(peak, p.RSS(t)); peak > maxRSS {
			t.Fatalf("resident memory %d MiB after %d abuses", peak>>20, abused.Load())
		}
	}
	wg.Wait()
	if n < 10 {
		t.Errorf("only %d transactions in %v of abuse", n, length)
	}
	t.Logf("%d abuses, %d transactions, peak %d MiB", abused.Load(), n, peak>>20)
	if got := p.Storage().Records; got != 2*n {
		t.Errorf("%d records are stored, %d were written", got, 2*n)
	}
	p.Signal(os.Interrupt) // it ends as it should although 200 connections say nothing
	p.Ends(0)
}

func bytesOf(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func anyBytes(c net.Conn, r *rand.Rand) error {
	_, err := c.Write(bytesOf(r, r.IntN(1<<12)))
	return err
}

func randomHTTP(c net.Conn, r *rand.Rand) error {
	starts := []string{"GET /status HTTP/1.1\r\nHost: x\r\n", "PUT /state/pump1/explode HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "PUT ", "GET /debug/binlog/"}
	_, err := c.Write(append([]byte(starts[r.IntN(len(starts))]), bytesOf(r, r.IntN(1<<14))...))
	return err
}

// hello begins HTTP/2 as a client and reads whatever comes.
func hello(c net.Conn) (*http2.Framer, error) {
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return nil, err
	}
	go io.Copy(io.Discard, c)
	f := http2.NewFramer(c, nil)
	return f, f.WriteSettings()
}

func randomFrames(c net.Conn, r *rand.Rand) error {
	f, err := hello(c)
	for err == nil {
		err = f.WriteRawFrame(http2.FrameType(r.IntN(12)), http2.Flags(r.IntN(256)), uint32(r.IntN(8)), bytesOf(r, r.IntN(200)))
	}
	return err
}

func call(f *http2.Framer, stream uint32, path string, more ...hpack.HeaderField) error {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, h := range append([]hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: path}, {Name: ":authority", Value: "x"}, {Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}}, more...) {
		if err := enc.WriteField(h); err != nil {
			return err
		}
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b.Bytes(), EndHeaders: true})
}

var paths = []string{"/binlog.Pump/WriteBinlog", "/binlog.Pump/PullBinlogs", "/binlog.Pump/Nothing", "/", "", "/binlog.Cistern/Notify"}

// randomMessages calls methods with messages that are none, some with a compressor.
func randomMessages(c net.Conn, r *rand.Rand) error {
	f, err := hello(c)
	for id := uint32(1); err == nil && id < 200; id += 2 {
		var more []hpack.HeaderField
		if r.IntN(2) == 0 {
			more = append(more, hpack.HeaderField{Name: "grpc-encoding", Value: []string{"gzip", "nonsense"}[r.IntN(2)]})
		}
		if err = call(f, id, paths[r.IntN(len(paths))], more...); err != nil {
			break
		}
		body := bytesOf(r, r.IntN(300))
		head := []byte{byte(r.IntN(3)), 0, 0, 0, 0}
		binary.BigEndian.PutUint32(head[1:], uint32(len(body)))
		err = f.WriteData(id, true, append(head, body...))
	}
	return err
}

// halfMessage announces a message of almost 1 GiB and sends a little of it.
func halfMessage(c net.Conn, r *rand.Rand) error {
	f, err := hello(c)
	if err == nil {
		err = call(f, 1, paths[0])
	}
	if err == nil {
		err = f.WriteData(1, false, append([]byte{0, 0x3f, 0xff, 0xff, 0xff}, bytesOf(r, 10_000)...))
	}
	time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond) // such a peer is slow
	return err
}

func endlessHeaders(c net.Conn, r *rand.Rand) error {
	f, err := hello(c)
	if err == nil {
		err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: bytesOf(r, 100)})
	}
	for err == nil {
		err = f.WriteContinuation(1, false, bytesOf(r, 1<<14))
	}
	return err
}

// manyStreams opens pulls and resets them.
func manyStreams(c net.Conn, _ *rand.Rand) error {
	f, err := hello(c)
	for id := uint32(1); err == nil && id < 2000; id += 2 {
		err = errors.Join(call(f, id, paths[1]), f.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	return err
}
