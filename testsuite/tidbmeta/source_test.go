package tidbmeta

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/schema"
	drainertikv "pumphouse/drainer/tikv"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/tikvconn"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
	"pumphouse/testsuite/tidbtest/golden"
)

// newSource opens the meta data of the TiDB of a PD.
func newSource(t testing.TB, pd *pdtest.Cluster) *drainertikv.Source {
	t.Helper()
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	t.Cleanup(tikvconn.RedirectLogs(silent))
	s, err := drainertikv.New(pd.Endpoints(), certfile.Security{}, silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// TestSchemaSource reads what a real TiDB has left in its storage: the jobs are those that TiDB
// itself tells of, and the definitions made of them those that it answers queries with. The last version with
// binlog is built for the long form only; what it wrote is in the golden data.
func TestSchemaSource(t *testing.T) {
	for _, year := range golden.Years() {
		if year == 2024 && !form.Long() {
			continue
		}
		t.Run(fmt.Sprint(year), func(t *testing.T) {
			pd := pdtest.StartReal(t, 1)
			tidbtest.StartUnistore(t, pd.Endpoint(0))
			tidb := tidbtest.StartTiDB(t, tidbtest.Options{PD: pd.Endpoint(0), Store: tidbtest.TiKV, Year: year})
			db := tidb.Open(t, "")
			runDDL(t, db)
			s := newSource(t, pd)
			sameJobs(t, s, tidb)
			now, err := s.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			h, err := schema.Open(t.Context(), s, schema.Position{CommitTS: now, Exact: true}, schema.Options{})
			if err != nil {
				t.Fatal(err)
			}
			sameTables(t, db, h.Tables())
			tablesAt(t, db, s, h.Tables(), now)
		})
	}
}

// runDDL runs the DDL of the workload that the golden data were made with, and some more.
func runDDL(t *testing.T, db *sql.DB) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := golden.SQL() + `
create database late;
use late;
create table gone (id int primary key);
drop table gone;
create table a (id int primary key, v varchar(10), key kv (v));
create table b (id int primary key);
rename table a to c, b to a, c to b;
alter table b add column w int not null default 7, drop index kv, modify column v varchar(30);
alter table b add unique index uw (w), drop column v;
`
	failed := 0
	for q := range strings.SplitSeq(text, ";\n") {
		for q = strings.TrimSpace(q); strings.HasPrefix(q, "--"); q = strings.TrimSpace(q) {
			_, q, _ = strings.Cut(q, "\n")
		}
		words := strings.Fields(q)
		if len(words) == 0 || !slices.Contains([]string{"create", "alter", "drop", "rename", "truncate", "use", "set", "insert"}, strings.ToLower(words[0])) {
			continue
		}
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			failed++
			t.Logf("%.80s: %v", q, err)
		}
	}
	if failed > 5 {
		t.Errorf("%d statements failed", failed)
	}
}

// sameJobs compares the history with what TiDB says it is, all at once and one by one.
func sameJobs(t *testing.T, s *drainertikv.Source, tidb *tidbtest.TiDB) {
	t.Helper()
	told, err := tidb.Jobs()
	if err != nil {
		t.Fatal(err)
	}
	var got []*schema.Job
	if err := s.History(t.Context(), 0, func(j *schema.Job) error { got = append(got, j); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) < 120 || len(got) != len(told) {
		t.Errorf("%d jobs, TiDB has %d", len(got), len(told))
	}
	for i, text := range told[:min(len(told), len(got))] {
		want, err := schema.ParseJob(text)
		if err != nil {
			t.Fatal(err)
		}
		want.RawArgs = compactJSON(t, want.RawArgs) // TiDB's API prints it another way
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("job %d:\n%+v\nTiDB has\n%+v", i, got[i], want)
		}
		if one, err := s.Job(t.Context(), want.ID); err != nil || !reflect.DeepEqual(one, want) {
			t.Errorf("job %d alone: %v, %+v", want.ID, err, one)
		}
	}
	if len(got) == 0 {
		t.FailNow()
	}
	last := got[len(got)-1].ID
	if _, err := s.Job(t.Context(), last+1000); !errors.Is(err, schema.ErrNoJob) {
		t.Errorf("a job that is not there: %v", err)
	}
	half := got[len(got)/2].ID
	n := 0
	if err := s.History(t.Context(), half, func(*schema.Job) error { n++; return nil }); err != nil || n != len(got)-len(got)/2-1 {
		t.Errorf("%d jobs after %d, %v", n, half, err)
	}
	stop := errors.New("stop")
	if err := s.History(t.Context(), 0, func(*schema.Job) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

// systemSchemas are TiDB's own databases.
const systemSchemas = "('mysql', 'INFORMATION_SCHEMA', 'PERFORMANCE_SCHEMA', 'METRICS_SCHEMA', 'sys')"

func compactJSON(t *testing.T, text json.RawMessage) json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sameTables compares definitions with what TiDB shows of them.
func sameTables(t *testing.T, db *sql.DB, ts *schema.Tables) {
	t.Helper()
	var got []string
	for _, table := range ts.All() {
		if table.Schema == "mysql" || table.Schema == "sys" || table.Kind == schema.Sequence {
			continue
		}
		for _, c := range table.Columns {
			if c.Public {
				got = append(got, fmt.Sprintf("%s.%s (%d) column %s %s", table.Schema, table.Name, table.ID, c.Name, c.Type.InfoSchemaStr()))
			}
		}
		for _, k := range table.Keys {
			var cols []string
			for _, i := range k.Columns {
				if table.Columns[i].Public {
					cols = append(cols, table.Columns[i].Name)
				}
			}
			got = append(got, fmt.Sprintf("%s.%s (%d) key %s (%s)", table.Schema, table.Name, table.ID, k.Name, strings.Join(cols, ",")))
		}
	}
	want := texts(t, db, `select concat(t.table_schema, '.', t.table_name, ' (', t.tidb_table_id, ') column ', c.column_name, ' ', c.column_type)
		from information_schema.tables t join information_schema.columns c using (table_schema, table_name)
		where t.table_schema not in `+systemSchemas+` and t.table_type != 'SEQUENCE'`)
	want = append(want, texts(t, db, `select concat(t.table_schema, '.', t.table_name, ' (', t.tidb_table_id, ') key ', i.key_name, ' (',
			group_concat(if(i.column_name is null or i.expression is not null, '', i.column_name) order by i.seq_in_index separator ','), ')')
		from information_schema.tables t join information_schema.tidb_indexes i on (t.table_schema, t.table_name) = (i.table_schema, i.table_name)
		where t.table_schema not in `+systemSchemas+` and i.non_unique = 0
		group by t.table_schema, t.table_name, t.tidb_table_id, i.key_name`)...)
	slices.Sort(got)
	slices.Sort(want)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("TiDB has %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("the history makes %s", line)
		}
	}
	t.Logf("%d columns and keys", len(want))
}

// tablesAt reads every table's definition at a time stamp, and one before and after a change.
func tablesAt(t *testing.T, db *sql.DB, s *drainertikv.Source, ts *schema.Tables, now nodes.TSO) {
	t.Helper()
	for _, table := range ts.All() {
		info, err := s.TableAt(t.Context(), table.SchemaID, table.ID, now)
		if err != nil || info == nil || info.Name.O != table.Name || len(info.Columns) != len(table.Columns) {
			t.Errorf("%s: %+v, %v", table, info, err)
		}
	}
	last, _ := ts.Named("late", "b")
	before, err := s.Altered(t.Context(), 0)
	if err != nil || before.All || len(before.Tables) > 0 || before.Now <= now {
		t.Errorf("altered at first: %+v, %v", before, err)
	}
	mustExec(t, db, "alter table late.b add column later int")
	if a, err := s.Altered(t.Context(), before.Version); err != nil || a.All || a.Version <= before.Version || slices.ContainsFunc(a.Tables, func(id int64) bool { return id != 0 && id != last.ID }) || !slices.Contains(a.Tables, last.ID) {
		t.Errorf("late.b (%d) was altered after %d: %+v, %v", last.ID, before.Version, a, err)
	} else if again, err := s.Altered(t.Context(), a.Version); err != nil || again.Version != a.Version || len(again.Tables) > 0 {
		t.Errorf("nothing was altered after %d: %+v, %v", a.Version, again, err)
	}
	after, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[nodes.TSO]int{now: len(last.Columns), after: len(last.Columns) + 1} {
		if info, err := s.TableAt(t.Context(), last.SchemaID, last.ID, at); err != nil || info == nil || len(info.Columns) != want {
			t.Errorf("%s as of %d: %+v, %v", last, at, info, err)
		}
	}
	if info, err := s.TableAt(t.Context(), last.SchemaID, 1<<40, after); err != nil || info != nil {
		t.Errorf("a table that is not there: %+v, %v", info, err)
	}
}

func texts(t *testing.T, db *sql.DB, query string) (list []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func mustExec(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
