package durability

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"pumphouse/drainer/binlogfile"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
	"pumphouse/testsuite/strace"
)

// The tests of this file run the real programs under strace and look at each moment where something is
// promised: nothing of what is promised may then be only in memory.

// traced starts a program of ours under strace and waits until it is ready. root is what it writes to.
func traced(t testing.TB, root, name string, args ...string) (*rig.Proc, *strace.Trace) {
	t.Helper()
	cmd, trace := strace.Command(t, root, programs.Path(name), args...)
	return rig.AwaitReady(t, rig.SpawnCommand(t, cmd)), trace
}

// portOf is the port at the end of a ready line.
func portOf(t testing.TB, p *rig.Proc) int {
	t.Helper()
	port, err := strconv.Atoi(p.Ready[strings.LastIndexByte(p.Ready, ':')+1:])
	if err != nil {
		t.Fatalf("ready line %q: %v", p.Ready, err)
	}
	return port
}

// walk ends a program with a signal and goes through what it did. After ten failed moments it looks no
// further.
func walk(t testing.TB, p *rig.Proc, trace *strace.Trace, look func(c *strace.Call, d *strace.Disk) (lost []string)) {
	t.Helper()
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.Done
	failed := 0
	trace.Walk(t, p.Cmd.Process.Pid, func(c *strace.Call, d *strace.Disk) {
		if failed == 10 {
			return
		}
		if lost := look(c, d); len(lost) > 0 {
			failed++
			t.Errorf("at %s a failure of the machine would take:\n%s", c, strings.Join(lost, "\n"))
		}
	})
}

// announced reports whether a call prints the ready line.
func announced(c *strace.Call) bool {
	return c != nil && c.Path != "" && bytes.HasPrefix(c.Data, []byte("ready:"))
}

// identity is what a node must find again after a failure of the machine, once it has said that it is ready.
func identity(d *strace.Disk) []string {
	return append(d.Lost(".node"), d.Lost(".cluster")...)
}

// answers counts the messages in what a gRPC server writes to a connection.
func answers(t testing.TB, b []byte) (n int) {
	t.Helper()
	frames := http2.NewFramer(nil, bytes.NewReader(b))
	for {
		f, err := frames.ReadFrame()
		if err != nil {
			return n
		}
		if _, data := f.(*http2.DataFrame); data {
			n++
		}
	}
}

// TestPumpAnswersWhatIsOnDisk: when the pump sends the answer to a write, the record is on disk, with the
// segment it is in and the directories above. Large binlogs make it begin new segments.
func TestPumpAnswersWhatIsOnDisk(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	n := c.Node("pump1")
	root := filepath.Dir(n.Args[1])
	p, trace := traced(t, root, "pump", append(n.Args, "-addr", n.Addr)...)
	port := portOf(t, p)
	cl := c.Dial(fmt.Sprintf("127.0.0.1:%d", port))
	wrote := 0
	for i := range 20 {
		value := []byte("small")
		if i%5 == 1 {
			value = make([]byte, 30<<20)
		}
		cl.Transaction(value)
		wrote += 2
	}
	answered, segments := 0, map[string]bool{}
	walk(t, p, trace, func(call *strace.Call, d *strace.Disk) []string {
		if announced(call) {
			return identity(d)
		}
		if call == nil || call.LocalPort != port || answers(t, call.Data) == 0 {
			if call != nil && strings.HasPrefix(filepath.Base(call.Path), "log-") && call.Data != nil {
				segments[call.Path] = true
			}
			return nil
		}
		answered += answers(t, call.Data)
		return d.Lost("log-*")
	})
	if answered != wrote || len(segments) < 3 {
		t.Errorf("the trace has %d answers to %d writes, into %d segments", answered, wrote, len(segments))
	}
}

// TestPumpCheckpointIsDurable: a checkpoint takes its name when everything it builds on is on disk, the
// log with sync-log = false included, and nothing is removed before its name is.
func TestPumpCheckpointIsDurable(t *testing.T) {
	for _, sync := range []bool{true, false} {
		t.Run(fmt.Sprintf("sync-log=%v", sync), func(t *testing.T) {
			c := rig.NewPumps(t, pdtest.StartEmbed(t))
			n := c.Node("pump1")
			config := n.Args[1]
			if err := os.WriteFile(config, []byte(fmt.Sprintf("[storage]\nsync-log = %v\nstop-write-at-available-space = \"1 MiB\"\n", sync)), 0o600); err != nil {
				t.Fatal(err)
			}
			root := filepath.Dir(config)
			for life := range 2 { // an empty data directory, and one with a log
				p, trace := traced(t, root, "pump", append(n.Args, "-addr", n.Addr)...)
				cl := c.Dial(fmt.Sprintf("127.0.0.1:%d", portOf(t, p)))
				for range 10 {
					cl.Transaction([]byte("x"))
				}
				checkpoints := 0
				walk(t, p, trace, func(call *strace.Call, d *strace.Disk) []string {
					switch {
					case call == nil:
						return d.Lost("checkpoint")
					case call.Name == "unlinkat":
						return d.Lost("checkpoint")
					case filepath.Base(call.To) != "checkpoint":
						return nil
					}
					checkpoints++
					lost := d.Unsynced("checkpoint.tmp")
					for _, built := range []string{"log-*", "index-*", "wait-*"} {
						lost = append(lost, d.Unsynced(built)...)
					}
					var list []string
					for _, w := range lost {
						list = append(list, w.String())
					}
					return append(append(list, d.Nameless("log-*")...), d.Nameless("index-*")...)
				})
				if checkpoints == 0 {
					t.Errorf("life %d of the pump wrote no checkpoint", life)
				}
			}
		})
	}
}

// savepoint is the commit TS in the text of a savepoint.
func savepoint(text []byte) nodes.TSO {
	var ts int64
	if _, err := fmt.Sscanf(string(text), "commitTS = %d", &ts); err != nil {
		return 0
	}
	return nodes.TSO(ts)
}

// TestDrainerSavesWhatIsOnDisk: when a savepoint takes its name, it is on disk and so is everything up to
// its commit TS in the binlog files; its name is on disk before the next one is begun.
func TestDrainerSavesWhatIsOnDisk(t *testing.T) {
	p := rig.NewPumps(t, pdtest.StartEmbed(t))
	tr := p.NewTrade("pump1")
	n := tr.Drainer("drainer1")
	n.Dir = filepath.Join(n.Dir, "made", "by", "it")
	n.Args = append(n.Args, "-data-dir", n.Dir, "-addr", n.Addr)
	root := filepath.Dir(filepath.Dir(filepath.Dir(n.Dir)))
	var trace *strace.Trace
	n.Proc, trace = traced(t, root, "drainer", n.Args...)
	var last nodes.TSO
	for range 10 {
		last = tr.Sell("pump1")
		n.Consumes(tr, last)
	}
	for range 50 {
		last = tr.Sell("pump1")
	}
	n.Consumes(tr, last)
	// Where the records ended up.
	type record struct {
		ts       nodes.TSO
		from, to int64
	}
	records := map[string][]record{}
	paths, err := binlogfile.Files(n.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		err := binlogfile.Each(path, func(r binlogfile.Record) error {
			records[path] = append(records[path], record{r.CommitTS(), r.Offset, r.End()})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	saved, latest, text := 0, nodes.TSO(0), []byte(nil)
	walk(t, n.Proc, trace, func(call *strace.Call, d *strace.Disk) (lost []string) {
		switch {
		case call == nil:
			return d.Lost("savepoint")
		case announced(call):
			return identity(d)
		case call.Data != nil && filepath.Base(call.Path) == "savepoint.tmp":
			text = call.Data
			return d.Lost("savepoint")
		case filepath.Base(call.To) != "savepoint":
			return nil
		}
		ts := savepoint(text)
		saved, latest = saved+1, max(latest, ts)
		for _, w := range d.Unsynced(filepath.Base(call.Path)) {
			lost = append(lost, w.String())
		}
		covered := map[string]bool{}
		for path, list := range records {
			for _, r := range list {
				if r.ts > ts {
					continue
				}
				covered[filepath.Base(path)] = true
				for _, w := range d.Unsynced(filepath.Base(path)) {
					if w.From < r.to && r.from < w.To {
						lost = append(lost, fmt.Sprintf("commit TS %s, which savepoint %s covers: %s", r.ts, ts, w))
					}
				}
			}
		}
		for name := range covered {
			lost = append(lost, d.Nameless(name)...)
		}
		return lost
	})
	if saved < 10 || latest < last {
		t.Errorf("the trace has %d savepoints up to %s; the last transaction is %s", saved, latest, last)
	}
}

// TestDrainerFinishesFilesOnDisk: the file sink begins a file when the one before is on disk, whole and
// with its name. A file has half a gigabyte, so this one is in the soak; package drainer/sink/file has the
// same on a file system that loses what is not synced.
func TestDrainerFinishesFilesOnDisk(t *testing.T) {
	form.LongOnly(t, "it writes more than 512 MiB")
	p := rig.NewPumps(t, pdtest.StartEmbed(t))
	tr := p.NewTrade("pump1")
	n := tr.Drainer("drainer1")
	var trace *strace.Trace
	n.Proc, trace = traced(t, n.Dir, "drainer", append(n.Args, "-addr", n.Addr)...)
	large := strings.Repeat("x", 30<<20)
	var last nodes.TSO
	for i := range int64(20) {
		last = tr.Insert("pump1", rig.FirstTable, 1000+i, large)
	}
	n.Consumes(tr, last)
	begun := 0
	walk(t, n.Proc, trace, func(call *strace.Call, d *strace.Disk) []string {
		if call == nil || call.Name != "openat" || !strings.Contains(call.Flags, "O_EXCL") || !strings.HasPrefix(filepath.Base(call.Path), "binlog-") {
			return nil
		}
		begun++
		return d.Lost("binlog-*")
	})
	if begun < 2 {
		t.Errorf("the drainer has begun %d files", begun)
	}
}

// TestDrainerRelayLogComesFirst: what the drainer sends to the database is in the relay log on disk, with the
// names of its files and directory. Files of the relay log are small here, so that they change.
func TestDrainerRelayLogComesFirst(t *testing.T) {
	srv := mariadbtest.Start(t)
	p := rig.NewPumps(t, pdtest.StartEmbed(t))
	tr := p.NewTrade("pump1")
	root := t.TempDir()
	relay := filepath.Join(root, "made", "relay")
	config := rig.WriteFile(t, "drainer.toml", fmt.Sprintf("[syncer]\ndb-type = \"mysql\"\n[syncer.to]\nhost = %q\nport = %d\nuser = \"root\"\n[syncer.relay]\nlog-dir = %q\nmax-file-size = 2000\n",
		srv.Host, srv.Port, relay))
	d, trace := traced(t, root, "drainer", "-node-id", "drainer1", "-data-dir", filepath.Join(root, "data"), "-pd-urls", strings.Join(p.Endpoints, ","),
		"-schema-dir", tr.Jobs, "-initial-commit-ts", "0", "-addr", "127.0.0.1:0", "-config", config)
	const rows = 60
	mark := func(i int) string { return fmt.Sprintf("row-%03d-of-the-relay-log", i) }
	for i := range rows {
		tr.Insert("pump1", rig.FirstTable, int64(1000+i), mark(i))
	}
	db := srv.Open()
	rig.Eventually(t, 2*time.Minute, "the rows are downstream", func() (bool, string) {
		var n int
		err := db.QueryRow("SELECT COUNT(*) FROM test.t100").Scan(&n)
		return n == rows, fmt.Sprint(n, err, d.Output())
	})
	sent, files := map[int]bool{}, map[string]bool{}
	in := map[int]string{} // the file that has a row: a later one may be new while the row goes downstream
	walk(t, d, trace, func(call *strace.Call, d *strace.Disk) (lost []string) {
		if call == nil {
			return nil
		}
		if filepath.Dir(call.Path) == relay && call.Data != nil {
			files[call.Path] = true
			for i := range rows {
				if bytes.Contains(call.Data, []byte(mark(i))) {
					in[i] = filepath.Base(call.Path)
				}
			}
		}
		if call.RemotePort != srv.Port {
			return nil
		}
		for i := range rows {
			if !bytes.Contains(call.Data, []byte(mark(i))) {
				continue
			}
			sent[i] = true
			for _, w := range d.Unsynced("binlog-*") {
				if bytes.Contains(w.Data, []byte(mark(i))) {
					lost = append(lost, w.String())
				}
			}
			lost = append(lost, d.Nameless(in[i])...)
		}
		return lost
	})
	if len(in) != rows || len(sent) != rows || len(files) < 5 {
		t.Errorf("the trace has %d of %d rows sent to the database, and %d files of the relay log", len(sent), rows, len(files))
	}
}
