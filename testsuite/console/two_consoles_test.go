package console

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/pd"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// changesEach is how many times each of two consoles changes the record.
const changesEach = 1000

// TestTwoConsolesChangeALiveNode: two consoles order the same node about while it
// heartbeats and obeys. Every order is in PD's history, whoever wrote next had seen it,
// the node never writes over it, and in the end obeys the last word.
func TestTwoConsolesChangeALiveNode(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, cluster *pdtest.Cluster) {
		cli := rig.Etcd(t, cluster.Endpoints())
		node := startNode(t, cluster)
		h := follow(t, cli)
		a, b := rig.StartConsole(t, cluster.Endpoints()), rig.StartConsole(t, cluster.Endpoints())
		// closing and online are the two states that a node can be ordered into without an
		// end: it stops taking writes, and takes them again.
		changeFromBoth(t, a, b, []string{"closing", "online"})

		var last string
		rig.Eventually(t, 10*time.Second, "the node obeys the last word", func() (bool, string) {
			last = stateOf(t, rig.Get(t, cli, rig.NodesPrefix+"pumps/pump1"))
			return string(node.agent.State()) == last, fmt.Sprintf("the node is %s, its record says %s", node.agent.State(), last)
		})
		versions := h.complete(t)["pumps/pump1"]
		orders := checkOrders(t, versions, a, b)
		if final := orders[len(orders)-1]; stateOf(t, final.raw) != last {
			t.Errorf("the last order was %s, and the record says %s", final.raw, last)
		}
		beats := 0
		for _, v := range versions {
			if isOrder(v) {
				continue
			}
			beats++
			if stateOf(t, v.raw) != stateOf(t, v.before) {
				t.Errorf("the node wrote over an order: %s became %s at revision %d", v.before, v.raw, v.revision)
			}
		}
		t.Logf("%d orders, %d writes of the node between them, %d orders carried out", len(orders), beats, node.obeyed)
		if beats < 20 || node.obeyed < 5 {
			t.Errorf("the node wrote %d times and obeyed %d times: it was not really there", beats, node.obeyed)
		}
	})
}

// TestTwoConsolesChangeADeadNode: nobody but the consoles writes, in all five states.
func TestTwoConsolesChangeADeadNode(t *testing.T) {
	cluster := pdtest.StartReal(t, 1)
	cli := rig.Etcd(t, cluster.Endpoints())
	rig.Put(t, cli, rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	h := follow(t, cli)
	a, b := rig.StartConsole(t, cluster.Endpoints()), rig.StartConsole(t, cluster.Endpoints())
	changeFromBoth(t, a, b, []string{"online", "pausing", "paused", "closing", "offline"})
	versions := h.complete(t)["pumps/pump1"]
	checkOrders(t, versions, a, b)
	if n := len(versions); n != 2*changesEach {
		t.Errorf("the record has %d new versions, want %d", n, 2*changesEach)
	}
}

// changeFromBoth has each console write states in a random order, one statement after
// the other. Every one must be acknowledged.
func changeFromBoth(t *testing.T, a, b *rig.Console, states []string) {
	seed := form.Seed(t)
	t.Helper()
	var wg sync.WaitGroup
	for i, c := range []*rig.Console{a, b} {
		db := c.Open(t)
		db.SetMaxOpenConns(1)
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			for n := range changesEach {
				state := states[r.IntN(len(states))]
				if _, err := db.Exec("CHANGE PUMP TO NODE_STATE = '" + state + "' FOR NODE_ID 'pump1'"); err != nil {
					t.Errorf("console %d, CHANGE %d to %s: %v", i, n, state, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

var (
	auditLine   = regexp.MustCompile(`(?m)^.*msg="CHANGE done".*$`)
	auditFields = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)
)

// audit reads the log lines of the CHANGEs that a console acknowledged.
func audit(c *rig.Console) (lines []map[string]string) {
	for _, line := range auditLine.FindAllString(c.Output(), -1) {
		fields := map[string]string{}
		for _, f := range auditFields.FindAllStringSubmatch(line, -1) {
			fields[f[1]] = strings.Trim(f[2], `"`)
		}
		lines = append(lines, fields)
	}
	return lines
}

// isOrder tells the versions in which nothing but the state is new: a live node always
// writes a new updateTS.
func isOrder(v version) bool {
	return blankState.ReplaceAllString(v.raw, "") == blankState.ReplaceAllString(v.before, "")
}

var blankState = regexp.MustCompile(`"state":"[a-z]+"`)

// checkOrders holds the consoles' log of what they acknowledged against PD's history:
// each CHANGE stands there exactly once, and replaced the version that its writer saw.
func checkOrders(t *testing.T, versions []version, consoles ...*rig.Console) []version {
	t.Helper()
	byRevision := map[int64]version{}
	var orders []version
	for _, v := range versions {
		byRevision[v.revision] = v
		if isOrder(v) {
			orders = append(orders, v)
		}
	}
	claimed := map[int64]bool{}
	for i, c := range consoles {
		lines := audit(c)
		if len(lines) != changesEach {
			t.Errorf("console %d logged %d CHANGEs, want %d", i, len(lines), changesEach)
		}
		for _, f := range lines {
			revision, err := strconv.ParseInt(f["revision"], 10, 64)
			if err != nil {
				t.Fatalf("log line %v: %v", f, err)
			}
			v, ok := byRevision[revision]
			switch {
			case !ok || !isOrder(v):
				t.Errorf("console %d says it wrote revision %d, which is no CHANGE in PD's history: %s", i, revision, v.raw)
			case claimed[revision]:
				t.Errorf("two CHANGEs were acknowledged for revision %d", revision)
			case stateOf(t, v.raw) != f["new_state"] || stateOf(t, v.before) != f["old_state"]:
				t.Errorf("revision %d went from %s to %s, and its writer says it went from %s to %s",
					revision, stateOf(t, v.before), stateOf(t, v.raw), f["old_state"], f["new_state"])
			}
			claimed[revision] = true
		}
	}
	if len(orders) != len(claimed) {
		t.Errorf("PD's history has %d orders, and %d were acknowledged", len(orders), len(claimed))
	}
	if len(orders) == 0 {
		t.FailNow()
	}
	return orders
}

// liveNode is a node without a service: it heartbeats fast, and obeys.
type liveNode struct {
	agent  *nodes.Agent
	obeyed int // orders carried out; read it when nothing is ordered any more
}

func startNode(t *testing.T, cluster *pdtest.Cluster) *liveNode {
	t.Helper()
	clock, err := pd.New(pd.Options{Endpoints: cluster.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	agent, err := nodes.NewAgent(nodes.AgentOptions{
		Kind: nodes.Pump, NodeID: "pump1", Host: "127.0.0.1:8250", Heartbeat: 20 * time.Millisecond,
		Registry: nodes.NewRegistry(rig.Etcd(t, cluster.Endpoints()), 5*time.Second), TSO: clock.TSO,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Register(t.Context(), nodes.Online); err != nil {
		t.Fatal(err)
	}
	n := &liveNode{agent: agent}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := agent.Run(ctx); err != nil {
			t.Errorf("the agent ended: %v", err)
		}
	})
	wg.Go(func() { n.obey(ctx, t) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		clock.Close()
	})
	return n
}

// obey carries orders out as they come, and thinks again when a newer one was first.
func (n *liveNode) obey(ctx context.Context, t *testing.T) {
	for {
		var order nodes.Order
		select {
		case in := <-n.agent.Orders():
			order = in.Order
		case <-ctx.Done():
			return
		}
		for {
			want := map[nodes.Order]nodes.State{nodes.Leave: nodes.Closing, nodes.Resume: nodes.Online}[order]
			if want == "" {
				t.Errorf("the node was ordered to %s", order)
				return
			}
			if want == n.agent.State() {
				break
			}
			err := n.agent.SetState(ctx, want)
			var newer *nodes.OrderedError
			if errors.As(err, &newer) {
				order = newer.Instruction.Order
				continue
			}
			if err != nil && ctx.Err() == nil {
				t.Errorf("set the state %s: %v", want, err)
			}
			n.obeyed++
			break
		}
	}
}
