package web

import (
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/survey"
)

// TestProblemsComeFirst: the page begins with what is wrong where, since when, and what to do; the metrics have each
// code of each node once.
func TestProblemsComeFirst(t *testing.T) {
	now := time.Now()
	since := now.Add(-10 * time.Minute)
	c := &cluster{
		snap: &nodes.Snapshot{
			Pumps:    []nodes.Entry{record(nodes.Pump, "p1", nodes.Online, now, time.Second), record(nodes.Pump, "p2", nodes.Paused, now.Add(-time.Hour), 0)},
			Drainers: []nodes.Entry{record(nodes.Drainer, "d1", nodes.Online, now, time.Second), record(nodes.Drainer, "d2", nodes.Paused, now.Add(-time.Minute), 0)},
		},
		report: map[string]survey.Report{
			"p1": {Kind: nodes.Pump, NodeID: "p1", At: now},
			"d1": {Kind: nodes.Drainer, NodeID: "d1", At: now, Status: nodes.Status{Problems: []nodes.Problem{
				{Code: nodes.ProblemDownstreamDown, Text: "mysql at db:3306: connection <refused>", Since: since, Cure: "start the database"},
				{Code: nodes.ProblemPumpUnreachable, Key: "p2", Text: "pump p2", Since: since.Add(time.Minute)},
				{Code: nodes.ProblemPumpUnreachable, Key: "p3", Text: "pump p3", Since: since.Add(time.Minute)},
			}, Unreached: map[string]string{"p2": "refused"}}},
		},
		exits: map[string]nodes.LastExit{"d2": {Kind: nodes.ExitError, Code: nodes.ProblemStatementRefused, Text: "no table shop.orders", Time: since, Cure: "create it"}},
		own:   []nodes.Problem{{Code: nodes.ProblemCertificateExpiring, Text: "console.pem expires", Cure: "renew it", Since: now}},
	}
	get := open(t, c)
	_, body := get("/")
	section, rest, _ := strings.Cut(body, `<section id="nodes"`)
	for _, want := range []string{
		">Problems</h2>",
		"<td><code>downstream-down</code></td><th scope=\"row\">drainer d1</th><td><time datetime=\"" + since.UTC().Format("2006-01-02T15:04:05Z"),
		"<td>mysql at db:3306: connection &lt;refused&gt;</td><td>start the database</td>",
		"<td><code>statement-refused</code></td><th scope=\"row\">drainer d2</th>", "exited with an error at ", "no table shop.orders; create it</td>",
		"<td><code>certificate-expiring</code></td><th scope=\"row\">console</th>",
		"<td><code>replication-blocked</code></td><th scope=\"row\">pump p2</th>",
	} {
		if !strings.Contains(section, want) {
			t.Errorf("the first section lacks %s", want)
		}
	}
	if n := strings.Count(section, "<code>pump-unreachable</code>"); n != 2 {
		t.Errorf("%d rows say that a pump cannot be reached: the drainer's word for it makes ours superfluous", n)
	}
	if strings.Contains(body, "Nobody waits") || !strings.Contains(rest, "<b>drainer d2</b> does not run: exited with an error at ") ||
		!strings.Contains(rest, "<b>pump p2</b> does not run: how its last process ended is not known") {
		t.Errorf("the page does not say who does not run:\n%s", rest)
	}
	_, metrics := get("/metrics")
	for _, want := range []string{
		`pumphouse_node_problem{code="downstream-down",kind="drainer",node="d1"} 1`, `pumphouse_node_problem{code="pump-unreachable",kind="drainer",node="d1"} 1`,
		`pumphouse_node_problem{code="statement-refused",kind="drainer",node="d2"} 1`, `pumphouse_node_problem{code="certificate-expiring",kind="console",node=""} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}

	calm := &cluster{snap: &nodes.Snapshot{Pumps: c.snap.Pumps[:1]}, report: map[string]survey.Report{"p1": {Kind: nodes.Pump, NodeID: "p1", At: now}}}
	get = open(t, calm)
	if _, body := get("/"); strings.Contains(body, "Problems") || !strings.Contains(body, "Nobody waits") {
		t.Errorf("nothing is wrong, and the page says:\n%s", body)
	}
	if _, metrics := get("/metrics"); strings.Contains(metrics, "node_problem") {
		t.Errorf("nothing is wrong, and the metrics say:\n%s", metrics)
	}
}
