package tidbtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

// process is a running program whose output goes to a file.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // what it prints goes here
	done chan struct{} // closed when it has ended
	err  error         // why it ended; read after done
}

// start runs a program in dir until the test ends. grace is how long it may take to end
// after SIGTERM; it is killed then, which is no error: these programs are not what is tested.
func start(t testing.TB, name, dir string, grace time.Duration, path string, args ...string) *process {
	t.Helper()
	return launch(t, name, dir, grace, exec.Command(path, args...))
}

// launch is start for a command whose standard input or output is taken already.
func launch(t testing.TB, name, dir string, grace time.Duration, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Dir, cmd.Stderr = dir, log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "TZ=UTC")
	if err := form.Start(cmd); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop(grace)
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", name, p.tail(40))
		}
	})
	return p
}

// stop ends the process and waits for it; SIGKILL follows when SIGTERM has not worked within grace.
func (p *process) stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // gone already: nothing to stop
	select {
	case <-p.done:
	case <-time.After(grace):
		p.kill()
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // gone already: nothing to kill
	<-p.done
}

// running is false once the process has ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// tail is the last lines of its output.
func (p *process) tail(lines int) []byte {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))
}

// await polls until ready answers nil, and fails when the process ends first or the time is over.
func (p *process) await(limit time.Duration, ready func() error) error {
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %v\n%s", p.name, p.err, p.tail(40))
		case <-deadline:
			return fmt.Errorf("%s was not ready after %s: %w\n%s", p.name, limit, err, p.tail(40))
		}
	}
}
