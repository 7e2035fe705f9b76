package pull

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/drainer/merge"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/pump"
)

// upstream writes transactions to pumps as TiDB does.
type upstream struct {
	t *testing.T
	c *cluster

	mu      sync.Mutex
	commits []int64
}

func (u *upstream) startPump(id, dir string) *pump.Pump {
	u.t.Helper()
	return u.startPumpWith(pump.Options{Options: life.Options{NodeID: id, DataDir: dir}})
}

func (u *upstream) startPumpWith(opts pump.Options) *pump.Pump {
	u.t.Helper()
	opts.Addr, opts.Registry, opts.PD = "127.0.0.1:0", u.c.Registry, u.c.PD
	opts.StopWriteAtAvailable, opts.Heartbeat = 1, 100*time.Millisecond
	p, err := pump.New(opts)
	if err != nil {
		u.t.Fatal(err)
	}
	if err := p.Open(u.t.Context()); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { p.Close() })
	return p
}

func (u *upstream) send(p *pump.Pump, b *binlogpb.Binlog) error {
	conn, err := grpc.NewClient(p.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	payload, err := binlogpb.EncodeBinlog(b)
	if err != nil {
		return err
	}
	_, err = binlogpb.NewPumpClient(conn).WriteBinlog(u.t.Context(), &binlogpb.WriteBinlogReq{ClusterID: u.c.ClusterID, Payload: payload})
	return err
}

// write commits n transactions on a pump, and on every other one too every fifth.
func (u *upstream) write(n int, p *pump.Pump, others ...*pump.Pump) {
	for i := range n {
		pumps := []*pump.Pump{p}
		if i%5 == 0 {
			pumps = append(pumps, others...)
		}
		if err := u.commit(pumps...); err != nil {
			u.t.Error(err)
			return
		}
	}
}

func (u *upstream) commit(pumps ...*pump.Pump) error {
	start, err := u.c.PD.TSO(u.t.Context())
	if err != nil {
		return err
	}
	for _, p := range pumps {
		if err := u.send(p, &binlogpb.Binlog{StartTs: new(int64(start)), PrewriteKey: []byte("k"),
			PrewriteValue: fmt.Appendf(nil, "value of %d", start)}); err != nil {
			return err
		}
	}
	commit, err := u.c.PD.TSO(u.t.Context())
	if err != nil {
		return err
	}
	for _, p := range pumps {
		if err := u.send(p, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: new(int64(start)), CommitTs: new(int64(commit))}); err != nil {
			return err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.commits = append(u.commits, int64(commit))
	return nil
}

// want are all transactions in order, beginning with number from.
func (u *upstream) want(from int) []int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := slices.Clone(u.commits)
	slices.Sort(all)
	return all[from:]
}

// Real pumps, written to at the same time, one of them paused, moved to another port and
// gone in the end, and one that joins: every transaction comes out once, in order.
func TestRealPumps(t *testing.T) {
	c := newCluster(t)
	u := &upstream{t: t, c: c}
	dir := t.TempDir()
	p1, p2 := u.startPump("p1", t.TempDir()), u.startPump("p2", dir)
	r := c.run(Options{Gzip: true})
	both := func(a, b *pump.Pump) {
		var wg sync.WaitGroup
		wg.Go(func() { u.write(60, a, b) })
		wg.Go(func() { u.write(60, b) })
		wg.Wait()
	}
	both(p1, p2)
	if got := r.take(120); !slices.Equal(got, u.want(0)) {
		t.Fatalf("%d transactions, want those %d that were committed", len(got), len(u.want(0)))
	}

	if err := p2.Close(); err != nil {
		t.Fatal(err)
	}
	u.write(10, p1)
	r.until("the outage", func() bool { return !r.group.Status()[1].Reached })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for {
		b, err := r.merger.Next(ctx)
		if err != nil {
			break
		}
		if len(b.Items) > 0 {
			t.Fatalf("%d transactions came out while a pump is paused", len(b.Items))
		}
	}
	p2 = u.startPump("p2", dir)
	p3 := u.startPump("p3", t.TempDir())
	if err := r.group.Notify(t.Context()); err != nil {
		t.Fatal(err)
	}
	both(p2, p3)
	if got := r.take(130); !slices.Equal(got, u.want(120)) {
		t.Fatalf("%d transactions, want those %d that were committed", len(got), len(u.want(120)))
	}
	if st := r.merger.Stats(); st.Duplicates != 24 || st.Disorders != 0 {
		t.Errorf("%+v: want 24 second copies", st)
	}

	// No drainer's record is in PD, so the pump waits for none.
	if err := p2.Offline(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p2.Wait(); err != nil {
		t.Fatal(err)
	}
	u.write(5, p1)
	if got := r.take(5); !slices.Equal(got, u.want(250)) {
		t.Errorf("got %v, want %v", got, u.want(250))
	}
	r.until("the pump to be forgotten", func() bool { return len(r.group.Status()) == 2 })
}

// A checkpoint that is ahead of the cluster's clock is of another cluster.
func TestRealPumpRefusesAPositionInTheFuture(t *testing.T) {
	c := newCluster(t)
	u := &upstream{t: t, c: c}
	u.startPump("p1", t.TempDir())
	future := nodes.MakeTSO(time.Now().Add(100*time.Hour), 0)
	r := c.run(Options{From: future, Merger: merge.New(merge.Options{From: future})})
	err := <-r.done
	r.done <- nil
	var pos *PositionError
	if !errors.As(err, &pos) || pos.Asked != future {
		t.Errorf("Run: %v", err)
	}
}

// What a pump acknowledges reaches drainers: the largest message that it accepts, more than
// gRPC receives by default, and with a smaller max-message-size what was stored before.
func TestRealPumpDeliversTheLargestItAccepts(t *testing.T) {
	const limit = 5 << 20
	c := newCluster(t)
	u := &upstream{t: t, c: c}
	dir := t.TempDir()
	p := u.startPumpWith(pump.Options{Options: life.Options{NodeID: "p1", DataDir: dir}, MaxMessageSize: limit})
	start, err := c.PD.TSO(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	largest := &binlogpb.Binlog{StartTs: new(int64(start)), PrewriteKey: []byte("k"), PrewriteValue: make([]byte, limit)}
	for {
		payload, err := binlogpb.EncodeBinlog(largest)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := binlogpb.Codec{}.Marshal(&binlogpb.WriteBinlogReq{ClusterID: c.ClusterID, Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		over := msg.Len() - limit
		msg.Free()
		if over <= 0 {
			break
		}
		largest.PrewriteValue = largest.PrewriteValue[over:]
	}
	larger := &binlogpb.Binlog{StartTs: largest.StartTs, PrewriteKey: []byte("k"), PrewriteValue: make([]byte, len(largest.PrewriteValue)+1)}
	if err := u.send(p, larger); status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("one byte more than max-message-size: %v", err)
	}
	if err := u.send(p, largest); err != nil {
		t.Fatal(err)
	}
	commit, err := c.PD.TSO(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := u.send(p, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: largest.StartTs, CommitTs: new(int64(commit))}); err != nil {
		t.Fatal(err)
	}
	for _, gzip := range []bool{false, true} {
		r := c.run(Options{Gzip: gzip})
		if got := r.take(1); got[0] != int64(commit) {
			t.Errorf("gzip %t: got %v, want %d", gzip, got, commit)
		}
		r.stop()
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	u.startPumpWith(pump.Options{Options: life.Options{NodeID: "p1", DataDir: dir}, MaxMessageSize: 1000})
	if got := c.run(Options{}).take(1); got[0] != int64(commit) {
		t.Errorf("after max-message-size was lowered: got %v, want %d", got, commit)
	}
}

// A drainer that comes to where -repair has lost something is stopped, with both ends in the error; one that
// has passed it goes on.
func TestRealPumpStopsAtWhatRepairLost(t *testing.T) {
	c := newCluster(t)
	u := &upstream{t: t, c: c}
	dir := t.TempDir()
	p := u.startPump("p1", dir)
	u.write(20, p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	all := u.want(0)
	file := filepath.Join(dir, "binlog", "log-0000000001")
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	places := regexp.MustCompile("value of [0-9]+").FindAllIndex(log, -1)
	if len(places) != 20 {
		t.Fatalf("%d prewrites are in the log", len(places))
	}
	log[places[10][0]]++
	if err := os.WriteFile(file, log, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := pump.Repair(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	lost := all[10]
	if len(report.Lost) != 1 || int64(report.Lost[0]) != lost || len(report.Ranges) != 1 {
		t.Fatalf("%+v", report)
	}
	u.startPump("p1", dir)
	r := c.run(Options{})
	if got := r.take(10); !slices.Equal(got, all[:10]) {
		t.Errorf("before the gap: %v, want %v", got, all[:10])
	}
	err = <-r.done
	r.done <- nil
	var position *PositionError
	if !errors.As(err, &position) || int64(position.Asked) != lost-1 ||
		!strings.Contains(err.Error(), fmt.Sprint(lost-1)) || !strings.Contains(err.Error(), fmt.Sprint(lost)) {
		t.Errorf("Run: %v, want both ends of the gap: %d and %d", err, lost-1, lost)
	}
	after := c.run(Options{From: nodes.TSO(lost), Merger: merge.New(merge.Options{From: nodes.TSO(lost)})})
	if got := after.take(9); !slices.Equal(got, all[11:]) {
		t.Errorf("after the gap: %v, want %v", got, all[11:])
	}
}
