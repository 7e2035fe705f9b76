package replication

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
)

const (
	readyLimit = 60 * time.Second // for a program to announce itself, on a busy machine
	endLimit   = 60 * time.Second // for a program to end in good order
)

// Node is a pump or drainer of ours: a program that can be ended and started again, with its
// data directory and address.
type Node struct {
	Kind string // "pump" or "drainer"
	ID   string
	Addr string // host:port, once it has been started

	t    testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read after done
}

// newNode makes a node that is not started yet.
func newNode(t testing.TB, kind, id, pd string, config string, args ...string) *Node {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &Node{Kind: kind, ID: id, Addr: "127.0.0.1:0", t: t, dir: dir}
	n.args = append([]string{"-pd-urls", pd, "-node-id", id, "-data-dir", filepath.Join(dir, "data"), "-config", path, "-log-format", "logfmt"}, args...)
	t.Cleanup(func() {
		if n.Running() {
			n.Kill()
		}
		if said := n.diverged(); said != "" {
			t.Errorf("%s says that its downstream differs:\n%s", id, said)
		}
		if t.Failed() {
			t.Logf("the end of %s's output:\n%s", id, n.tail(25))
		}
	})
	return n
}

// diverged is what a drainer said, in any of its lives, when rows were not found downstream; "": that
// all were, outside safe mode.
func (n *Node) diverged() string {
	text, err := os.ReadFile(n.log())
	if err != nil {
		return "" // it was never started
	}
	var said []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "differs from the upstream") {
			said = append(said, line)
		}
	}
	return strings.Join(said, "")
}

func (n *Node) log() string { return filepath.Join(n.dir, n.Kind+".log") }

// Start runs the program and returns when it says that it is ready.
func (n *Node) Start() {
	n.t.Helper()
	if err := n.TryStart(); err != nil {
		n.t.Fatal(err)
	}
}

// Restart is TryStart as a service manager does it: again when the program ends because it cannot reach PD.
func (n *Node) Restart() error {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		err := n.TryStart()
		if err == nil || time.Now().After(deadline) || !bytes.Contains(n.tail(5), []byte("code=pd-away")) {
			return err
		}
	}
}

// TryStart is Start for when that may fail.
func (n *Node) TryStart() error {
	out, err := os.OpenFile(n.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	before, err := os.Stat(n.log())
	if err != nil {
		return err
	}
	n.cmd = exec.Command(program(n.Kind), append(n.args, "-addr", n.Addr)...)
	n.cmd.Env = append(os.Environ(), "TZ=UTC")
	n.cmd.Stdout, n.cmd.Stderr = out, out
	if err := form.Start(n.cmd); err != nil {
		return fmt.Errorf("start %s: %w", n.ID, err)
	}
	n.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		n.err = cmd.Wait()
		close(done)
	}(n.cmd, n.done)
	deadline := time.After(readyLimit)
	for {
		if addr := n.announced(before.Size()); addr != "" {
			n.Addr = addr
			return nil
		}
		select {
		case <-n.done:
			return fmt.Errorf("%s ended before it was ready: %v\n%s", n.ID, n.err, n.tail(20))
		case <-deadline:
			return fmt.Errorf("%s is not ready after %s\n%s", n.ID, readyLimit, n.tail(20))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// announced gives the address in the ready line after an offset of the log.
func (n *Node) announced(offset int64) string {
	text, err := os.ReadFile(n.log())
	if err != nil || int64(len(text)) < offset {
		return ""
	}
	lines := strings.Split(string(text[offset:]), "\n")
	for _, line := range lines[:len(lines)-1] { // the last one is not complete
		if rest, ok := strings.CutPrefix(line, "ready:"); ok {
			_, addr, _ := strings.Cut(rest, " at ")
			addr, _, _ = strings.Cut(strings.TrimSpace(addr), " ")
			return strings.TrimRight(addr, ",;")
		}
	}
	return ""
}

// Running is false before the start and once the process has ended.
func (n *Node) Running() bool {
	if n.done == nil {
		return false
	}
	select {
	case <-n.done:
		return false
	default:
		return true
	}
}

// Kill ends the process with SIGKILL and waits for it.
func (n *Node) Kill() {
	_ = n.cmd.Process.Kill() // gone already: nothing to kill
	<-n.done
}

// Stop pauses the node as a signal does: its state is then paused.
func (n *Node) Stop() error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", n.ID, err)
	}
	return n.Ended()
}

// Ended waits for the end of the process, which must be in good order.
func (n *Node) Ended() error {
	select {
	case <-n.done:
	case <-time.After(endLimit):
		return fmt.Errorf("%s has not ended after %s\n%s", n.ID, endLimit, n.tail(20))
	}
	if n.err != nil {
		return fmt.Errorf("%s ended with %w\n%s", n.ID, n.err, n.tail(20))
	}
	return nil
}

// Order runs binlogctl for the node: pause or offline, and waits for its end.
func (n *Node) Order(order string) error {
	cmd := exec.Command(program("binlogctl"), "-pd-urls", n.args[1], "-cmd", order+"-"+n.Kind, "-node-id", n.ID)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("binlogctl -cmd %s-%s -node-id %s: %w\n%s\n%s", order, n.Kind, n.ID, err, out, n.tail(20))
	}
	return n.Ended()
}

// tail is the last lines of its output.
func (n *Node) tail(lines int) []byte {
	text, err := os.ReadFile(n.log())
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))
}

// program is the path of a program of ours; tests build them first. PUMPHOUSE_DRAINER and the
// like name another one to run instead.
func program(name string) string {
	if other := os.Getenv("PUMPHOUSE_" + strings.ToUpper(name)); other != "" {
		return other
	}
	return programs.Path(name)
}
