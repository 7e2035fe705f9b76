package rig

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

// Stuck opens a pull that nobody reads, and more after it than all buffers hold.
func (n *PumpNode) Stuck() {
	cli := n.Client()
	for range 12 {
		cli.Transaction(make([]byte, 4<<20))
	}
	pull := n.Client().Pull(0)
	if _, err := pull.Recv(); err != nil {
		n.c.T.Fatal(err)
	}
}

// Lagging starts a pump with one transaction that the drainer's record does not show as
// consumed.
func (c *Pumps) Lagging(id string) (p *PumpNode, last nodes.TSO) {
	c.Drainer("slow", form.Addr(c.T), nodes.Paused, 1)
	p = c.Start(id)
	return p, p.Client().Transaction([]byte("v"))
}

// Starting runs a pump that is held up by a drainer which does not answer.
func (c *Pumps) Starting(id string) *PumpNode {
	c.Drainer("dead", form.Addr(c.T), nodes.Online, 1)
	p := c.Node(id)
	p.Spawn()
	Eventually(c.T, 10*time.Second, "the pump claims its record", func() (bool, string) {
		_, err := c.Registry.Get(c.T.Context(), nodes.Pump, id)
		return err == nil, p.Output()
	})
	return p
}

// StopWhile pauses the pump and does something meanwhile.
func (n *PumpNode) StopWhile(do func()) {
	n.c.T.Helper()
	n.Signal(syscall.SIGTERM)
	do()
	n.Ends(0)
}

// Asked waits until the pump has put another n questions to TiKV.
func (n *PumpNode) Asked(times int) {
	n.c.T.Helper()
	count := func() int {
		v, err := strconv.ParseFloat(n.Metric("binlog_pump_storage_query_tikv_count"), 64)
		if err != nil {
			n.c.T.Fatal(err)
		}
		return int(v)
	}
	before := count()
	Eventually(n.c.T, 90*time.Second, "TiKV is asked", func() (bool, string) {
		now := count()
		return now >= before+times, fmt.Sprintf("%d questions, %d before", now, before)
	})
}

// Holds waits until the pump says that it holds back garbage collection there; 0: not at all.
func (n *PumpNode) Holds(ts nodes.TSO) {
	n.c.T.Helper()
	Eventually(n.c.T, 60*time.Second, fmt.Sprintf("%s holds %s in PD", n.ID, ts), func() (bool, string) {
		_, body := n.Ask(http.MethodGet, "/status")
		var s struct {
			GCSafePoint struct {
				Service string    `json:"service"`
				TS      nodes.TSO `json:"ts"`
			}
		}
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			n.c.T.Fatalf("%v\n%s", err, body)
		}
		return s.GCSafePoint.TS == ts && s.GCSafePoint.Service == "pumphouse-"+n.ID, body
	})
	got, err := strconv.ParseFloat(n.Metric("pumphouse_pump_gc_safe_point_ts"), 64)
	if err != nil || got != float64(ts.Physical()) {
		n.c.T.Errorf("the metric is %f, want %d (%v)", got, ts.Physical(), err)
	}
}
