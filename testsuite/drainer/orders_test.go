package drainer

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestDrainerOrders gives orders to drainers that have something in flight: their Kafka broker
// does not answer before the test says so. A subtest finds no node in PD.
func TestDrainerOrders(t *testing.T) {
	all := rig.NewPumps(t, pdtest.StartReal(t, 1))
	for _, c := range []struct {
		name   string
		begin  func(*rig.DrainerNode)
		during nodes.State
		order  func(*rig.DrainerNode) // while it is in that state
		// hurried: it ends although the broker does not answer.
		hurried bool
		final   nodes.State
	}{
		{"a signal pauses when all is downstream", signalled, nodes.Pausing, nil, false, nodes.Paused},
		{"a second signal while pausing", signalled, nodes.Pausing, signalled, true, nodes.Paused},
		{"pausing, record online", signalled, nodes.Pausing, set(nodes.Online), false, nodes.Paused},
		{"pausing, record offline", signalled, nodes.Pausing, set(nodes.Offline), false, nodes.Paused},
		{"going offline waits too", set(nodes.Closing), nodes.Closing, nil, false, nodes.Offline},
		{"closing, record online", set(nodes.Closing), nodes.Closing, set(nodes.Online), false, nodes.Online},
		{"closing, record paused", set(nodes.Closing), nodes.Closing, set(nodes.Paused), false, nodes.Paused},
		{"closing, record offline", set(nodes.Closing), nodes.Closing, set(nodes.Offline), true, nodes.Offline},
		{"a signal while closing", set(nodes.Closing), nodes.Closing, signalled, true, nodes.Paused},
		{"actions while closing", set(nodes.Closing), nodes.Closing, actionsRefused, false, nodes.Offline},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := all.In(t)
			tr := p.NewTrade("pump1")
			k := newStalling(t)
			d := tr.Drainer("drainer1", "-dest-db-type", "kafka", "-config", rig.WriteFile(t, "drainer.toml", "[syncer.to]\nkafka-addrs = \""+k.ListenAddrs()[0]+"\"\ntopic-name = \"t\"\n")).Launch()
			d.Consumes(tr, tr.Sell("pump1"))
			before := d.Files(tr).Position()
			k.stall()
			last := tr.Sell("pump1")
			k.hangs()
			c.begin(d)
			d.ComesTo(c.during)
			d.Reaches(c.during)
			if c.order != nil {
				c.order(d)
			}
			if c.hurried {
				d.Ends(0)
				if at := d.Files(tr).Position(); at < before || at >= last {
					t.Errorf("the checkpoint is %s; the broker has not taken %s", at, last)
				}
				k.release()
			} else {
				select {
				case <-d.Done:
					t.Errorf("it did not wait for what is in flight:\n%s", d.Output())
				case <-time.After(300 * time.Millisecond):
				}
				k.release()
			}
			if c.final == nodes.Online {
				d.Reaches(nodes.Online)
				d.Consumes(tr, tr.Sell("pump1"))
			} else {
				d.Ends(0)
				d.HasState(c.final)
				if at := d.Files(tr).Position(); !c.hurried && at < last {
					t.Errorf("the checkpoint is %s, before %s, which was in flight", at, last)
				}
				d.Launch()
				d.Consumes(tr, tr.Sell("pump1"))
			}
			if got := k.commits(); !slices.Equal(got, tr.Commits()) {
				t.Errorf("the topic has %v, want %v", got, tr.Commits())
			}
		})
	}
}

func signalled(n *rig.DrainerNode) { n.Signal(syscall.SIGTERM) }

func set(s nodes.State) func(*rig.DrainerNode) { return func(n *rig.DrainerNode) { n.Change(s) } }

func actionsRefused(n *rig.DrainerNode) {
	for _, action := range []string{"pause", "close"} {
		code, body := n.Ask(http.MethodPut, "/state/drainer1/"+action)
		if code != http.StatusConflict || !strings.Contains(body, "this drainer's state is closing, apply "+action+" failed!") {
			n.Pumps.T.Errorf("%s while closing: %d %s", action, code, body)
		}
	}
	if out, ok := n.Pumps.Binlogctl("-cmd", "pause-drainer", "-node-id", "drainer1"); ok || !strings.Contains(out, "closing") {
		n.Pumps.T.Errorf("binlogctl takes the refusal for success: %s", out)
	}
}

// stalling is a Kafka broker that at times does not answer those who write.
type stalling struct {
	*kfake.Cluster
	t    testing.TB
	mu   sync.Mutex
	gate chan struct{} // nil: open
	hung chan struct{} // one for each request that waits
}

func newStalling(t testing.TB) *stalling {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	k := &stalling{Cluster: cluster, t: t, hung: make(chan struct{}, 100)}
	t.Cleanup(func() { k.release(); cluster.Close() })
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		k.mu.Lock()
		gate := k.gate
		k.mu.Unlock()
		if gate != nil {
			k.hung <- struct{}{}
			k.SleepControl(func() { <-gate })
		}
		return nil, nil, false
	})
	return k
}

func (k *stalling) stall() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gate = make(chan struct{})
}

func (k *stalling) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gate != nil {
		close(k.gate)
		k.gate = nil
	}
}

// hangs waits until somebody's write hangs.
func (k *stalling) hangs() {
	k.t.Helper()
	select {
	case <-k.hung:
	case <-time.After(time.Minute):
		k.t.Fatal("nobody writes to the broker")
	}
}

// commits reads the topic as its consumers do: what is not after the one before is dropped.
func (k *stalling) commits() (all []nodes.TSO) {
	k.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		k.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(k.t.Context(), time.Minute)
	defer cancel()
	for at, end := int64(0), k.PartitionInfo("t", 0).HighWatermark; at < end; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			k.t.Fatal(err)
		}
		for _, rec := range fetches.Records() {
			at = rec.Offset + 1
			var m pbkafka.Binlog
			if err := proto.Unmarshal(rec.Value, &m); err != nil {
				k.t.Fatal(err)
			}
			if ts := nodes.TSO(m.GetCommitTs()); len(all) == 0 || ts > all[len(all)-1] {
				all = append(all, ts)
			}
		}
	}
	return all
}
