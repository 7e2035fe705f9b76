package console

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// TestDemo does what a newcomer does: every statement of the operations document, and the
// way back from each, against the nodes that the demo runs.
func TestDemo(t *testing.T) {
	d := startDemo(t, "-addr", "127.0.0.1:0")
	db := d.Open(t)
	if got := rig.Ask(t, db, `show variables like "log_bin"`); got != "log_bin|0" {
		t.Fatalf("log_bin: %q", got)
	}
	// The shop writes and the drainers bring it downstream: both positions move.
	for _, kind := range []string{"pump", "drainer"} {
		first := ""
		rig.Eventually(t, 20*time.Second, kind+" positions move", func() (bool, string) {
			now := rig.Ask(t, db, "show "+kind+" status where Max_Commit_Ts > 0")
			if first == "" && strings.Count(now, "Online") == 2 {
				first = now
			}
			return first != "" && now != first, now
		})
	}
	pd := rig.Etcd(t, []string{regexp.MustCompile(`http://[^\s,]+`).FindString(d.Output())})
	for _, s := range []struct {
		kind  nodes.Kind
		id    string
		state nodes.State
	}{
		{nodes.Pump, "pump1", nodes.Paused}, {nodes.Pump, "pump1", nodes.Online},
		{nodes.Pump, "pump2", nodes.Offline}, {nodes.Pump, "pump2", nodes.Online},
		{nodes.Drainer, "drainer1", nodes.Paused}, {nodes.Drainer, "drainer1", nodes.Online},
		{nodes.Drainer, "drainer2", nodes.Offline}, {nodes.Drainer, "drainer2", nodes.Online},
	} {
		key := s.kind.Key(s.id)
		before, err := nodes.DecodeRecord([]byte(rig.Get(t, pd, key)))
		if err != nil {
			t.Fatal(err)
		}
		change := fmt.Sprintf("change %s to node_state ='%s' for node_id '%s'", s.kind, s.state, s.id)
		if _, err := db.Exec(change); err != nil {
			t.Fatalf("%s: %v", change, err)
		}
		// CHANGE writes the state alone; the time stamp is the node's own word for it. A node's port is
		// closed before its last word, so what follows is not taken for an answer of the one that stops.
		rig.Eventually(t, 20*time.Second, change, func() (bool, string) {
			raw := rig.Get(t, pd, key)
			now, err := nodes.DecodeRecord([]byte(raw))
			return err == nil && now.State == s.state && now.UpdateTS != before.UpdateTS &&
				listens(before.Host) == (s.state == nodes.Online), raw
		})
		rig.Eventually(t, 20*time.Second, "SHOW after "+change, func() (bool, string) {
			row := rig.Ask(t, db, fmt.Sprintf("show %s status like '%s'", s.kind, s.id))
			if s.state == nodes.Offline {
				return row == "", row
			}
			return strings.Contains(row, "|"+s.state.Title()+"|"), row
		})
	}
	// All are back and work on: the drainers pass what the pumps write now.
	rig.Eventually(t, 20*time.Second, "everything online again", func() (bool, string) {
		now := rig.Ask(t, db, "show pump status") + "\n" + rig.Ask(t, db, "show drainer status")
		return strings.Count(now, "Online") == 4, now
	})
	if err := d.Cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.Done:
		if d.Err != nil {
			t.Errorf("Ctrl-C: %v\n%s", d.Err, d.Output())
		}
	case <-time.After(rig.Timeout):
		t.Errorf("the demo does not end by Ctrl-C:\n%s", d.Output())
	}
	// That a pump was away, and held everything, is what the drainers say of it; that the machine
	// is busy, etcd and whoever waits for its PD. Nothing else.
	expected := regexp.MustCompile("the pump does not deliver|replication is blocked by this pump|took too long|request stats|" +
		"PD gives no TSO: .* context deadline exceeded|PD at \\S+ gives no answer within")
	for line := range strings.Lines(d.Output()) {
		if strings.Contains(line, "level=") && !expected.MatchString(line) {
			t.Errorf("a demo without trouble has this to tell: %s", line)
		}
	}
}

// startDemo starts a demo, which ends with the test. The first thing that SHOW says has positions, and the demo
// has printed three lines: what runs, what to try, how to connect.
func startDemo(t *testing.T, args ...string) *rig.Console {
	t.Helper()
	d := &rig.Console{Proc: rig.Launch(t, "pumphouse", append([]string{"demo"}, args...)...)}
	f := strings.Fields(d.Ready)
	if strings.Join(f[:2], " ") != "ready: mysql" || f[len(f)-1] != "root" {
		t.Fatalf("the last line is not a command to type: %q", d.Ready)
	}
	d.Host, d.Port = f[3], f[5]
	db := d.Open(t)
	for _, kind := range []string{"pump", "drainer"} {
		if got := rig.Ask(t, db, "show "+kind+" status where Max_Commit_Ts > 0 and State = 'Online'"); strings.Count(got, "\n") != 1 {
			t.Errorf("the first SHOW %s STATUS has no two nodes with a position:\n%s", kind, rig.Ask(t, db, "show "+kind+" status"))
		}
	}
	said := regexp.MustCompile(`(?m)^(running: PD at http://.*, until Ctrl-C; page: http://.*|try: SHOW .*|ready: mysql .*)\n`).FindAllString(d.Output(), -1)
	if len(said) != 3 {
		t.Errorf("not three lines, what runs, what to try and how to connect:\n%s", d.Output())
	}
	return d
}

// TestDemoNeedsNothingElse: `make demo` builds with Go alone, and what it runs, and what is proposed to whoever has no mysql client,
// runs without any other program.
func TestDemoNeedsNothingElse(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(programs.Root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, promise := range []string{"needs Go 1.26 and make, nothing else", "without a client: the page, or bin/binlogctl -cmd status"} {
		if !strings.Contains(string(page), promise) {
			t.Errorf("README.md does not say %q", promise)
		}
	}
	plan := exec.Command("make", "--no-print-directory", "-n", "demo", "BIN=/made")
	plan.Dir = programs.Root
	out, err := plan.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "go ") && !strings.HasPrefix(line, "/made/pumphouse ") {
			t.Errorf("make demo runs something else: %s", line)
		}
	}
	cmd := exec.Command(programs.Path("pumphouse"), "demo", "-addr", "127.0.0.1:0")
	cmd.Env = []string{"PATH="}
	d := rig.AwaitReady(t, rig.SpawnCommand(t, cmd))
	pd, address := regexp.MustCompile(`http://[^\s,]+`).FindString(d.Output()), regexp.MustCompile(`page: (http://\S+)`).FindStringSubmatch(d.Output())
	if address == nil {
		t.Fatalf("the demo names no page:\n%s", d.Output())
	}
	resp, err := http.Get(address[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), "drainer2") {
		t.Errorf("the page: %s, %v\n%s", resp.Status, err, text)
	}
	r := rig.RunToEnd(t, "", []string{"PATH="}, "binlogctl", "-pd-urls", pd, "-cmd", "status")
	if r.Code != 0 || strings.Count(r.Out, "online") != 4 {
		t.Errorf("binlogctl -cmd status: %d\n%s%s", r.Code, r.Out, r.Stderr)
	}
}

// TestTwoDemos: a second demo runs beside the first, on free ports or on those that it is told.
func TestTwoDemos(t *testing.T) {
	base := freeBase(t)
	first := startDemo(t, "-port-base", fmt.Sprint(base))
	second := startDemo(t, "-addr", "127.0.0.1:0")
	if first.Port != fmt.Sprint(base+1) || !strings.Contains(first.Output(), fmt.Sprintf("PD at http://127.0.0.1:%d,", base+4)) ||
		!strings.Contains(first.Output(), fmt.Sprintf("page: http://127.0.0.1:%d/", base)) {
		t.Errorf("-port-base %d:\n%s", base, first.Output())
	}
	for d, want := range map[*rig.Console]string{first: fmt.Sprintf("127.0.0.1:%d", base+3), second: "127.0.0.1:"} {
		db := d.Open(t)
		if got := rig.Ask(t, db, "show pump status like 'pump1'"); !strings.Contains(got, "|"+want) || !strings.Contains(got, "|Online|") {
			t.Errorf("pump1: %s, want %s", got, want)
		}
	}
	taken := rig.RunToEnd(t, "", nil, "pumphouse", "demo", "-port-base", fmt.Sprint(base))
	taken.Expect(t, "a demo on ports that are taken", 1, "", "-port-base 18247 chooses other ports")
	rig.RunToEnd(t, "", nil, "pumphouse", "demo", "-port-base", "70000").Expect(t, "no such port", 2, "", "-port-base 70000: must be")
}

// freeBase finds five ports in a row that are free at every address of the demo.
func freeBase(t *testing.T) int {
	t.Helper()
next:
	for range 100 {
		base := 10000 + rand.IntN(20000) // below those that the kernel gives out
		for port := base; port < base+5; port++ {
			for host := 1; host <= 4; host++ {
				l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:%d", host, port))
				if err != nil {
					continue next
				}
				l.Close()
			}
		}
		return base
	}
	t.Fatal("no five ports in a row are free")
	return 0
}

// TestDemoDownstream: the demo replicates to the database it is given, and two demos one after
// the other do not get into each other's way there.
func TestDemoDownstream(t *testing.T) {
	db := mariadbtest.Start(t)
	t.Setenv("DOWNSTREAM", "mysql://root@"+db.Addr())
	downstream, rows := db.Open(), 0
	for range 2 {
		d := rig.Launch(t, "pumphouse", "demo", "-addr", "127.0.0.1:0")
		before := rows
		rig.Eventually(t, 30*time.Second, "orders come downstream", func() (bool, string) {
			err := downstream.QueryRow("select count(*) from shop.orders o join shop.events e using (id)").Scan(&rows)
			return err == nil && rows >= before+3, fmt.Sprint(rows, err, d.Output())
		})
		d.Stop(t)
	}
}

// listens reports whether a node's port takes connections.
func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, rig.Timeout)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
