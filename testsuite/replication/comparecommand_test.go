package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// compareCommand runs drainer -compare with the drainer's configuration.
func (c *Cluster) compareCommand(ctx context.Context) (code int, stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, program("drainer"), append(c.Drainer.args[:8:8], "-compare", "-compare-upstream", "root@"+c.TiDB.Addr, "-compare-chunk", "200")...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), out.String(), errs.String(), nil
	}
	return 0, out.String(), errs.String(), err
}

// TestCompareCommand: after all kinds of transactions and DDL, drainer -compare finds no difference at the
// checkpoint of the paused drainer, whatever is written upstream meanwhile; it finds those that are made by hand, and
// refuses while the drainer runs, and while the downstream is ahead of the checkpoint, as after a kill.
func TestCompareCommand(t *testing.T) {
	r := newRun(t, Options{})
	r.work(seconds(t, 10), nil)
	r.equal()
	compare := func(want int, texts ...string) {
		t.Helper()
		code, out, errs, err := r.c.compareCommand(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if code != want {
			t.Errorf("exit %d, want %d\n%s\n%s", code, want, out, errs)
		}
		for _, text := range texts {
			if !strings.Contains(out+errs, text) {
				t.Errorf("it does not say %q:\n%s\n%s", text, out, errs)
			}
		}
	}
	compare(1, "locked by another process", "pause-drainer")
	if err := r.c.Drainer.Stop(); err != nil {
		t.Fatal(err)
	}
	db := r.c.Open("")
	defer db.Close()
	for _, q := range []string{"create database later", "create table later.t (id int primary key)", "insert into later.t values (1)"} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	compare(0, "all are equal")
	r.c.MariaDB.Exec("insert into tidb_binlog.checkpoint_applied select clusterID, 900000000000000000, '' from tidb_binlog.checkpoint")
	compare(1, "newer than the checkpoint", "pause-drainer")
	r.c.MariaDB.Exec("delete from tidb_binlog.checkpoint_applied where commit_ts = 900000000000000000")

	maria := r.c.MariaDB.Open()
	var schema, table string
	const some = "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE' and table_schema not in " + others + " and table_rows > 10 limit 1"
	if err := maria.QueryRowContext(t.Context(), some).Scan(&schema, &table); err != nil {
		t.Fatal(err)
	}
	r.c.MariaDB.Exec(fmt.Sprintf("delete from %s.%s limit 1", quote(schema), quote(table)), "create table "+quote(schema)+".by_hand (id int)")
	compare(1, "2 differ", schema+"."+table+": ", "missing downstream: ", schema+".by_hand: ", "the downstream differs from the upstream")
}
