package restore

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/file"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/nodes"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/replication"
	"pumphouse/testsuite/tidbtest/golden"
	"pumphouse/testsuite/upstream"
)

func TestMain(m *testing.M) { programs.Main(m) }

// reparo runs the program to its end.
func reparo(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, programs.Path("reparo"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// into are the flags to restore files into a server.
func into(t *testing.T, dir string, srv server, args ...string) []string {
	t.Helper()
	at := srv.at()
	config := filepath.Join(t.TempDir(), "reparo.toml")
	text := fmt.Sprintf("data-dir = %q\ndest-type = \"mysql\"\ntime-zone = \"UTC\"\n[dest-db]\nhost = %q\nport = %d\nuser = \"root\"\n", dir, at.Host, at.Port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return append([]string{"-config", config}, args...)
}

// restored restores everything and fails the test if that does not work.
func restored(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := reparo(t, args...)
	if code != 0 {
		t.Fatalf("reparo %s ends with %d:\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// applied gives transactions to our MySQL sink.
func applied(t *testing.T, srv server, txns []*sink.Txn) *sql.DB {
	t.Helper()
	s, err := mysql.New(t.Context(), mysql.Options{Server: srv.at(), Place: mysql.Place{ClusterID: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Apply(t.Context(), sink.Batch{Txns: txns, Passed: txns[len(txns)-1].CommitTS}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return srv.open(t)
}

// written gives transactions to our file sink.
func written(t *testing.T, txns []*sink.Txn) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := file.New(file.Options{Dir: dir, MaxFileBytes: 20_000, Gzip: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for part := range slices.Chunk(txns, 10) {
		if err := s.Apply(t.Context(), sink.Batch{Txns: part, Passed: part[len(part)-1].CommitTS}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func same(t *testing.T, want, got *sql.DB) {
	t.Helper()
	c, err := replication.Comparison{RowsOnly: true}.Compare(t.Context(), want, got)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(c.String())
	if len(c.Differences) > 0 {
		t.Errorf("they differ:\n%s", strings.Join(c.Differences[:min(40, len(c.Differences))], "\n"))
	}
	if c.Tables == 0 || c.Rows == 0 {
		t.Errorf("only %s were compared", c.String())
	}
}

// The same into a TiDB.
func TestRestoreIntoTiDB(t *testing.T) {
	data, err := golden.Load(2023)
	if err != nil {
		t.Fatal(err)
	}
	txns := transactions(t, data)
	compareWithDrainer(t, written(t, txns), txns, startTiDB(t), startTiDB(t))
}

// What upstream's drainer has written to files, and what ours writes of real TiDBs' binlogs, is restored as
// our drainer applies the same transactions.
func TestRestoreEqualsDrainer(t *testing.T) {
	t.Run("upstream", func(t *testing.T) {
		dir := filepath.Dir(upstream.BinlogFile(t))
		compareWithDrainer(t, dir, transactions(t, upstream.Data(t)), startMariaDB(t), startMariaDB(t))
	})
	for _, year := range golden.Years() {
		t.Run(strconv.Itoa(year), func(t *testing.T) {
			data, err := golden.Load(year)
			if err != nil {
				t.Fatal(err)
			}
			txns := transactions(t, data)
			compareWithDrainer(t, written(t, txns), txns, startMariaDB(t), startMariaDB(t))
		})
	}
}

// transactions are those that drainers replicate.
func transactions(t *testing.T, data *golden.Data) []*sink.Txn {
	return slices.DeleteFunc(data.Transactions(t), func(x *sink.Txn) bool {
		if x.DDL != nil {
			return x.DDL.Skip != "" || x.DDL.Schema == "mysql"
		}
		return len(x.Changes) > 0 && x.Changes[0].Table.Schema == "mysql"
	})
}

func compareWithDrainer(t *testing.T, dir string, txns []*sink.Txn, want, got server) {
	db := applied(t, want, txns)
	restored(t, into(t, dir, got)...)
	same(t, db, got.open(t))
	again := restored(t, into(t, dir, got)...)
	if !strings.Contains(again, "an earlier run had done it") {
		t.Errorf("a second run says %q", again)
	}
	same(t, db, got.open(t))
}

// A restore to a commit TS has the transactions up to it and nothing more, and another run continues.
func TestRestoreToCommitTS(t *testing.T) {
	txns := transactions(t, upstream.Data(t))
	dir := filepath.Dir(upstream.BinlogFile(t))
	got := startMariaDB(t)
	start := "-start-tso=" + txns[0].CommitTS.String()
	for _, i := range []int{len(txns) / 3, len(txns) / 2, len(txns) - 1} {
		stop := txns[i].CommitTS
		stdout := restored(t, into(t, dir, got, start, "-stop-tso="+stop.String())...)
		if !strings.Contains(stdout, stop.String()) {
			t.Errorf("restored up to %s: %s", stop, stdout)
		}
		same(t, applied(t, startMariaDB(t), txns[:i+1]), got.open(t))
	}
}

// Whatever is killed in between, every transaction takes effect once; also in a table without a key.
func TestRestoreIsKilled(t *testing.T) {
	const rows = 30_000
	dir := t.TempDir()
	writeKeyless(t, dir, rows)
	srv := startMariaDB(t, "--innodb-flush-log-at-trx-commit=0")
	db := srv.open(t)
	args := into(t, dir, srv)
	killed := 0
	for n, done := 0, false; !done && n < 200; n++ {
		cmd := exec.CommandContext(t.Context(), programs.Path("reparo"), args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		before := count(db)
		for done = false; !done; {
			select {
			case err := <-ended:
				if err != nil {
					t.Fatalf("%v: %s", err, stderr.String())
				}
				done = true
			case <-time.After(time.Millisecond): // it asks the database, which answers when it does
				if count(db) < before+rows/10 {
					continue
				}
				cmd.Process.Kill()
				<-ended
				killed++
			}
			break
		}
	}
	var n, distinct int
	if err := db.QueryRow("SELECT COUNT(*), COUNT(DISTINCT a) FROM k.nokey").Scan(&n, &distinct); err != nil {
		t.Fatal(err)
	}
	if n != rows || distinct != rows || killed < 3 {
		t.Errorf("%d rows, %d different ones, want %d; killed %d times", n, distinct, rows, killed)
	}
}

func count(db *sql.DB) (n int) {
	_ = db.QueryRow("SELECT COUNT(*) FROM k.nokey").Scan(&n) // 0: it is not there yet
	return n
}

// Files that are not whole are refused, with the place.
func TestRestoreRefusesGaps(t *testing.T) {
	dir := t.TempDir()
	writeKeyless(t, dir, 3000)
	paths, err := binlogfile.Files(dir)
	if err != nil || len(paths) < 4 {
		t.Fatal(paths, err)
	}
	srv := startMariaDB(t)
	fails := func(want string, args ...string) {
		t.Helper()
		if stdout, stderr, code := reparo(t, into(t, dir, srv, args...)...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("it ends with %d, want 1 and %q:\n%s%s", code, want, stdout, stderr)
		}
	}
	if err := os.Rename(paths[1], paths[1]+".away"); err != nil {
		t.Fatal(err)
	}
	fails("binlog file number 1 is missing")
	if err := os.Rename(paths[0], paths[0]+".away"); err != nil {
		t.Fatal(err)
	}
	fails("are gone", "-start-tso=1001")
	b, err := os.ReadFile(paths[2])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-3] ^= 1
	if err := os.WriteFile(paths[2], b, 0o600); err != nil {
		t.Fatal(err)
	}
	fails("is damaged at byte")
}

// printed is what -dest-type print, the default, says of a range.
func TestRestorePrints(t *testing.T) {
	txns := transactions(t, upstream.Data(t))
	dir := filepath.Dir(upstream.BinlogFile(t))
	stdout := restored(t, "-data-dir", dir, "-start-tso", txns[5].CommitTS.String(), "-stop-tso", txns[6].CommitTS.String())
	if strings.Count(stdout, "-- commit TS") != 2 || !strings.Contains(stdout, txns[5].CommitTS.String()) {
		t.Errorf("printed:\n%s", stdout)
	}
}

// base is where the commit TSs of writeKeyless begin.
const base = nodes.TSO(1000)
