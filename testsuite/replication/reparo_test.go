package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

// TestReparo: what a drainer has written to files, restored by reparo to commit TSs in between, is what TiDB
// had at each of them: all of it from the files, or from a dump and the files after it, as docs/point-in-time-restore.md has it.
func TestReparo(t *testing.T) {
	s := form.Seed(t)
	c := Start(t, Options{})
	dir := t.TempDir()
	files := newNode(t, "drainer", "files", c.PD.Endpoint(0), fmt.Sprintf("[syncer]\ndb-type = \"file\"\n[syncer.to]\ndir = %q\n", dir), "-initial-commit-ts", "0")
	files.Start()
	c.Drainer = files
	r := &run{t: t, c: c, w: NewWorkload(c.Open, s), b: NewBank(c.Open, s), seed: s}
	r.w.Plain = true
	// A dump has not all digits of FLOAT: rows of a table without a key are not found by its values.
	r.w.tables = slices.DeleteFunc(r.w.tables, func(t *table) bool { return t.name == "no_key" })
	if err := r.w.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.b.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Dumpling takes the first key of a table for a bound, and without a sql_mode that has zero dates finds nothing after it.
	if _, err := c.Open("sql_mode=%27%27").ExecContext(t.Context(), "insert into shapes.pk_time (id) values ('0000-00-00')"); err != nil {
		t.Fatal(err)
	}
	points := 3
	if form.Long() {
		points = 20
	}
	var all []nodes.TSO
	amid := 0 // commit TSs amid a DDL job
	d := newDocumented(t, c, dir)
	began := time.Now()
	r.work(15*time.Minute, func(ctx context.Context) error {
		if err := d.dump(ctx); err != nil {
			return err
		}
		rnd := rand.New(rand.NewPCG(s, 7))
		for time.Since(began) < seconds(t, 15) || len(all) < points || amid == 0 {
			ts, err := c.Now(ctx)
			if err != nil {
				return err
			}
			between, err := c.between(ctx, ts)
			if err != nil {
				return err
			}
			if between {
				all = append(all, ts)
			} else {
				amid++
			}
			if !nodes.Sleep(ctx, time.Duration(100+rnd.IntN(400))*time.Millisecond) {
				return fmt.Errorf("%d commit TSs are between DDL jobs, want %d; %d are amid one, want some", len(all), points, amid)
			}
		}
		return nil
	})
	if err := c.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := files.Stop(); err != nil {
		t.Fatal(err)
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
	srv := mariadbtest.Start(t, "--innodb-flush-log-at-trx-commit=0", "--collation-server=utf8mb4_bin")
	for _, ts := range append(all, last) { // ascending: each run resumes where the one before has ended
		reparoTo(t, dir, srv, ts)
		got := asItWas(t, c, Comparison{RowsOnly: true}, srv, ts)
		if ts == last && (got.Tables < 30 || got.Rows < 1000) {
			t.Errorf("only %s were compared", got.String())
		}
	}
	d.restore(all[len(all)-1])
	d.restore(last)
}

// asItWas compares a database that was restored with what TiDB had at a commit TS.
func asItWas(t *testing.T, c *Cluster, o Comparison, srv *mariadbtest.Server, ts nodes.TSO) Compared {
	t.Helper()
	tidb := c.Open("tidb_snapshot=" + url.QueryEscape("'"+ts.String()+"'"))
	defer tidb.Close()
	got, err := o.Compare(t.Context(), tidb, srv.Open())
	if err != nil {
		t.Fatalf("at %s: %v", ts, err)
	}
	t.Logf("at %s: %s", ts, got.String())
	if len(got.Differences) > 0 {
		t.Fatalf("at %s TiDB and the database restored differ:\n%s", ts, strings.Join(got.Differences[:min(40, len(got.Differences))], "\n"))
	}
	return got
}

// between reports whether no DDL job was being carried out at a commit TS. A job changes definitions step by step, and
// tidb_snapshot shows that: a column that is to come, a partition that is to go. Files, as every drainer, have the change whole,
// at the commit TS of the transaction with which the job's state becomes done.
func (c *Cluster) between(ctx context.Context, ts nodes.TSO) (bool, error) {
	db := c.Open("tidb_snapshot=" + url.QueryEscape("'"+ts.String()+"'"))
	defer db.Close()
	rows, err := db.QueryContext(ctx, "select job_meta from mysql.tidb_ddl_job")
	if err != nil {
		return false, fmt.Errorf("ask TiDB for the DDL jobs at %s: %w", ts, err)
	}
	defer rows.Close()
	for rows.Next() {
		var meta []byte
		var job schema.Job
		if err := rows.Scan(&meta); err != nil {
			return false, fmt.Errorf("read a DDL job at %s: %w", ts, err)
		}
		if err := json.Unmarshal(meta, &job); err != nil {
			return false, fmt.Errorf("read a DDL job at %s: %w", ts, err)
		}
		if slices.Contains([]schema.JobState{1, 2, 7}, job.State) { // running, rolling back, cancelling
			return false, nil
		}
	}
	return true, rows.Err()
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
