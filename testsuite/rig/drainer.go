package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"pumphouse/drainer"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
)

// DrainerNode is one drainer that writes files, and its data; the process may come and go.
type DrainerNode struct {
	*Proc
	Pumps *Pumps
	ID    string
	Addr  string
	Dir   string
	Args  []string
	In    []string // a command that runs the program, as that of a network namespace; nil: none
}

func (c *Pumps) NewDrainer(id string) *DrainerNode {
	n := &DrainerNode{Pumps: c, ID: id, Addr: "127.0.0.1:0", Dir: c.T.TempDir()}
	n.Args = []string{"-node-id", id, "-data-dir", n.Dir, "-pd-urls", strings.Join(c.Endpoints, ","),
		"-dest-db-type", "file", "-schema-dir", c.T.TempDir(), "-log-format", "logfmt"}
	return n
}

// Launch starts the process, after the first time on the address it had.
func (n *DrainerNode) Launch() *DrainerNode {
	n.Pumps.T.Helper()
	n.Spawn()
	AwaitReady(n.Pumps.T, n.Proc)
	if _, n.Addr, _ = strings.Cut(n.Ready, " at "); n.Addr == "" {
		n.Pumps.T.Fatalf("ready line %q:\n%s", n.Ready, n.Output())
	}
	return n
}

// Ends waits for the end of the process and its exit code.
func (n *DrainerNode) Ends(code int) {
	n.Pumps.T.Helper()
	select {
	case <-n.Done:
	case <-time.After(Timeout):
		n.Pumps.T.Fatalf("%s still runs:\n%s", n.ID, n.Output())
	}
	if got := n.Cmd.ProcessState.ExitCode(); got != code {
		n.Pumps.T.Fatalf("%s ended with exit code %d, want %d:\n%s", n.ID, got, code, n.Output())
	}
}

func (n *DrainerNode) Signal(s os.Signal) {
	n.Pumps.T.Helper()
	if err := n.Cmd.Process.Signal(s); err != nil {
		n.Pumps.T.Fatal(err)
	}
}

func (n *DrainerNode) Record() nodes.Record {
	n.Pumps.T.Helper()
	e, err := n.Pumps.Registry.Get(n.Pumps.T.Context(), nodes.Drainer, n.ID)
	if err != nil {
		n.Pumps.T.Fatal(err)
	}
	return e.Record
}

func (n *DrainerNode) HasState(s nodes.State) {
	n.Pumps.T.Helper()
	if got := n.Record().State; got != s {
		n.Pumps.T.Fatalf("%s is %s in PD, want %s:\n%s", n.ID, got, s, n.Output())
	}
}

// States collects the states that PD shows from now on.
func (n *DrainerNode) States() func(want ...nodes.State) {
	return n.Pumps.states(nodes.Drainer.Key(n.ID))
}

// EndsWithin is ends for what may take longer.
func (n *DrainerNode) EndsWithin(limit time.Duration, code int) {
	n.Pumps.T.Helper()
	ctx, cancel := context.WithTimeout(n.Pumps.T.Context(), limit)
	defer cancel()
	select {
	case <-n.Done:
	case <-ctx.Done():
	}
	n.Ends(code)
}

// Fails starts a drainer, which must end in an error that says all that is wanted.
func (n *DrainerNode) Fails(what string, want ...string) {
	n.Pumps.T.Helper()
	first := Get(n.Pumps.T, n.Pumps.Etcd, nodes.Drainer.Key(n.ID)) == ""
	n.Spawn()
	n.Ends(1)
	for _, text := range want {
		if !strings.Contains(n.Output(), text) {
			n.Pumps.T.Errorf("%s: it does not say %q:\n%s", what, text, n.Output())
		}
	}
	if !first || strings.Contains(n.Output(), "drainer is online") {
		n.HasState(nodes.Paused)
	} else if rec := Get(n.Pumps.T, n.Pumps.Etcd, nodes.Drainer.Key(n.ID)); rec != "" {
		n.Pumps.T.Errorf("%s: a drainer that has never been online has left the record %s", what, rec)
	}
}

// Files is the drainer's data directory.
func (n *DrainerNode) Files(tr *Trade) *Files {
	return &Files{u: tr.Shop, Opts: drainer.Options{Options: life.Options{NodeID: n.ID, DataDir: n.Dir}}, Log: new(form.Lines)}
}

// Exact checks that downstream is everything, once and in order.
func (n *DrainerNode) Exact(tr *Trade) {
	tr.Helper()
	if got := n.Files(tr).Written(); !slices.Equal(got, tr.Want) {
		tr.Errorf("downstream are %d transactions, want %d:\n%v\n%v", len(got), len(tr.Want), got, tr.Want)
	}
}

func (n *DrainerNode) Consumes(tr *Trade, ts nodes.TSO) {
	n.Pumps.T.Helper()
	f := n.Files(tr)
	Eventually(n.Pumps.T, 20*time.Second, fmt.Sprintf("%s consumes %s", n.ID, ts), func() (bool, string) {
		return f.Position() >= ts, n.Output()
	})
}

func (n *DrainerNode) Spawn() {
	command := slices.Concat(n.In, []string{programs.Path("drainer")}, n.Args, []string{"-addr", n.Addr})
	n.Proc = SpawnCommand(n.Pumps.T, exec.Command(command[0], command[1:]...))
}

func (n *DrainerNode) Says(texts ...string) {
	n.Pumps.T.Helper()
	for _, text := range texts {
		if !strings.Contains(n.Output(), text) {
			n.Pumps.T.Errorf("%s did not say %q:\n%s", n.ID, text, n.Output())
		}
	}
}

func (n *DrainerNode) Reaches(s nodes.State) {
	n.Pumps.T.Helper()
	Eventually(n.Pumps.T, 15*time.Second, fmt.Sprintf("%s is %s", n.ID, s), func() (bool, string) {
		e, err := n.Pumps.Registry.Get(n.Pumps.T.Context(), nodes.Drainer, n.ID)
		return err == nil && e.Record.State == s, fmt.Sprint(e.Record.State, err, n.Output())
	})
}

// ComesTo waits until the drainer itself has come to a state: its record may say so before, when
// somebody else has written it.
func (n *DrainerNode) ComesTo(s nodes.State) {
	n.Pumps.T.Helper()
	Eventually(n.Pumps.T, 15*time.Second, fmt.Sprintf("%s says that it is %s", n.ID, s), func() (bool, string) {
		_, body := n.Ask(http.MethodGet, "/status")
		return strings.Contains(body, fmt.Sprintf(`"State":%q`, s)), body
	})
}

// Change writes the state into the record as the console and binlogctl do.
func (n *DrainerNode) Change(s nodes.State) {
	n.Pumps.T.Helper()
	if _, _, err := n.Pumps.Registry.SetState(n.Pumps.T.Context(), nodes.Drainer, n.ID, s, nil); err != nil {
		n.Pumps.T.Fatal(err)
	}
}

// Ask sends an HTTP request and gives status and body.
func (n *DrainerNode) Ask(method, path string) (int, string) {
	n.Pumps.T.Helper()
	scheme := "http"
	if n.Pumps.TLS != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(n.Pumps.T.Context(), method, scheme+"://"+n.Addr+path, nil)
	if err != nil {
		n.Pumps.T.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: n.Pumps.TLS}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Do(req)
	if err != nil {
		n.Pumps.T.Fatalf("%s %s: %v\n%s", method, path, err, n.Output())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.Pumps.T.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// DrainerStatus is GET /status as far as tests look at it.
type DrainerStatus struct {
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

func (n *DrainerNode) Status() (s DrainerStatus) {
	n.Pumps.T.Helper()
	code, body := n.Ask(http.MethodGet, "/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		n.Pumps.T.Fatalf("/status: %d %v\n%s", code, err, body)
	}
	return s
}

// Metric is the value of one series as /metrics prints it, "" when it is not there.
func (n *DrainerNode) Metric(series string) string {
	n.Pumps.T.Helper()
	_, body := n.Ask(http.MethodGet, "/metrics")
	for _, line := range strings.Split(body, "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return ""
}

// Held waits until the drainer names who blocks replication: in /status, as a metric, and in
// its log, with the state of the pump and a part of the reason.
func (n *DrainerNode) Held(pump, state, reason string) {
	n.Pumps.T.Helper()
	Eventually(n.Pumps.T, 20*time.Second, n.ID+" says that "+pump+" holds it", func() (bool, string) {
		by := n.Status().HeldBy
		seconds := n.Metric(fmt.Sprintf("binlog_drainer_merge_held_seconds{nodeID=%q}", pump))
		said := false
		for _, line := range strings.Split(n.Output(), "\n") {
			said = said || strings.Contains(line, "replication is blocked by this pump") && strings.Contains(line, "pump="+pump) && strings.Contains(line, "state="+state)
		}
		return by != nil && by.Pump == pump && by.State == state && strings.Contains(by.Reason, reason) && seconds > "0" && said,
			fmt.Sprintf("%+v, metric %q, in its log %v\n%s", by, seconds, said, n.Output())
	})
}

// Free waits until nobody holds the drainer, and it has said so.
func (n *DrainerNode) Free(pump string) {
	n.Pumps.T.Helper()
	Eventually(n.Pumps.T, 10*time.Second, n.ID+" is held no more", func() (bool, string) {
		seconds := n.Metric(fmt.Sprintf("binlog_drainer_merge_held_seconds{nodeID=%q}", pump))
		return n.Status().HeldBy == nil && (seconds == "0" || seconds == "") && strings.Contains(n.Output(), "does not hold the others any more"), n.Output()
	})
}
