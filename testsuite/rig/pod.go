package rig

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
)

// Pod is a network namespace with an address of its own, as a pod has it.
type Pod struct {
	T    *testing.T
	Name string // of the namespace
	Dir  string // for its files
}

// NewPod makes one with the address 10.1.1.1; others come from 10.1.1.2. It needs root.
func NewPod(t *testing.T) *Pod {
	t.Helper()
	p := &Pod{T: t, Name: fmt.Sprintf("pumphouse-%d", rand.Uint32()), Dir: t.TempDir()}
	if out, err := exec.Command("ip", "netns", "add", p.Name).CombinedOutput(); err != nil {
		form.Missing(t, "cannot make a network namespace (ip netns add, as root): %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", p.Name).Run() })
	for _, args := range []string{"link set lo up", "addr add 10.1.1.1/32 dev lo", "addr add 10.1.1.2/32 dev lo"} {
		cmd := exec.Command("ip", append([]string{"-n", p.Name}, strings.Fields(args)...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	return p
}

// Run starts a program of ours in the pod, with more environment variables, and waits until it is ready.
func (p *Pod) Run(env []string, name string, args ...string) *Proc {
	p.T.Helper()
	all := append([]string{"netns", "exec", p.Name, "env"}, env...)
	return AwaitReady(p.T, SpawnCommand(p.T, exec.Command("ip", append(append(all, programs.Path(name)), args...)...)))
}

// Get asks a node in the pod for its /status, over a connection made there, and gives the first line of the answer.
func (p *Pod) Get(addr string) (string, error) { return p.GetFrom("10.1.1.1", addr, "/status") }

// GetFrom asks from an address for a path.
func (p *Pod) GetFrom(from, addr, path string) (string, error) {
	type answer struct {
		line string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		runtime.LockOSThread() // the thread goes with the goroutine: nothing else runs in the namespace
		ns, err := os.Open(filepath.Join("/run/netns", p.Name))
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			done <- answer{err: err}
			return
		}
		c, err := (&net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", addr)
		if err != nil {
			done <- answer{err: err}
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, addr)
		line, err := bufio.NewReader(c).ReadString('\n')
		done <- answer{strings.TrimSpace(line), err}
	}()
	a := <-done
	return a.line, a.err
}

func (p *Pod) Reached(what, addr string) {
	p.T.Helper()
	if line, err := p.Get(addr); err != nil || line != "HTTP/1.1 200 OK" {
		p.T.Errorf("%s at %s: %q, %v", what, addr, line, err)
	}
}
