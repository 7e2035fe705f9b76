package packaging

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/rig"
)

// TestKeepOffline: whoever stops the container as soon as it has said that its program ended, ends it.
func TestKeepOffline(t *testing.T) {
	script, err := filepath.Abs("../../packaging/keep-offline")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 12 {
		cmd := exec.Command(script, "/bin/true")
		cmd.WaitDelay = time.Second // for a process that outlives it
		said, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(said).ReadString('\n'); err != nil {
			t.Errorf("it says %q: %v", line, err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		late := time.AfterFunc(rig.Timeout, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			t.Fatalf("stopped for the %dth time: %v", n+1, err)
		}
		late.Stop()
	}
	var exit *exec.ExitError
	if err := exec.Command(script, "/bin/sh", "-c", "exit 3").Run(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("the program ends with 3: %v", err)
	}
}
