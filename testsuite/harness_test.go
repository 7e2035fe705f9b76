package testsuite

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/pdtest"

	"github.com/go-sql-driver/mysql"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// root is the repository.
const root = ".."

func TestMain(m *testing.M) {
	// The programs are what is tested: build them from the tree the tests stand in.
	build := exec.Command("go", "build", "-trimpath", "-o", bin()+"/", "./cmd/...")
	build.Dir, build.Stdout, build.Stderr = root, os.Stderr, os.Stderr
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// bin is where the programs are built. PUMPHOUSE_BIN is another place, for programs that are not those of
// the tree (testsuite/mutations).
func bin() string {
	dir := os.Getenv("PUMPHOUSE_BIN")
	if dir == "" {
		dir = filepath.Join(root, "bin")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		panic(err)
	}
	return abs
}

func program(name string) string { return filepath.Join(bin(), name) }

// proc is a running program of ours.
type proc struct {
	cmd   *exec.Cmd
	ready string // the line it announced itself with

	mu   sync.Mutex
	text bytes.Buffer // everything it printed
	done chan struct{}
	err  error
}

// launch starts a program and waits for a line of its output that begins with "ready:".
// The program ends with the test.
func launch(t testing.TB, name string, args ...string) *proc {
	t.Helper()
	return awaitReady(t, spawn(t, name, args...))
}

func awaitReady(t testing.TB, p *proc) *proc {
	t.Helper()
	select {
	case <-p.done:
		if p.ready == "" {
			t.Fatalf("%s ended before it was ready: %v\n%s", p.cmd, p.err, p.output())
		}
	case <-p.announced():
	}
	return p
}

// spawn starts a program without waiting for anything.
func spawn(t testing.TB, name string, args ...string) *proc {
	t.Helper()
	return spawnCommand(t, exec.Command(program(name), args...))
}

// spawnCommand starts a command that runs a program of ours.
func spawnCommand(t testing.TB, cmd *exec.Cmd) *proc {
	t.Helper()
	p := &proc{cmd: cmd, done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "TZ=UTC"), cmd.Env...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go p.collect(r)
	t.Cleanup(func() { p.stop(t) })
	return p
}

func (p *proc) collect(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		p.text.WriteString(line)
		if p.ready == "" && strings.HasPrefix(line, "ready:") {
			p.ready = strings.TrimSpace(line)
		}
		p.mu.Unlock()
		if err != nil {
			break
		}
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

// announced is closed once the ready line is there or the process is gone.
func (p *proc) announced() <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			p.mu.Lock()
			ready := p.ready != ""
			p.mu.Unlock()
			if ready {
				tick.Stop()
				return
			}
			select {
			case <-p.done:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	return c
}

func (p *proc) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// stop ends the process by its own pid, orderly first, and waits for it.
func (p *proc) stop(t testing.TB) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Errorf("%s did not end within a minute of SIGTERM:\n%s", p.cmd.Path, p.output())
		p.cmd.Process.Kill()
		<-p.done
	}
}

// rss is the process's resident memory in bytes.
func (p *proc) rss(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		var kb int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// console is a running `pumphouse serve`.
type console struct {
	*proc
	host, port string
}

func startConsole(t testing.TB, endpoints []string, args ...string) *console {
	t.Helper()
	args = append([]string{"serve", "-addr", "127.0.0.1:0", "-pd-urls", strings.Join(endpoints, ",")}, args...)
	c := &console{proc: launch(t, "pumphouse", args...)}
	f := strings.Fields(c.ready)
	for i := 0; i+1 < len(f); i++ {
		switch f[i] {
		case "-h":
			c.host = f[i+1]
		case "-P":
			c.port = f[i+1]
		}
	}
	return c
}

func (c *console) addr() string { return net.JoinHostPort(c.host, c.port) }

// open connects go-sql-driver; params are its DSN parameters (key=value).
func (c *console) open(t testing.TB, params ...string) *sql.DB {
	t.Helper()
	return c.openAs(t, "root", "", params...)
}

func (c *console) openAs(t testing.TB, user, password string, params ...string) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN("root@tcp(" + c.addr() + ")/?" + strings.Join(params, "&"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Passwd = user, password
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

// etcd gives a plain client of the PD, for looking at what is really there.
func etcd(t testing.TB, endpoints []string) *clientv3.Client {
	t.Helper()
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: 10 * time.Second, Logger: zap.NewNop(), DialOptions: pdtest.Redial(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	return cli
}

func put(t testing.TB, cli *clientv3.Client, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := cli.Put(ctx, key, value); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(t testing.TB, cli *clientv3.Client, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	resp, err := cli.Get(ctx, key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if len(resp.Kvs) == 0 {
		return ""
	}
	return string(resp.Kvs[0].Value)
}

// patience is how long a test waits at least for what must come: a machine may be busy with other things.
const patience = time.Minute

// eventually polls until ok is true; it fails the test with what ok said last. within is what it may
// take when that is more than patience.
func eventually(t testing.TB, within time.Duration, what string, ok func() (bool, string)) {
	t.Helper()
	within = max(within, patience)
	deadline := time.Now().Add(within)
	for {
		done, last := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v; last: %s", what, within, last)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
