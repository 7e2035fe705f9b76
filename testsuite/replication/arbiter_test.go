package replication

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

// TestArbiter: what a drainer has written to Kafka, applied by arbiter while that, the drainer and the broker were killed
// again and again, is what TiDB has.
func TestArbiter(t *testing.T) {
	s := form.Seed(t)
	c := Start(t, Options{})
	b := startBroker(t)
	messages := newNode(t, "drainer", "messages", c.PD.Endpoint(0), fmt.Sprintf("[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nkafka-addrs = %q\ntopic-name = %q\n", b.addr(), topic), "-initial-commit-ts", "0")
	messages.Start()
	c.Drainer = messages
	srv := mariadbtest.Start(t, "--innodb-flush-log-at-trx-commit=0", "--collation-server=utf8mb4_bin") // as for reparo
	a := newArbiter(t, b, srv)
	r := &run{t: t, c: c, w: NewWorkload(c.Open, s), b: NewBank(c.Open, s), seed: s}
	r.w.Plain = true
	if err := r.w.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.b.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.start()
	r.work(seconds(t, 20), func(ctx context.Context) error { return disturbArbiter(ctx, s, a, messages, b) })
	if err := c.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := b.read(t)
	a.reaches(all[len(all)-1].ts)
	a.stop()
	t.Logf("killed %d times", a.killed)
	if a.killed == 0 {
		t.Error("arbiter was never killed")
	}
	tidb := c.Open("")
	defer tidb.Close()
	got, err := Comparison{RowsOnly: true}.Compare(t.Context(), tidb, srv.Open()) // statements come as texts: definitions are those of another server
	if err != nil {
		t.Fatal(err)
	}
	t.Log(got.String())
	if len(got.Differences) > 0 {
		t.Errorf("TiDB and the database differ:\n%s", strings.Join(got.Differences[:min(60, len(got.Differences))], "\n"))
	}
	if got.Tables < 30 || got.Rows < 1000 {
		t.Errorf("only %s were compared", got.String())
	}
}

// disturbArbiter kills arbiter, the drainer and the broker until ctx is done.
func disturbArbiter(ctx context.Context, seed uint64, a *arbiterProcess, messages *Node, b *broker) error {
	r := rand.New(rand.NewPCG(seed, 100))
	for i := 0; ctx.Err() == nil; i++ {
		if !nodes.Sleep(ctx, time.Duration(300+r.IntN(1500))*time.Millisecond) {
			return nil
		}
		switch i % 4 {
		case 0, 2:
			a.kill()
			a.start()
		case 1:
			b.stop()
			nodes.Sleep(ctx, time.Duration(r.IntN(1500))*time.Millisecond)
			if err := b.start(); err != nil {
				return err
			}
		case 3:
			messages.Kill()
			if err := messages.TryStart(); err != nil {
				return err
			}
		}
	}
	return nil
}

// arbiterProcess is an arbiter that is killed and started again.
type arbiterProcess struct {
	t      *testing.T
	config string
	srv    *mariadbtest.Server
	killed int

	cmd    *exec.Cmd
	stderr *bytes.Buffer
	ended  chan struct{}
}

func newArbiter(t *testing.T, b *broker, srv *mariadbtest.Server) *arbiterProcess {
	t.Helper()
	a := &arbiterProcess{t: t, config: filepath.Join(t.TempDir(), "arbiter.toml"), srv: srv}
	text := fmt.Sprintf("addr = \"127.0.0.1:0\"\n[up]\nkafka-addrs = %q\ntopic = %q\n[down]\nhost = %q\nport = %d\non-divergence = \"stop\"\n", b.addr(), topic, srv.Host, srv.Port)
	if err := os.WriteFile(a.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *arbiterProcess) start() {
	a.cmd, a.stderr, a.ended = exec.Command(program("arbiter"), "-config", a.config), new(bytes.Buffer), make(chan struct{})
	a.cmd.Stderr = a.stderr
	if err := a.cmd.Start(); err != nil {
		a.t.Error(err)
		close(a.ended)
		return
	}
	cmd, ended := a.cmd, a.ended
	go func() { defer close(ended); _ = cmd.Wait() }() // how it has ended is in ProcessState
	a.t.Cleanup(func() { cmd.Process.Kill(); <-ended })
}

// kill kills it, unless it has ended by itself, which is a failure.
func (a *arbiterProcess) kill() {
	select {
	case <-a.ended:
		a.t.Errorf("arbiter has ended by itself:\n%s", a.stderr.String())
	default:
		a.cmd.Process.Kill()
		<-a.ended
		a.killed++
	}
}

// reaches waits until everything up to a commit TS is in the database.
func (a *arbiterProcess) reaches(ts nodes.TSO) {
	a.t.Helper()
	db := a.srv.Open()
	ctx, cancel := context.WithTimeout(a.t.Context(), 5*time.Minute)
	defer cancel()
	var at nodes.TSO
	for nodes.Sleep(ctx, 50*time.Millisecond) {
		_ = db.QueryRow("SELECT ts FROM tidb_binlog.arbiter_checkpoint").Scan(&at) // it is not there yet
		if at >= ts {
			return
		}
		select {
		case <-a.ended:
			a.t.Fatalf("arbiter has ended by itself:\n%s", a.stderr.String())
		default:
		}
	}
	a.t.Fatalf("arbiter is at %s, and not at %s:\n%s", at, ts, a.stderr.String())
}

func (a *arbiterProcess) stop() {
	a.t.Helper()
	a.cmd.Process.Signal(syscall.SIGTERM)
	<-a.ended
	if code := a.cmd.ProcessState.ExitCode(); code != 0 {
		a.t.Fatalf("arbiter ends with %d:\n%s", code, a.stderr.String())
	}
}
