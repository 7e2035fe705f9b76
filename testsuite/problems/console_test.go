package problems

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// consoleChecks are the places outside a node where its problem must be seen, and must be gone after the cure. While PD is away nobody
// knows the nodes: then these places say that of the console.
func consoleChecks() []problemCheck {
	return []problemCheck{
		{"SHOW WARNINGS", func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, want []string) (bool, string) {
			warnings, err := l.warnings(kind)
			if err != nil {
				return withoutPD(code, err)
			}
			for line := range strings.Lines(warnings) {
				if strings.Contains(line, fmt.Sprintf("%s %q: [%s] ", kind, nodeID, code)) {
					return holds(line, want), line
				}
			}
			return false, warnings
		}},
		{"the column warning", func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, want []string) (bool, string) {
			var text string
			err := l.sql.QueryRow(fmt.Sprintf("SELECT COALESCE(warning, '') FROM binlog.%ss WHERE node_id = '%s'", kind, nodeID)).Scan(&text)
			if err != nil {
				return withoutPD(code, err)
			}
			return strings.Contains(text, "["+string(code)+"]") && holds(text, want), text
		}},
		{"the page", func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, _ []string) (bool, string) {
			name := kind.String() + " " + nodeID
			if code == nodes.ProblemPDAway {
				name = "console"
			}
			page := l.read("")
			problems, _, _ := strings.Cut(page, `<section id="nodes"`)
			return strings.Contains(problems, fmt.Sprintf(`<td><code>%s</code></td><th scope="row">%s</th>`, code, name)), problems
		}},
		{"the console's metrics", func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, _ []string) (bool, string) {
			line := fmt.Sprintf("pumphouse_node_problem{code=%q,kind=%q,node=%q} 1\n", code, kind, nodeID)
			if code == nodes.ProblemPDAway {
				line = fmt.Sprintf("pumphouse_node_problem{code=%q,kind=\"console\",node=\"\"} 1\n", code)
			}
			metrics := l.read("metrics")
			if strings.HasPrefix(metrics, unanswered) {
				return false, metrics
			}
			return strings.Contains(metrics, line), line
		}},
		{"binlogctl -cmd status", func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, want []string) (bool, string) {
			r := l.ctl("-cmd", "status", "-node-id", nodeID)
			if code == nodes.ProblemPDAway {
				return strings.Contains(r.Stderr, "check that PD runs"), r.Stderr
			}
			return strings.Contains(r.Out, "["+string(code)+"]") && holds(r.Out, want), r.Out + r.Stderr
		}},
	}
}

// withoutPD is what a statement shows that cannot read the records: the problem, if it is that PD is away.
func withoutPD(code nodes.ProblemCode, err error) (bool, string) {
	if code != nodes.ProblemPDAway {
		return false, unanswered + err.Error()
	}
	return holds(err.Error(), []string{"PD at ", "check that PD runs", "HELP 'pd-away'"}), err.Error()
}

// holds reports whether a text has all wanted parts.
func holds(text string, want []string) bool {
	for _, w := range want {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// watch starts the console.
func (l *troubled) watch(t *testing.T) {
	t.Helper()
	l.front = rig.StartConsole(t, []string{l.pdURL}, l.security...)
	l.sql = l.front.Open(t)
	l.pageURL = l.front.Page(t)
}

// warnings are those of SHOW PUMP|DRAINER STATUS.
func (l *troubled) warnings(kind nodes.Kind) (string, error) {
	l.Helper()
	ctx := context.Background()
	conn, err := l.sql.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	rows, err := conn.QueryContext(ctx, "SHOW "+kind.Keyword()+" STATUS")
	if err != nil {
		return "", err
	}
	rig.ScanRows(l, rows)
	if rows, err = conn.QueryContext(ctx, "SHOW WARNINGS"); err != nil {
		return "", err
	}
	return strings.Join(rig.ScanRows(l, rows), "\n"), nil
}

// read reads something of the console's page.
func (l *troubled) read(path string) string {
	resp, err := http.Get(l.pageURL + path)
	if err != nil {
		return unanswered + err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return unanswered + err.Error()
	}
	return string(text)
}

func (l *troubled) ctl(args ...string) rig.Result {
	l.Helper()
	return rig.RunToEnd(l, "", nil, "binlogctl", append([]string{"-pd-urls", l.pdURL, "-timeout", "5s"}, append(l.security, args...)...)...)
}

// TestProblemOfAStoppedDrainer: a drainer has stopped because a table is missing downstream. Everybody who looks learns
// which drainer, where, why and what to do; when it runs again nothing of it is left but its event.
func TestProblemOfAStoppedDrainer(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	l.replicate()
	l.maria.Exec("DROP TABLE test.t100")
	ts := l.Insert("p1", rig.FirstTable, 2, "b")
	if err := l.drainer1.Wait(); err == nil {
		t.Error("the drainer ends without an error")
	}
	// The thing and the place, the reason, and the cure.
	parts := []string{"[statement-refused]", "t100", "doesn't exist", ts.String(), "ignore-txn-commit-ts"}
	query := func(sql string) func() string {
		return func() string {
			rows, err := l.sql.Query(sql)
			if err != nil {
				return unanswered + err.Error()
			}
			return strings.Join(rig.ScanRows(l, rows), "\n")
		}
	}
	places := []struct {
		name  string
		look  func() string
		begin string
	}{
		{"SHOW WARNINGS", func() string { text, err := l.warnings(nodes.Drainer); return fmt.Sprint(text, err) }, `drainer "drainer1" exited with an error at `},
		{"warning", query("SELECT warning FROM binlog.drainers"), "exited with an error at "},
		{"waiting_for", query("SELECT waiting_for FROM binlog.drainers"), "an operator: it exited with an error at "},
		{"last_exit", query("SELECT last_exit FROM binlog.drainers"), "exited with an error at "},
		{"binlogctl -cmd status", func() string { return l.ctl("-cmd", "status", "-node-id", "drainer1").Out }, "exited with an error at "},
	}
	for _, p := range places {
		rig.Eventually(t, rig.Timeout, p.name+" says why the drainer has stopped", func() (bool, string) {
			text := p.look()
			return strings.Contains(text, p.begin) && holds(text, parts), text
		})
	}
	rig.Eventually(t, rig.Timeout, "the page begins with it", func() (bool, string) {
		page := l.read("")
		return holds(page, []string{"<td><code>statement-refused</code></td><th scope=\"row\">drainer drainer1</th>", "<b>drainer drainer1</b> does not run: exited with an error at "}) &&
			!strings.Contains(page, "Nobody waits"), page
	})
	rig.Eventually(t, rig.Timeout, "the metrics have it", func() (bool, string) {
		metrics := l.read("metrics")
		return strings.Contains(metrics, `pumphouse_node_problem{code="statement-refused",kind="drainer",node="drainer1"} 1`), metrics
	})
	if r := l.ctl("-cmd", "drainers"); !strings.Contains(r.Out, "exited: [statement-refused] (-cmd status says more)") {
		t.Errorf("binlogctl -cmd drainers has no hint:\n%s%s", r.Out, r.Stderr)
	}
	rig.Eventually(t, rig.Timeout, "the event has the reason", func() (bool, string) {
		text := query("SELECT result FROM binlog.events WHERE node_id = 'drainer1' AND new_state = 'Paused'")()
		return strings.Contains(text, "exited with an error: [statement-refused] "), text
	})
	if text := query("HELP 'statement-refused'")(); !holds(text, []string{"Means. ", "At risk. ", "Do. "}) {
		t.Errorf("HELP: %s", text)
	}

	l.maria.Exec("CREATE TABLE test.t100 (id bigint primary key, v varchar(100))")
	l.startDrainer()
	l.consumes(ts)
	for _, p := range places {
		rig.Eventually(t, rig.Timeout, p.name+" says nothing any more", func() (bool, string) {
			text := p.look()
			return !strings.Contains(text, "statement-refused") && !strings.HasPrefix(text, unanswered), text
		})
	}
	rig.Eventually(t, rig.Timeout, "nor does the page", func() (bool, string) {
		page := l.read("")
		problems, _, _ := strings.Cut(page, `<section id="nodes"`)
		return !strings.Contains(problems, "statement-refused") && !strings.HasPrefix(page, unanswered), problems
	})
}

// TestProblemsOfTheConsole: its own clock is half a minute ahead of PD's, and its certificate has expired. Both are seen by whoever looks, and
// gone after the cure, without a restart.
func TestProblemsOfTheConsole(t *testing.T) {
	l := newTroubledPast(t, 30*time.Second)
	certs, old := pdtest.NewCerts(t), pdtest.NewExpiredCerts(t)
	l.security = []string{"-tls-cert", old.CertFile, "-tls-key", old.KeyFile}
	l.watch(t)
	sees := func(code nodes.ProblemCode, there bool, want ...string) {
		t.Helper()
		for name, look := range map[string]func() (text, sign string){
			"SHOW WARNINGS": func() (string, string) {
				text, err := l.warnings(nodes.Pump)
				if err != nil {
					text = unanswered + err.Error()
				}
				return text, fmt.Sprintf("console: [%s] ", code)
			},
			"the page": func() (string, string) {
				return l.read(""), fmt.Sprintf(`<td><code>%s</code></td><th scope="row">console</th>`, code)
			},
			"the metrics": func() (string, string) {
				return l.read("metrics"), fmt.Sprintf(`pumphouse_node_problem{code=%q,kind="console",node=""} 1`, code)
			},
		} {
			rig.Eventually(t, rig.Timeout, fmt.Sprintf("%s: %s is there: %v", name, code, there), func() (bool, string) {
				text, sign := look()
				if strings.HasPrefix(text, unanswered) || !there {
					return !strings.HasPrefix(text, unanswered) && !strings.Contains(text, sign), text
				}
				return strings.Contains(text, sign) && (name == "the metrics" || holds(text, want)), text
			})
		}
	}
	sees(nodes.ProblemCertificateExpired, true, "the certificate "+old.CertFile, "expired at", "renew the files of tls-cert and tls-key")
	pdtest.Replace(t, old.KeyFile, certs.KeyFile)
	pdtest.Replace(t, old.CertFile, certs.CertFile)
	sees(nodes.ProblemCertificateExpired, false)
	sees(nodes.ProblemClockSkew, true, "the clock of the console", "s ahead of PD", "chrony")
	l.pdClock.Store(0)
	sees(nodes.ProblemClockSkew, false)
}
