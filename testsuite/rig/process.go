package rig

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
)

// Proc is a running program of ours.
type Proc struct {
	Cmd   *exec.Cmd
	Ready string // the line it announced itself with

	mu   sync.Mutex
	text form.Lines // everything it printed
	Done chan struct{}
	Err  error
}

// Launch starts a program and waits for a line of its output that begins with "ready:".
// The program ends with the test.
func Launch(t testing.TB, name string, args ...string) *Proc {
	t.Helper()
	return AwaitReady(t, Spawn(t, name, args...))
}

func AwaitReady(t testing.TB, p *Proc) *Proc {
	t.Helper()
	select {
	case <-p.Done:
		if p.Ready == "" {
			t.Fatalf("%s ended before it was ready: %v\n%s", p.Cmd, p.Err, p.Output())
		}
	case <-p.Announced():
	}
	return p
}

// Spawn starts a program without waiting for anything.
func Spawn(t testing.TB, name string, args ...string) *Proc {
	t.Helper()
	return SpawnCommand(t, exec.Command(programs.Path(name), args...))
}

// SpawnCommand starts a command that runs a program of ours.
func SpawnCommand(t testing.TB, cmd *exec.Cmd) *Proc {
	t.Helper()
	p := &Proc{Cmd: cmd, Done: make(chan struct{})}
	p.Cmd.Env = append(append(os.Environ(), "TZ=UTC"), cmd.Env...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Cmd.Stdout, p.Cmd.Stderr = w, w
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go p.collect(r)
	t.Cleanup(func() { p.Stop(t) })
	return p
}

func (p *Proc) collect(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		_, _ = p.text.Write([]byte(line)) // it does not fail
		p.mu.Lock()
		if p.Ready == "" && strings.HasPrefix(line, "ready:") {
			p.Ready = strings.TrimSpace(line)
		}
		p.mu.Unlock()
		if err != nil {
			break
		}
	}
	p.Err = p.Cmd.Wait()
	close(p.Done)
}

// Announced is closed once the ready line is there or the process is gone.
func (p *Proc) Announced() <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			p.mu.Lock()
			ready := p.Ready != ""
			p.mu.Unlock()
			if ready {
				tick.Stop()
				return
			}
			select {
			case <-p.Done:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	return c
}

func (p *Proc) Output() string {
	return p.text.String()
}

// Stop ends the process by its own pid, orderly first, and waits for it.
func (p *Proc) Stop(t testing.TB) {
	p.Cmd.Process.Signal(syscall.SIGTERM)
	p.Cmd.Process.Signal(syscall.SIGCONT) // it may be stopped
	select {
	case <-p.Done:
	case <-time.After(Timeout):
		t.Errorf("%s did not end within a minute of SIGTERM:\n%s", p.Cmd.Path, p.Output())
		p.Cmd.Process.Kill()
		<-p.Done
	}
}

// RSS is the process's resident memory in bytes.
func (p *Proc) RSS(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
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
