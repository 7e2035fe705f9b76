package replication

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

// TestReparo: what a drainer has written to files, restored by reparo to commit TSs in between, is what TiDB
// had at each of them.
func TestReparo(t *testing.T) {
	s := form.Seed(t)
	c := Start(t, Options{})
	dir := t.TempDir()
	files := newNode(t, "drainer", "files", c.PD.Endpoint(0), fmt.Sprintf("[syncer]\ndb-type = \"file\"\n[syncer.to]\ndir = %q\n", dir), "-initial-commit-ts", "0")
	files.Start()
	c.Drainer = files
	r := &run{t: t, c: c, w: NewWorkload(c.Open, s), b: NewBank(c.Open, s), seed: s}
	r.w.Plain = true
	if err := r.w.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.b.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []nodes.TSO
	r.work(seconds(t, 15), func(ctx context.Context) error {
		rnd := rand.New(rand.NewPCG(s, 7))
		for ctx.Err() == nil {
			ts, err := c.Now(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			all = append(all, ts)
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(100+rnd.IntN(400)) * time.Millisecond):
			}
		}
		return nil
	})
	if err := c.Settled(t.Context(), 60*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.CatchUp(t.Context(), 60*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := files.Stop(); err != nil {
		t.Fatal(err)
	}

	points := 3
	if form.Long() {
		points = 20
	}
	rnd := rand.New(rand.NewPCG(s, 8))
	for len(all) > points-1 {
		i := rnd.IntN(len(all))
		all = slices.Delete(all, i, i+1)
	}
	last, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	written := readFiles(t, dir)
	srv := mariadbtest.Start(t, "--innodb-flush-log-at-trx-commit=0", "--collation-server=utf8mb4_bin")
	for _, ts := range append(all, last) { // ascending: each run resumes where the one before has ended
		reparoTo(t, dir, srv, ts)
		tidb := c.Open("tidb_snapshot=" + url.QueryEscape("'"+ts.String()+"'"))
		got, err := Comparison{RowsOnly: true}.Compare(t.Context(), tidb, srv.Open())
		tidb.Close()
		if err != nil {
			t.Fatalf("at %s: %v", ts, err)
		}
		t.Logf("at %s: %s", ts, got.String())
		got.Differences = slices.DeleteFunc(got.Differences, func(d string) bool { return underway(written, ts, d) })
		if len(got.Differences) > 0 {
			t.Fatalf("at %s TiDB and the database restored differ:\n%s", ts, strings.Join(got.Differences[:min(40, len(got.Differences))], "\n"))
		}
		if ts == last && (got.Tables < 30 || got.Rows < 1000) {
			t.Errorf("only %s were compared", got.String())
		}
	}
}

// path is a table in a difference.
var path = regexp.MustCompile("^`([^`]*)`\\.`([^`]*)`")

// underway reports whether a difference is of a table that a statement was changing at a commit TS: tidb_snapshot has the steps
// of a DDL job that is running, and files, as every drainer, have the change whole, from the commit TS of its binlog on.
func underway(written []recorded, ts nodes.TSO, difference string) bool {
	m := path.FindStringSubmatch(difference)
	return m != nil && slices.ContainsFunc(written, func(x recorded) bool {
		return x.ddl != "" && x.ts > ts && x.ts.Time().Sub(ts.Time()) < 10*time.Second && strings.Contains(strings.ToLower(x.ddl), strings.ToLower(m[2]))
	})
}

// reparoTo restores files up to a commit TS.
func reparoTo(t *testing.T, dir string, srv *mariadbtest.Server, ts nodes.TSO) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "reparo.toml")
	text := fmt.Sprintf("data-dir = %q\ndest-type = \"mysql\"\nlog-level = \"warn\"\n[dest-db]\nhost = %q\nport = %d\n", dir, srv.Host, srv.Port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program("reparo"), "-config", config, "-stop-tso", ts.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("reparo up to %s: %v\n%s", ts, err, out)
	}
	t.Logf("%s", out)
}
