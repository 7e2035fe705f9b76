package rig

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"pumphouse/nodes"
)

// PumpNode is one node ID and its data; the process may come and go.
type PumpNode struct {
	*Proc
	c    *Pumps
	ID   string
	Addr string
	Args []string
}

// Launch starts the process, after the first time on the address it had, and waits until
// it is online.
func (n *PumpNode) Launch() {
	n.c.T.Helper()
	n.Proc = Launch(n.c.T, "pump", append(n.Args, "-addr", n.Addr)...)
	_, n.Addr, _ = strings.Cut(n.Ready, " at ")
	if n.Addr == "" {
		n.c.T.Fatalf("ready line %q:\n%s", n.Ready, n.Output())
	}
}

// Spawn starts the process without waiting.
func (n *PumpNode) Spawn() { n.Proc = Spawn(n.c.T, "pump", append(n.Args, "-addr", n.Addr)...) }

func (n *PumpNode) Signal(s os.Signal) {
	n.c.T.Helper()
	if err := n.Cmd.Process.Signal(s); err != nil {
		n.c.T.Fatal(err)
	}
}

func (n *PumpNode) Kill() {
	n.c.T.Helper()
	n.Signal(syscall.SIGKILL)
	<-n.Done
}

// Ends waits for the end of the process and its exit code.
func (n *PumpNode) Ends(code int) {
	n.c.T.Helper()
	select {
	case <-n.Done:
	case <-time.After(Timeout):
		n.c.T.Fatalf("%s still runs after %v:\n%s", n.ID, Timeout, n.Output())
	}
	if got := n.Cmd.ProcessState.ExitCode(); got != code {
		n.c.T.Fatalf("%s ended with exit code %d, want %d:\n%s", n.ID, got, code, n.Output())
	}
}

// Says waits until the process has printed all of these.
func (n *PumpNode) Says(texts ...string) {
	n.c.T.Helper()
	for _, text := range texts {
		Eventually(n.c.T, 0, fmt.Sprintf("%s says %q", n.ID, text), func() (bool, string) {
			out := n.Output()
			return strings.Contains(out, text), out
		})
	}
}

func (n *PumpNode) HasState(s nodes.State) {
	n.c.T.Helper()
	if got := n.c.Record(n.ID).State; got != s {
		n.c.T.Fatalf("%s is %s in PD, want %s:\n%s", n.ID, got, s, n.Output())
	}
}

func (n *PumpNode) Reaches(s nodes.State) {
	n.c.T.Helper()
	Eventually(n.c.T, 15*time.Second, fmt.Sprintf("%s is %s", n.ID, s), func() (bool, string) {
		e, err := n.c.Registry.Get(n.c.T.Context(), nodes.Pump, n.ID)
		return err == nil && e.Record.State == s, fmt.Sprint(e.Record.State, err)
	})
}

// Change writes the state into a pump's record as the console and binlogctl do.
func (n *PumpNode) Change(s nodes.State) {
	n.c.T.Helper()
	if _, _, err := n.c.Registry.SetState(n.c.T.Context(), nodes.Pump, n.ID, s, nil); err != nil {
		n.c.T.Fatal(err)
	}
}

// Ask sends an HTTP request to the pump and gives status and body.
func (n *PumpNode) Ask(method, path string) (int, string) {
	n.c.T.Helper()
	scheme, transport := "http", &http.Transport{TLSClientConfig: n.c.TLS, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	if n.c.TLS != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(n.c.T.Context(), method, scheme+"://"+n.Addr+path, nil)
	if err != nil {
		n.c.T.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Do(req)
	if err != nil {
		n.c.T.Fatalf("%s %s: %v\n%s", method, path, err, n.Output())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.c.T.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// PumpStatus is GET /status as far as tests look at it.
type PumpStatus struct {
	Status   map[string]nodes.Record `json:"status"`
	CommitTS nodes.TSO
	ErrMsg   *string

	State      nodes.State
	Unresolved int
	WaitingFor []struct {
		Drainer  string    `json:"drainer"`
		Host     string    `json:"host"`
		Consumed nodes.TSO `json:"consumed"`
		Needed   nodes.TSO `json:"needed"`
	}
	Pullers int
}

func (n *PumpNode) Status() PumpStatus {
	n.c.T.Helper()
	code, body := n.Ask(http.MethodGet, "/status")
	var s PumpStatus
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		n.c.T.Fatalf("/status: %d %v\n%s", code, err, body)
	}
	return s
}

// Metric is the value of one series as /metrics prints it, "" when it is not there.
func (n *PumpNode) Metric(series string) string {
	n.c.T.Helper()
	_, body := n.Ask(http.MethodGet, "/metrics")
	for _, line := range strings.Split(body, "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return ""
}
