//go:build linux

package form

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// The main thread never ends: it is for the main goroutine alone.
func init() { runtime.LockOSThread() }

// TestStartedOutliveThreads: a process that a test starts goes on when the thread ends whose goroutine asked for it.
func TestStartedOutliveThreads(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	thread := make(chan int)
	go func() {
		runtime.LockOSThread() // the thread goes with the goroutine
		err = Start(cmd)
		thread <- syscall.Gettid()
	}()
	task := fmt.Sprintf("/proc/self/task/%d", <-thread)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(task); errors.Is(err, fs.ErrNotExist) {
			break // what the kernel sends at a parent's end is sent
		}
		runtime.Gosched()
	}
	fmt.Fprintln(in, "still here")
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "still here\n" {
		t.Errorf("the process answered %q, %v", line, err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
