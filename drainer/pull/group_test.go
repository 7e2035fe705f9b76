package pull

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/drainer/merge"
	"pumphouse/nodes"
)

// count tells how many lines of the log hold text.
func (r *running) count(level logrus.Level, text string) (n int) {
	for _, e := range r.logs.AllEntries() {
		if e.Level == level && strings.Contains(e.Message, text) {
			n++
		}
	}
	return n
}

func TestPullsFromEveryPumpThatIsNotOffline(t *testing.T) {
	c := newCluster(t)
	p1, p2, gone := newStation(t), newStation(t), newStation(t)
	c.record("p1", p1.addr, nodes.Online)
	c.record("p2", p2.addr, nodes.Paused)
	c.record("gone", gone.addr, nodes.Offline)
	r := c.run(Options{From: 100})
	p1.has(90, 110, 130, -200)
	p2.has(120, -200)
	if got := r.take(3); !slices.Equal(got, []int64{110, 120, 130}) {
		t.Errorf("got %v", got)
	}
	if at := <-p1.asked; at != 100 {
		t.Errorf("p1 was asked from %d, want the checkpoint 100", at)
	}
	if len(gone.asked) > 0 {
		t.Error("an offline pump was pulled from")
	}
	r.until("both pumps' positions", func() bool { // the times that follow the binlogs come when they come
		st := r.group.Status()
		return len(st) == 2 && st[0].Pump == "p1" && st[0].Reached && st[0].Position == 200 && st[1].State == nodes.Paused
	})
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := r.group.Notify(t.Context()); !errors.Is(err, ErrEnded) {
		t.Errorf("Notify after the end: %v", err)
	}
}

// A pump dies, is unreachable for a while and comes back, then comes back elsewhere: it is
// resumed where it was, and each outage is said once.
func TestResumesFromItsOwnPosition(t *testing.T) {
	c := newCluster(t)
	p1, p2 := newStation(t), newStation(t)
	c.record("p1", p1.addr, nodes.Online)
	c.record("p2", p2.addr, nodes.Online)
	r := c.run(Options{})
	p1.has(10, 20)
	p2.has(-1000)
	r.take(2)
	<-p1.asked
	p1.srv.Stop()
	r.until("the outage", func() bool { return !r.group.Status()[0].Reached })
	down := r.group.Status()[0]
	if down.Err == "" || down.Since.IsZero() || down.Position != 20 {
		t.Errorf("status: %+v", down)
	}
	r.until("another try", func() bool { return r.group.Status()[0].Err != down.Err || len(r.logs.AllEntries()) > 3 })
	p1.has(30)
	p1.listen(p1.addr)
	if got := r.take(1); got[0] != 30 {
		t.Errorf("got %v", got)
	}
	if at := <-p1.asked; at != 20 {
		t.Errorf("resumed from %d, want 20", at)
	}
	if again := r.group.Status()[0]; !again.Reached || !again.Since.After(down.Since) {
		t.Errorf("status: %+v", again)
	}

	moved := newStation(t)
	moved.has(10, 20, 30, 40)
	c.record("p1", moved.addr, nodes.Online) // the old address still answers
	if got := r.take(1); got[0] != 40 {
		t.Errorf("got %v", got)
	}
	if at := <-moved.asked; at != 30 {
		t.Errorf("resumed from %d, want 30", at)
	}
	if n := r.count(logrus.WarnLevel, "does not deliver"); n != 2 {
		t.Errorf("%d lines about 2 outages", n)
	}
	if n := r.count(logrus.InfoLevel, "delivers again"); n != 2 {
		t.Errorf("%d lines about 2 outages' ends", n)
	}
}

func TestPurgedPositionEndsEverything(t *testing.T) {
	c := newCluster(t)
	p1, p2 := newStation(t), newStation(t)
	purged := status.Error(codes.OutOfRange, "pump p1: purged up to 777")
	p1.refuse.Store(&purged)
	c.record("p1", p1.addr, nodes.Online)
	c.record("p2", p2.addr, nodes.Online)
	r := c.run(Options{From: 555})
	err := <-r.done
	r.done <- nil
	var pos *PositionError
	if !errors.As(err, &pos) || pos.Pump != "p1" || pos.Asked != 555 {
		t.Fatalf("Run: %v", err)
	}
	for _, want := range []string{"p1", p1.addr, "555", "777"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestOtherRefusalsAreTriedAgain(t *testing.T) {
	c := newCluster(t)
	p := newStation(t)
	wrong := status.Error(codes.InvalidArgument, "this pump belongs to cluster 1")
	p.refuse.Store(&wrong)
	c.record("p", p.addr, nodes.Online)
	r := c.run(Options{})
	<-p.asked
	<-p.asked
	if st := r.group.Status(); !strings.Contains(st[0].Err, "belongs to cluster 1") {
		t.Errorf("status: %+v", st)
	}
	p.refuse.Store(nil)
	p.has(10)
	r.take(1)
}

// The record says offline while the stream still delivers: the drainer goes on until the
// stream ends, then waits for the pump no more.
func TestOfflinePumpIsPulledFromUntilItsStreamEnds(t *testing.T) {
	c := newCluster(t)
	p1, p2 := newStation(t), newStation(t)
	c.record("p1", p1.addr, nodes.Online)
	c.record("p2", p2.addr, nodes.Online)
	r := c.run(Options{})
	p2.has(-1000)
	p1.has(10)
	r.take(1)
	c.record("p1", p1.addr, nodes.Offline)
	r.until("the record", func() bool { return r.group.Status()[0].State == nodes.Offline })
	p1.has(20, 30)
	if got := r.take(2); !slices.Equal(got, []int64{20, 30}) {
		t.Errorf("got %v", got)
	}
	p1.has(40) // delivered before the end, or not at all: the pump knows that it is not needed
	r.take(1)
	p1.finish()
	r.passed(1000)
	if st := r.group.Status(); len(st) != 1 || st[0].Pump != "p2" {
		t.Errorf("status: %+v", st)
	}

	// It comes back: from its own position, and everybody waits for it again.
	again := newStation(t)
	c.record("p1", again.addr, nodes.Paused)
	if err := r.group.Notify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := <-again.asked; at != 40 {
		t.Errorf("asked from %d, want 40", at)
	}
	p2.has(1010)
	again.has(1005, -1020)
	if got := r.take(2); !slices.Equal(got, []int64{1005, 1010}) {
		t.Errorf("got %v", got)
	}
}

// A dead pump holds back the merge until an operator sets it to offline, or deletes its record.
func TestDeadPumpHoldsUntilItIsOffline(t *testing.T) {
	for name, release := range map[string]func(c *cluster){
		"offline": func(c *cluster) { c.record("dead", "127.0.0.1:1", nodes.Offline) },
		"deleted": func(c *cluster) {
			if _, err := c.Etcd.Delete(c.t.Context(), nodes.Pump.Prefix()+"dead"); err != nil {
				c.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			p := newStation(t)
			c.record("p", p.addr, nodes.Online)
			c.record("dead", "127.0.0.1:1", nodes.Online) // nobody listens there
			r := c.run(Options{})
			p.has(10)
			r.until("the failure", func() bool {
				return len(r.group.Status()) == 2 && strings.Contains(r.group.Status()[0].Err, "refused")
			})
			short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if b, err := r.merger.Next(short); err == nil {
				t.Fatalf("%+v came out while a pump is dead", b)
			}
			// One that is paused comes back, and may have what nobody has pulled.
			c.record("dead", "127.0.0.1:1", nodes.Paused)
			r.until("the pause", func() bool { return r.group.Status()[0].State == nodes.Paused })
			short, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if b, err := r.merger.Next(short); err == nil {
				t.Fatalf("%+v came out while a pump is paused", b)
			}
			release(c)
			r.take(1)
		})
	}
}

// When Notify has returned, nothing passes what the new pump may have.
func TestNotifyLetsTheNewPumpTakePart(t *testing.T) {
	c := newCluster(t)
	p1, p2 := newStation(t), newStation(t)
	c.record("p1", p1.addr, nodes.Online)
	r := c.run(Options{})
	p1.has(10)
	r.take(1)
	c.record("p2", p2.addr, nodes.Paused)
	if err := r.group.Notify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.merger.Stats().Pumps; n != 2 {
		t.Fatalf("%d pumps take part after Notify, want 2", n)
	}
	p1.has(20, 30)
	p2.has(25, -40)
	if got := r.take(3); !slices.Equal(got, []int64{20, 25, 30}) {
		t.Errorf("got %v", got)
	}
}

func TestRecordThatCannotBeReadHolds(t *testing.T) {
	c := newCluster(t)
	p := newStation(t)
	c.record("p", p.addr, nodes.Online)
	c.put("odd", `{"nodeId":`)
	r := c.run(Options{})
	p.has(10)
	r.until("both", func() bool { st := r.group.Status(); return len(st) == 2 && st[1].Reached && st[0].Err != "" })
	r.until("the reason", func() bool { return strings.Contains(r.group.Status()[0].Err, "invalid pump record") })
	if at := r.merger.Stats().Passed; at != 0 {
		t.Errorf("passed %d", at)
	}
	odd := newStation(t)
	odd.has(5)
	c.record("odd", odd.addr, nodes.Online)
	if got := r.take(1); got[0] != 5 {
		t.Errorf("got %v", got)
	}
	// Broken again, it goes on where it was reached.
	c.put("odd", `nonsense`)
	r.until("the record", func() bool { return r.group.Status()[0].State == "" })
	odd.has(12)
	if got := r.take(1); got[0] != 10 {
		t.Errorf("got %v", got)
	}
}

func TestPumpOutOfOrderEndsEverything(t *testing.T) {
	c := newCluster(t)
	p := newStation(t)
	c.record("p", p.addr, nodes.Online)
	r := c.run(Options{})
	p.has(10, 20, 15)
	err := <-r.done
	r.done <- nil
	var d *merge.DisorderError
	if !errors.As(err, &d) || d.Pump != "p" || d.CommitTS != 15 || d.After != 20 {
		t.Fatalf("Run: %v", err)
	}
}

func TestStartWaitsForPD(t *testing.T) {
	c := newCluster(t)
	r := c.run(Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.group.Notify(ctx); err != nil { // waits for the first look
		t.Error(err)
	}
	if err := r.group.Run(ctx); err == nil {
		t.Error("a second Run is taken")
	}
}

// A drainer that cannot keep up stops reading; when it ends meanwhile, it ends at once.
func TestEndsWhileTheBufferIsFull(t *testing.T) {
	c := newCluster(t)
	p := newStation(t)
	c.record("p", p.addr, nodes.Online)
	r := c.run(Options{Merger: merge.New(merge.Options{BufferBytes: 1000})})
	for ts := int64(10); ts < 2000; ts += 2 {
		p.has(ts)
	}
	r.until("a full buffer", func() bool { return r.merger.Stats().QueuedBytes > 200 })
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if n := r.merger.Stats().QueuedBytes; n > 1000 {
		t.Errorf("%d bytes are queued", n)
	}
}

func TestGzip(t *testing.T) {
	c := newCluster(t)
	plain, packed := newStation(t), newStation(t)
	c.record("p", plain.addr, nodes.Online)
	plain.has(10)
	r := c.run(Options{})
	r.take(1)
	r.stop()
	c.record("p", packed.addr, nodes.Online)
	packed.has(10)
	r = c.run(Options{Gzip: true})
	r.take(1)
	if plain.gzip.Load() || !packed.gzip.Load() {
		t.Errorf("compressed: %v, %v; want false, true", plain.gzip.Load(), packed.gzip.Load())
	}
}
