package pump

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// TestPumpWithFewDescriptors runs a pump that may have 96 files open, and has 300 peers that make
// no call come again and again, while it writes through several segments. Writers and pullers, new
// ones too, are served, and who has been served keeps its place.
func TestPumpWithFewDescriptors(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	p := c.Node("pump1")
	args := append([]string{"-c", `ulimit -n 96 && exec "$0" "$@"`, programs.Path("pump"), "-addr", "127.0.0.1:0"}, p.Args...)
	p.Proc = rig.AwaitReady(t, rig.SpawnCommand(t, exec.Command("sh", args...)))
	_, p.Addr, _ = strings.Cut(p.Ready, " at ")

	// The same hosts as the writer's: nothing but what they send tells them apart.
	ctx, cancel := context.WithCancel(t.Context())
	var peers sync.WaitGroup
	defer peers.Wait()
	defer cancel()
	for i := range 300 {
		peers.Go(func() {
			for ctx.Err() == nil {
				idle(ctx, p.Addr, i%3)
			}
		})
	}
	writer := p.Client()
	pull := writer.Pull(0)
	value := make([]byte, 2<<20)
	var want []nodes.TSO
	for i := range 80 { // more than two segments of 64 MiB
		want = append(want, writer.Transaction(value))
		if i%10 == 9 { // others come
			cli, start := p.Client(), c.TSO()
			prewrite := rig.Payload(t, binlogpb.BinlogType_Prewrite, start, 0, []byte("v"))
			untilServed(t, func() error { return cli.Raw(prewrite) })
			ts, err := cli.Commit(start)
			if err != nil {
				t.Fatalf("a peer whose prewrite was taken lost its place: %v", err)
			}
			want = append(want, ts)
		}
	}
	last := want[len(want)-1]
	if got := pull.Until(last); !slices.Equal(got, want) {
		t.Errorf("%d of %d transactions are delivered", len(got), len(want))
	}
	late := p.Client()
	untilServed(t, func() error {
		got, err := late.Pull(want[70]).TryUntil(last)
		if err == nil && !slices.Equal(got, want[71:]) {
			t.Errorf("%d of %d transactions are delivered to a puller that comes late", len(got), len(want)-71)
		}
		if len(got) > 0 && err != nil {
			t.Fatalf("a puller lost its place after %d transactions: %v", len(got), err)
		}
		return err
	})
	p.HasState(nodes.Online)
	p.Says("all connections are in use", "max_connections=48", "LimitNOFILE")
	if n := strings.Count(p.Output(), "all connections are in use"); n > 4 {
		t.Errorf("it is said %d times", n)
	}
}

// untilServed repeats a newcomer's first call as TiDB and drainers do: while others wait, a peer has half a second for
// it, which on a busy machine can be too short.
func untilServed(t *testing.T, call func() error) {
	t.Helper()
	rig.Eventually(t, time.Minute, "a newcomer is served", func() (bool, string) {
		err := call()
		if err != nil && status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
		return err == nil, fmt.Sprint(err)
	})
}

// idle connects, sends as much of a beginning as kind says, and waits for the end.
func idle(ctx context.Context, addr string, kind int) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return // the pump's queue is full
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	if kind > 0 {
		_, _ = io.WriteString(nc, http2.ClientPreface) // it may be closed at any moment
	}
	if kind > 1 {
		_ = http2.NewFramer(nc, nil).WriteSettings()
	}
	_, _ = io.Copy(io.Discard, nc)
}

// TestPumpPeersThatDoNotBegin has peers closed that do not finish their beginning in 10 s, and
// SETTINGS acknowledged before any call, whoever takes the writes.
func TestPumpPeersThatDoNotBegin(t *testing.T) {
	for _, args := range [][]string{nil, {"-direct-writes=false"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			t.Parallel()
			c := rig.NewPumps(t, pdtest.StartEmbed(t))
			p := c.Start("pump1", args...)
			client, err := net.Dial("tcp", p.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_ = client.SetDeadline(time.Now().Add(2 * rig.Timeout))
			if _, err := io.WriteString(client, http2.ClientPreface); err != nil {
				t.Fatal(err)
			}
			fr := http2.NewFramer(client, client)
			if err := fr.WriteSettings(); err != nil {
				t.Fatal(err)
			}
			for acked := false; !acked; {
				f, err := fr.ReadFrame()
				if err != nil {
					t.Fatalf("SETTINGS are not acknowledged: %v", err)
				}
				s, ok := f.(*http2.SettingsFrame)
				acked = ok && s.IsAck()
			}
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), rig.Timeout)
			defer cancel()
			var peers sync.WaitGroup
			for kind := range 2 {
				peers.Go(func() { idle(ctx, p.Addr, kind) })
			}
			peers.Wait()
			if took := time.Since(began); ctx.Err() != nil || took < 9*time.Second {
				t.Errorf("closed after %v", took)
			}
			// One that is only idle is still there.
			if err := fr.WritePing(false, [8]byte{1}); err != nil {
				t.Fatal(err)
			}
			for {
				f, err := fr.ReadFrame()
				if err != nil {
					t.Fatalf("an idle client is closed: %v", err)
				}
				if pong, ok := f.(*http2.PingFrame); ok && pong.IsAck() {
					break
				}
			}
			pull := p.Client().Pull(0)
			ts := p.Client().Transaction([]byte("v"))
			if got := pull.Until(ts); !slices.Equal(got, []nodes.TSO{ts}) {
				t.Errorf("delivered %v", got)
			}
		})
	}
}
