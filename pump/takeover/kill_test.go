package takeover_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"pumphouse/pump/takeover"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/upstream"
)

// killedDir tells the test binary that it is to be the process that is killed.
const killedDir = "PUMPHOUSE_TAKEOVER_TO_KILL"

func TestMain(m *testing.M) {
	dir := os.Getenv(killedDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	o := options(dir)
	o.Store.SegmentBytes = 8 << 20
	o.SaveOften(5 << 20)
	o.Begin = func(p *takeover.Progress) func() {
		ended := make(chan struct{})
		go func() { // says how far it is as soon as it is somewhere else
			for last := int64(-1); ; {
				select {
				case <-ended:
					return
				default:
				}
				if done := p.Status().DoneBytes; done != last {
					fmt.Println(done)
					last = done
				}
			}
		}()
		return func() { close(ended) }
	}
	if err := takeover.Run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("done")
}

// TestKilled: the import is killed with -9 at any point, again and again, until it is complete; and between two
// of them the old log is whole. In the end nothing is missing and nothing is there twice.
func TestKilled(t *testing.T) {
	kills := 5
	if form.Long() {
		kills = 50
	}
	rnd := rand.New(rand.NewPCG(form.Seed(t), 0))
	for killed := 0; killed < kills; {
		dir := t.TempDir()
		l, w := valueLog(t, dir), upstream.NewWorkload(rnd.Uint64(), begin)
		l.FileBytes, w.Size = 16<<20, 2000
		w.Write(t, l, 60_000)
		w.End(t, l, 0)
		must(t, l.Stop())
		rounds := 0
		for killIn(t, dir, rnd.Int64N(30<<20)) {
			killed, rounds = killed+1, rounds+1
			if rounds > 40 {
				t.Fatal("the import does not get on")
			}
		}
		taken(t, dir)
		same(t, pull(t, openStore(t, dir), 0), w.Committed)
	}
}

// killIn runs the import and kills it when it has brought so many bytes more; false: it was complete before.
func killIn(t *testing.T, dir string, after int64) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	first := int64(-1)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		done, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil { // it says that it is through: killed between there and its end
			_ = cmd.Process.Kill()
			break
		}
		if first < 0 {
			first = done
		}
		if done-first >= after {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	if _, err := os.Stat(filepath.Join(dir, "binlog")); err == nil {
		return false
	}
	if st := cmd.ProcessState; st.Exited() {
		t.Fatalf("the import ended: %v", st)
	}
	return true
}

// TestDiskFull: an import that runs out of space on a real, small file system says so, and goes on when there is some. It
// needs the right to mount one.
func TestDiskFull(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=150m"); err != nil {
		form.Missing(t, "cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	l, w := valueLog(t, mount), upstream.NewWorkload(3, begin)
	w.Size = 2000
	w.Write(t, l, 20_000)
	w.End(t, l, 0)
	must(t, l.Stop())
	var space *takeover.SpaceError
	if err := takeover.Run(t.Context(), options(mount)); !errors.As(err, &space) { // refused before it begins
		t.Fatal(err)
	}
	if got := golden(t, filepath.Join(mount, "value")); len(got) < len(w.Committed) {
		t.Errorf("%d of %d commits are left in the old log", len(got), len(w.Committed))
	}
	must(t, unix.Mount("tmpfs", mount, "tmpfs", unix.MS_REMOUNT, "size=600m"))
	must(t, takeover.Run(t.Context(), options(mount)))
	taken(t, mount)
	same(t, pull(t, openStore(t, mount), 0), w.Committed)
}
