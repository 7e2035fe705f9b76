package strace

import (
	"bufio"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pumphouse/testsuite/form"
)

// Fail has a system call of a running process fail with an error (EIO) until stop is called or the process has ended.
func Fail(t testing.TB, pid int, call, errno string) (stop func()) {
	t.Helper()
	cmd := exec.Command("strace", "-f", "-p", strconv.Itoa(pid), "-e", "trace="+call, "-e", "inject="+call+":error="+errno)
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(out)
	first, _ := said.ReadString('\n') // of the whole process: its threads follow in the same line of thought, before anything runs
	if !strings.Contains(first, "attached") {
		rest, _ := io.ReadAll(said)
		_ = cmd.Wait()
		form.Missing(t, "strace cannot attach to a process of its own user: %s%s", first, rest)
	}
	var drained sync.WaitGroup
	drained.Go(func() { _, _ = io.Copy(io.Discard, said) })
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // it detaches; it may have ended with the process
		drained.Wait()
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	return stop
}
