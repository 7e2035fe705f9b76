package testsuite

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pumphouse/drainer"
	"pumphouse/nodes"

	"google.golang.org/grpc"
)

// trade is a shop whose pumps are processes, and what its drainers have to bring downstream.
type trade struct {
	*shop
	c  *pumps
	mu sync.Mutex
	// want is every transaction so far; sold counts the rows.
	want []written
	sold int64
}

// newTrade starts pumps, the first of which takes the DDL of a table.
func (c *pumps) newTrade(ids ...string) *trade {
	c.t.Helper()
	var started []*pumpNode
	for _, id := range ids {
		started = append(started, c.start(id))
	}
	return c.newTradeOf(started...)
}

// newTradeOf is newTrade with pumps that run.
func (c *pumps) newTradeOf(started ...*pumpNode) *trade {
	c.t.Helper()
	tr := &trade{c: c, shop: &shop{TB: c.t, registry: c.registry, pd: c.pd, cluster: c.cluster, jobs: c.t.TempDir(), conns: map[string]*grpc.ClientConn{}}}
	for _, p := range started {
		tr.open(p)
	}
	first := started[0].id
	tr.want = []written{
		{tr.createDatabase(first), "create database test;"},
		{tr.createTable(first, firstTable), "use `test`; create table t100 (id bigint primary key, v varchar(100));"},
	}
	return tr
}

// open connects to a pump that has been started.
func (tr *trade) open(p *pumpNode) *pumpNode {
	tr.Helper()
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(tr.c.credentials()))
	if err != nil {
		tr.Fatal(err)
	}
	tr.Cleanup(func() { conn.Close() })
	tr.shop.mu.Lock()
	defer tr.shop.mu.Unlock()
	tr.conns[p.id] = conn
	return p
}

// sell writes a row to a pump.
func (tr *trade) sell(pump string) nodes.TSO {
	tr.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.sold++
	ts := tr.insert(pump, firstTable, tr.sold, "x")
	tr.want = append(tr.want, written{ts, fmt.Sprintf("t100 %d x", tr.sold)})
	return ts
}

// sellOn writes rows to the pumps in turn until the function is called, which gives the last.
func (tr *trade) sellOn(pumps ...string) (stop func() nodes.TSO) {
	quit, last := make(chan struct{}), make(chan nodes.TSO, 1)
	go func() {
		var ts nodes.TSO
		for i := 0; ; i++ {
			ts = tr.sell(pumps[i%len(pumps)])
			select {
			case <-quit:
				last <- ts
				return
			default:
			}
		}
	}()
	return func() nodes.TSO { close(quit); return <-last }
}

// drainer prepares one that begins at the beginning.
func (tr *trade) drainer(id string, args ...string) *drainerNode {
	n := tr.c.newDrainer(id)
	n.args = append(append(n.args, "-schema-dir", tr.jobs, "-initial-commit-ts", "0"), args...)
	return n
}

// files is the drainer's data directory.
func (n *drainerNode) files(tr *trade) *files {
	return &files{u: tr.shop, opts: drainer.Options{NodeID: n.id, DataDir: n.dir}, log: new(lines)}
}

// exact checks that downstream is everything, once and in order.
func (n *drainerNode) exact(tr *trade) {
	tr.Helper()
	if got := n.files(tr).written(); !slices.Equal(got, tr.want) {
		tr.Errorf("downstream are %d transactions, want %d:\n%v\n%v", len(got), len(tr.want), got, tr.want)
	}
}

func (n *drainerNode) consumes(tr *trade, ts nodes.TSO) {
	n.c.t.Helper()
	f := n.files(tr)
	eventually(n.c.t, 20*time.Second, fmt.Sprintf("%s consumes %s", n.id, ts), func() (bool, string) {
		return f.position() >= ts, n.output()
	})
}

func (n *drainerNode) spawn() { n.proc = spawn(n.c.t, "drainer", append(n.args, "-addr", n.addr)...) }

func (n *drainerNode) says(texts ...string) {
	n.c.t.Helper()
	for _, text := range texts {
		if !strings.Contains(n.output(), text) {
			n.c.t.Errorf("%s did not say %q:\n%s", n.id, text, n.output())
		}
	}
}

func (n *drainerNode) reaches(s nodes.State) {
	n.c.t.Helper()
	eventually(n.c.t, 15*time.Second, fmt.Sprintf("%s is %s", n.id, s), func() (bool, string) {
		e, err := n.c.registry.Get(n.c.t.Context(), nodes.Drainer, n.id)
		return err == nil && e.Record.State == s, fmt.Sprint(e.Record.State, err, n.output())
	})
}

// comesTo waits until the drainer itself has come to a state: its record may say so before, when
// somebody else has written it.
func (n *drainerNode) comesTo(s nodes.State) {
	n.c.t.Helper()
	eventually(n.c.t, 15*time.Second, fmt.Sprintf("%s says that it is %s", n.id, s), func() (bool, string) {
		_, body := n.ask(http.MethodGet, "/status")
		return strings.Contains(body, fmt.Sprintf(`"State":%q`, s)), body
	})
}

// change writes the state into the record as the console and binlogctl do.
func (n *drainerNode) change(s nodes.State) {
	n.c.t.Helper()
	if _, _, err := n.c.registry.SetState(n.c.t.Context(), nodes.Drainer, n.id, s, nil); err != nil {
		n.c.t.Fatal(err)
	}
}

// ask sends an HTTP request and gives status and body.
func (n *drainerNode) ask(method, path string) (int, string) {
	n.c.t.Helper()
	scheme := "http"
	if n.c.tls != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(n.c.t.Context(), method, scheme+"://"+n.addr+path, nil)
	if err != nil {
		n.c.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: n.c.tls}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Do(req)
	if err != nil {
		n.c.t.Fatalf("%s %s: %v\n%s", method, path, err, n.output())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.c.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// drainerStatus is GET /status as far as tests look at it.
type drainerStatus struct {
	PumpPos map[string]nodes.TSO
	LastTS  nodes.TSO
	State   nodes.State
	HeldBy  *struct{ Pump, Addr, State, Reason string }
	Pumps   []struct {
		Pump, State, Err string
		Reached          bool
	}
	ErrMsg string
}

func (n *drainerNode) status() (s drainerStatus) {
	n.c.t.Helper()
	code, body := n.ask(http.MethodGet, "/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		n.c.t.Fatalf("/status: %d %v\n%s", code, err, body)
	}
	return s
}

// metric is the value of one series as /metrics prints it, "" when it is not there.
func (n *drainerNode) metric(series string) string {
	n.c.t.Helper()
	_, body := n.ask(http.MethodGet, "/metrics")
	for _, line := range strings.Split(body, "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return ""
}

// held waits until the drainer names who holds everything: in /status, as a metric, and in
// its log, with the state of the pump and a part of the reason.
func (n *drainerNode) held(pump, state, reason string) {
	n.c.t.Helper()
	eventually(n.c.t, 20*time.Second, n.id+" says that "+pump+" holds it", func() (bool, string) {
		by := n.status().HeldBy
		seconds := n.metric(fmt.Sprintf("binlog_drainer_merge_held_seconds{nodeID=%q}", pump))
		said := false
		for _, line := range strings.Split(n.output(), "\n") {
			said = said || strings.Contains(line, "replication is blocked by this pump") && strings.Contains(line, "pump="+pump) && strings.Contains(line, "state="+state)
		}
		return by != nil && by.Pump == pump && by.State == state && strings.Contains(by.Reason, reason) && seconds > "0" && said,
			fmt.Sprintf("%+v, metric %q, in its log %v\n%s", by, seconds, said, n.output())
	})
}

// free waits until nobody holds the drainer, and it has said so.
func (n *drainerNode) free(pump string) {
	n.c.t.Helper()
	eventually(n.c.t, 10*time.Second, n.id+" is held no more", func() (bool, string) {
		seconds := n.metric(fmt.Sprintf("binlog_drainer_merge_held_seconds{nodeID=%q}", pump))
		return n.status().HeldBy == nil && (seconds == "0" || seconds == "") && strings.Contains(n.output(), "does not hold the others any more"), n.output()
	})
}
