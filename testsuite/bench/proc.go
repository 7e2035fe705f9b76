package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a child that announced itself on its standard output.
type process struct {
	cmd   *exec.Cmd
	line  string        // the announcement
	start time.Duration // from the fork to the announcement
	tail  chan struct{}
}

// start runs a program and waits until a line of its standard output begins with mark.
func start(mark, name string, args ...string) (*process, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, tail: make(chan struct{})}
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if strings.HasPrefix(line, mark) {
			p.start, p.line = time.Since(began), strings.TrimSpace(line)
			break
		}
		if err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			return nil, fmt.Errorf("%s ended before it printed %q", name, mark)
		}
	}
	go func() {
		defer close(p.tail)
		io.Copy(io.Discard, r)
	}()
	return p, nil
}

// stop asks the process to end and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.wait()
}

// wait returns when the process has ended.
func (p *process) wait() error {
	<-p.tail
	return p.cmd.Wait()
}

// rss is the process's resident memory in bytes.
func (p *process) rss() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(status), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc")
}

// kill ends a process as kill -9 does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.wait()
}
