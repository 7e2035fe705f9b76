package problems

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// seesEnd waits until everybody who looks learns why a node does not run.
func (l *troubled) seesEnd(kind nodes.Kind, nodeID string, code nodes.ProblemCode, want ...string) {
	l.Helper()
	e, _, err := l.Registry.Exit(context.Background(), kind, nodeID)
	if err != nil || e.Kind != nodes.ExitError || e.Code != code || !holds(e.String(), want) {
		l.Errorf("the last exit of %s is %+v, %v; want %s with %q", nodeID, e, err, code, want)
	}
	l.asked()
	for place, look := range l.ends(kind, nodeID, code) {
		if line, all := l.answered(place, look); line == "" || place != "metrics" && !holds(line, want) {
			l.Errorf("%s does not say why %s does not run, after a round that began later: %s", place, nodeID, all)
		}
	}
}

// seesNoEnd waits until nobody says so any more.
func (l *troubled) seesNoEnd(kind nodes.Kind, nodeID string, code nodes.ProblemCode) {
	l.Helper()
	l.asked()
	for place, look := range l.ends(kind, nodeID, code) {
		if line, _ := l.answered(place, look); line != "" {
			l.Errorf("%s still says of %s, after a round that began later: %s", place, nodeID, line)
		}
	}
}

// answered looks until somebody answers.
func (l *troubled) answered(place string, look func() (line, all string)) (line, all string) {
	l.Helper()
	rig.Eventually(l, rig.Timeout, place+" answers", func() (bool, string) {
		line, all = look()
		return !strings.HasPrefix(all, unanswered), all
	})
	return line, all
}

// ends are the places that say why a node does not run: each gives what it says of that, and all it says.
func (l *troubled) ends(kind nodes.Kind, nodeID string, code nodes.ProblemCode) map[string]func() (line, all string) {
	in := func(all string, parts ...string) (string, string) {
		for line := range strings.Lines(all) {
			if holds(line, parts) {
				return line, all
			}
		}
		return "", all
	}
	tag := "[" + string(code) + "]"
	return map[string]func() (line, all string){
		"SHOW WARNINGS": func() (string, string) {
			text, err := l.warnings(kind)
			if err != nil {
				return "", unanswered + err.Error()
			}
			return in(text, fmt.Sprintf("%s %q", kind, nodeID), tag)
		},
		"the page": func() (string, string) {
			problems, _, _ := strings.Cut(l.read(""), `<section id="nodes"`)
			at := strings.Index(problems, fmt.Sprintf(`<td><code>%s</code></td><th scope="row">%s %s</th>`, code, kind, nodeID))
			if at < 0 {
				return "", problems
			}
			row, _, _ := strings.Cut(problems[at:], "</tr>")
			return row, problems
		},
		"metrics": func() (string, string) {
			return in(l.read("metrics"), fmt.Sprintf("pumphouse_node_problem{code=%q,kind=%q,node=%q} 1", code, kind, nodeID))
		},
		"binlogctl": func() (string, string) {
			r := l.ctl("-cmd", "status", "-node-id", nodeID)
			return in(r.Out, tag)
		},
	}
}

// TestProblemsOfAStart: what refuses a start is said of the node by everybody, until one succeeds.
func TestProblemsOfAStart(t *testing.T) {
	l := newTroubled(t)
	o := l.pumpAt("p1", "", nil)
	o.NotifyTimeout = 2 * time.Second
	l.Insert("p1", rig.FirstTable, 1, "a")
	if err := l.Pumps["p1"].Close(); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(o.DataDir, name) }
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(in(from), in(to)); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(name string, change func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(in(name))
		if err == nil {
			err = os.WriteFile(in(name), change(b), 0o640)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	flip := func(b []byte) []byte { b[2] ^= 1; return b }
	segments, err := filepath.Glob(in("binlog/log-*"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	segment := "binlog/" + filepath.Base(segments[0])
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	cluster := func(b []byte) []byte { return append([]byte("1"), bytes.TrimSpace(b)...) }
	for _, c := range []struct {
		code  nodes.ProblemCode
		want  []string // thing, place, cure
		cause func()
		cure  func()
	}{
		{nodes.ProblemClusterMismatch, []string{o.DataDir, fmt.Sprint(l.ClusterID), "check -pd-urls"},
			func() { replace(".cluster", cluster) }, func() { replace(".cluster", func(b []byte) []byte { return b[1:] }) }},
		{nodes.ProblemDataMissing, []string{o.DataDir, "commit TS", "-accept-loss"},
			func() { rename("binlog", "mislaid") }, func() { os.RemoveAll(in("binlog")); rename("mislaid", "binlog") }},
		{nodes.ProblemDataDamaged, []string{filepath.Base(segment), "restore the file", "-repair"},
			func() { replace(segment, flip) }, func() { replace(segment, flip) }},
		{nodes.ProblemDrainerUnreachable, []string{"dead", "127.0.0.1:1", "set its record to paused"},
			func() { l.deadDrainer() }, func() {
				if _, err := l.pdServer.Etcd.Delete(context.Background(), nodes.Drainer.Key("dead")); err != nil {
					t.Fatal(err)
				}
			}},
		{nodes.ProblemOther, []string{"listen on " + busy.Addr().String(), "is another node running there", "-addr"},
			func() { o.Addr = busy.Addr().String() }, func() { o.Addr = "127.0.0.1:0" }},
		{nodes.ProblemOther, []string{in(".cluster"), "no cluster ID"},
			func() { replace(".cluster", func(b []byte) []byte { return append([]byte("x"), b...) }) },
			func() { replace(".cluster", func(b []byte) []byte { return b[1:] }) }},
	} {
		t.Log(c.code)
		c.cause()
		l.failsToStart(o)
		l.seesEnd(nodes.Pump, "p1", c.code, c.want...)
		c.cure()
		l.pumpAgain(o)
		l.seesNoEnd(nodes.Pump, "p1", c.code)
		if err := l.Pumps["p1"].Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEndOfAProgram: the last line of a log, and what a program prints, have the code, the place, the reason and the cure.
func TestEndOfAProgram(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := gone.Addr().String()
	gone.Close()
	_, port, _ := net.SplitHostPort(at)
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	config := rig.WriteFile(t, "drainer.toml", "[syncer]\ndb-type = \"mysql\"\n[syncer.to]\nhost = \"127.0.0.1\"\nport = "+port+"\n")
	r := rig.RunToEnd(t, "", nil, "drainer", "-pd-urls", pd.Endpoint(0), "-addr", "127.0.0.1:0", "-node-id", "d1", "-data-dir", dir, "-config", config, "-log-file", file)
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	want := []string{string(nodes.ProblemDownstreamDown), at, "refused", "check that the server"}
	for place, text := range map[string]string{"stderr": r.Stderr, "the log's last line": lines[len(lines)-1]} {
		if r.Code != 1 || !holds(text, want) {
			t.Errorf("%s, with exit code %d, lacks a part of %q: %s", place, r.Code, want, text)
		}
	}
}
