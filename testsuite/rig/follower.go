package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Stored is how many records the process has stored since it runs.
func (n *PumpNode) Stored() int { return n.Storage().Records }

type StorageStatus struct {
	Records      int
	Unresolved   int
	LastCommitTS nodes.TSO
	Lost, Late   int
}

func (n *PumpNode) Storage() StorageStatus {
	n.c.T.Helper()
	_, body := n.Ask(http.MethodGet, "/status")
	var s struct{ Storage StorageStatus }
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		n.c.T.Fatalf("%v\n%s", err, body)
	}
	return s.Storage
}

// Delivered is one transaction as a drainer gets it.
type Delivered struct {
	Start, Commit int64
	Payload       []byte
}

// Everything pulls a pump from its beginning up to a commit TS.
func (n *PumpNode) Everything(last nodes.TSO) []Delivered {
	n.c.T.Helper()
	pull := n.Client().Pull(0)
	var all []Delivered
	for newest := int64(0); newest < int64(last); {
		r, err := pull.Recv()
		if err != nil {
			n.c.T.Fatalf("pull from %s: %v", n.ID, err)
		}
		m := r.Entity.Meta
		if m.GetCommitTs() <= newest {
			n.c.T.Fatalf("%s delivers commit TS %d after %d", n.ID, m.GetCommitTs(), newest)
		}
		newest = m.GetCommitTs()
		if m.GetStartTs() != newest {
			all = append(all, Delivered{m.GetStartTs(), newest, r.Entity.Payload})
		}
	}
	return all
}

// Follower pulls all the time as a drainer does, from where it was when the pump comes
// back.
type Follower struct {
	n    *PumpNode
	stop func()

	mu  sync.Mutex
	all []Delivered
}

func (n *PumpNode) Follow() *Follower {
	n.c.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &Follower{n: n}
	cli := n.Client(grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second}))
	var wg sync.WaitGroup
	wg.Go(func() {
		last := int64(0)
		for ctx.Err() == nil {
			last = f.pull(ctx, cli, last)
			time.Sleep(50 * time.Millisecond) // as drainers do between two tries
		}
	})
	f.stop = func() { cancel(); wg.Wait() }
	n.c.T.Cleanup(f.stop)
	return f
}

// pull follows one stream to its end and gives the commit TS it has come to.
func (f *Follower) pull(ctx context.Context, cli *Client, last int64) int64 {
	s, err := cli.PullBinlogs(ctx, &binlogpb.PullBinlogReq{ClusterID: cli.c.ClusterID, StartFrom: &binlogpb.Pos{Offset: last}})
	if err != nil {
		return last
	}
	for {
		r, err := s.Recv()
		if err != nil {
			return last
		}
		m := r.Entity.Meta
		if m.GetCommitTs() <= last {
			f.n.c.T.Errorf("%s sends commit TS %d after %d", f.n.ID, m.GetCommitTs(), last)
		}
		last = m.GetCommitTs()
		if m.GetStartTs() != last {
			f.mu.Lock()
			f.all = append(f.all, Delivered{m.GetStartTs(), last, r.Entity.Payload})
			f.mu.Unlock()
		}
	}
}

// Compare waits until it has all, and checks that it has each of them once.
func (f *Follower) Compare(all []Delivered) {
	f.n.c.T.Helper()
	Eventually(f.n.c.T, 20*time.Second, "the drainer has everything of "+f.n.ID, func() (bool, string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.all) >= len(all), fmt.Sprintf("%d of %d", len(f.all), len(all))
	})
	f.stop()
	same := func(a, b Delivered) bool {
		return a.Start == b.Start && a.Commit == b.Commit && string(a.Payload) == string(b.Payload)
	}
	if !slices.EqualFunc(f.all, all, same) {
		f.n.c.T.Errorf("who followed %s through its restarts got %d transactions, others than the %d that are pulled from its beginning", f.n.ID, len(f.all), len(all))
	}
}
