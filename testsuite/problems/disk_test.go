package problems

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/pump"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
	"pumphouse/testsuite/strace"
)

// smallDisk is a file system of 256 MiB.
type smallDisk struct {
	t     testing.TB
	mount string
}

func newSmallDisk(t testing.TB) smallDisk {
	t.Helper()
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=256m"); err != nil {
		form.Missing(t, "cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return smallDisk{t, mount}
}

func (d smallDisk) filler() string { return filepath.Join(d.mount, "filler") }

// fill leaves a number of bytes.
func (d smallDisk) fill(leave int64) {
	d.t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.mount, &fs); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.filler(), make([]byte, int64(fs.Bavail)*fs.Bsize-leave), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d smallDisk) free() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
}

// TestProblemDiskFull fills the file system of a pump.
func TestProblemDiskFull(t *testing.T) {
	disk := newSmallDisk(t)
	l := newTroubled(t)
	dir := filepath.Join(disk.mount, "data")
	l.pumpAt("p1", dir, func(o *pump.Options) { o.StopWriteAtAvailable = 32 << 20 })
	l.sees(nodes.Pump, "p1", nodes.ProblemDiskFull, false)
	disk.fill(16 << 20)
	l.sees(nodes.Pump, "p1", nodes.ProblemDiskFull, true, dir, "32.0 MiB", "stop-write-at-available-space")
	disk.free()
	l.sees(nodes.Pump, "p1", nodes.ProblemDiskFull, false)
}

// TestProblemPurged: on a full disk a pump removes binlogs that a drainer has not consumed and that are older than the GC time.
func TestProblemPurged(t *testing.T) {
	disk := newSmallDisk(t)
	l := newTroubled(t)
	l.pumpAt("p1", filepath.Join(disk.mount, "data"), func(o *pump.Options) { o.StopWriteAtAvailable, o.GC = 32<<20, time.Millisecond })
	at := l.TSO()
	record := func(state nodes.State) {
		rig.Put(t, l.pdServer.Etcd, nodes.Drainer.Key("slow"), fmt.Sprintf(
			`{"nodeId":"slow","host":"127.0.0.1:1","state":%q,"isAlive":false,"score":0,"label":null,"maxCommitTS":%d,"updateTS":1}`, state, at))
	}
	record(nodes.Paused)
	for range 5 { // more than two segments
		l.Transact("p1", &binlogpb.Binlog{PrewriteValue: make([]byte, 30<<20)})
	}
	l.sees(nodes.Pump, "p1", nodes.ProblemPurged, false)
	disk.fill(16 << 20)
	l.sees(nodes.Pump, "p1", nodes.ProblemDiskFull, true)
	resp, err := http.Post("http://"+l.addr(nodes.Pump, "p1")+"/debug/gc/trigger", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	l.sees(nodes.Pump, "p1", nodes.ProblemPurged, true, "drainer slow", at.String(), "restore a dump")
	record(nodes.Offline)
	l.sees(nodes.Pump, "p1", nodes.ProblemPurged, false)
}

// TestProblemFsyncFailed: the disk of a running pump fails fdatasync. The pump takes nothing more and ends; why stays until it runs
// again.
func TestProblemFsyncFailed(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	l := newTroubledAt(t, c)
	p := c.Start("p1")
	repair := strace.Fail(t, p.Cmd.Process.Pid, "fdatasync", "EIO")
	cl := c.Dial(p.Addr)
	if _, err := cl.Prewrite([]byte("v")); err == nil {
		t.Error("a write is answered with success, and nothing of it is durable")
	}
	p.Ends(1)
	repair()
	l.seesEnd(nodes.Pump, "p1", nodes.ProblemFsyncFailed, "fdatasync", "input/output error", "check the disk")
	p.Launch()
	l.seesNoEnd(nodes.Pump, "p1", nodes.ProblemFsyncFailed)
}
