package tools

import (
	"bufio"
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/programs"
)

var update = flag.Bool("update", false, "write SUPPORTED_CLIENTS.md from what the tests did")

// root is the repository.
var root = filepath.Join("..", "..")

func TestMain(m *testing.M) {
	flag.Parse()
	programs.Main(m)
}

// absolute is a path of the repository that holds whatever the working directory is.
func absolute(t testing.TB, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{root}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a program that runs in the background until its test ends.
type process struct {
	cmd *exec.Cmd

	mu   sync.Mutex
	text bytes.Buffer // everything it printed

	done chan struct{}
}

// start runs cmd and waits until a line of its output contains ready; it gives the whole
// output up to that line.
func start(t testing.TB, ready string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make deps installs what is missing)", err)
	}
	w.Close()
	up := make(chan struct{})
	go p.collect(r, ready, up)
	t.Cleanup(func() { p.stop(t) })
	select {
	case <-up:
	case <-p.done:
		t.Fatalf("%s ended before it was ready:\n%s", cmd, p.output())
	case <-time.After(time.Minute):
		t.Fatalf("%s is not ready within a minute:\n%s", cmd, p.output())
	}
	return p
}

func (p *process) collect(r *os.File, ready string, up chan<- struct{}) {
	defer close(p.done)
	defer r.Close()
	lines, seen := bufio.NewReader(r), false
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		p.text.WriteString(line)
		p.mu.Unlock()
		if !seen && strings.Contains(line, ready) {
			seen = true
			close(up)
		}
		if err != nil {
			_ = p.cmd.Wait() // how it ended matters to nobody: it was told to
			return
		}
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// stop ends the process by its own pid, orderly first. It may be called twice.
func (p *process) stop(t testing.TB) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // gone already: nothing to stop
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		t.Errorf("%s did not end within a minute of SIGTERM:\n%s", p.cmd, p.output())
		_ = p.cmd.Process.Kill()
	}
}

// after is the word that follows prefix in a program's output.
func (p *process) after(t testing.TB, prefix string) string {
	t.Helper()
	_, rest, found := strings.Cut(p.output(), prefix)
	words := strings.Fields(rest)
	if !found || len(words) == 0 {
		t.Fatalf("no %q in\n%s", prefix, p.output())
	}
	return words[0]
}
