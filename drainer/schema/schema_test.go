package schema_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// history is a directory of jobs under construction. Job n has the schema version n, began at
// 100n and finished at 100n+50; its DDL binlog is of 100n+40.
type history struct {
	t   testing.TB
	dir string
	n   int
}

func newHistory(t testing.TB) *history {
	h := &history{t: t, dir: t.TempDir()}
	h.job(`"type":1,"schema_id":1,"binlog":{"DBInfo":{"id":1,"db_name":{"O":"One","L":"one"}}}`)
	return h
}

func binlogTS(job int) nodes.TSO { return nodes.TSO(100*job + 40) }

// job adds a job that succeeded unless fields say otherwise, and gives its ID.
func (h *history) job(fields string) int {
	h.t.Helper()
	h.n++
	fields = strings.Replace(fields, `"binlog":{`, fmt.Sprintf(`"binlog":{"SchemaVersion":%d,"FinishedTS":%d,`, h.n, 100*h.n+50), 1)
	fields = strings.Replace(fields, ",}", "}", 1)
	if !strings.HasPrefix(fields, `"state"`) {
		fields = `"state":6,` + fields
	}
	h.write(h.n, fmt.Sprintf(`{"id":%d,"start_ts":%d,%s}`, h.n, 100*h.n, fields))
	return h.n
}

func (h *history) write(id int, text string) {
	h.t.Helper()
	name := filepath.Join(h.dir, fmt.Sprintf("%d.json", id))
	if err := errors.Join(os.WriteFile(name+".new", []byte(text), 0o600), os.Rename(name+".new", name)); err != nil {
		h.t.Fatal(err)
	}
}

// open opens the history at a commit TS.
func (h *history) open(at schema.Position) *schema.History {
	h.t.Helper()
	s, err := schema.Open(context.Background(), schema.Dir(h.dir), at, schema.Options{JobTimeout: time.Millisecond, Poll: time.Millisecond})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// end is the tables after all jobs.
func (h *history) end() *schema.Tables {
	h.t.Helper()
	return h.open(schema.Position{CommitTS: 1 << 60, Exact: true}).Tables()
}

// tableJSON is a table with columns named and numbered so: "a:1 b:2".
func tableJSON(id int, name, columns, more string) string {
	var cols []string
	for i, c := range strings.Fields(columns) {
		n, cid, _ := strings.Cut(c, ":")
		cols = append(cols, fmt.Sprintf(`{"id":%s,"name":{"O":%q,"L":%q},"offset":%d,"state":5,"type":{"Tp":3,"Flag":0}}`, cid, n, n, i))
	}
	return fmt.Sprintf(`"TableInfo":{"id":%d,"name":{"O":%q,"L":%q},"state":5,"cols":[%s]%s}`, id, name, strings.ToLower(name), strings.Join(cols, ","), more)
}

// create adds a CREATE TABLE in database 1.
func (h *history) create(id int, name, columns, more string) int {
	return h.job(fmt.Sprintf(`"type":3,"schema_id":1,"table_id":%d,"binlog":{%s}`, id, tableJSON(id, name, columns, more)))
}

// shape lists tables: "10 One.t(a,b)".
func shape(ts *schema.Tables) string {
	var list []string
	for _, t := range ts.All() {
		var cols []string
		for _, c := range t.Columns {
			cols = append(cols, c.Name)
		}
		s := fmt.Sprintf("%d %s.%s(%s)", t.ID, t.Schema, t.Name, strings.Join(cols, ","))
		for _, p := range t.Partitions {
			s += fmt.Sprintf("/%d", p.ID)
		}
		list = append(list, s)
	}
	return strings.Join(list, " ")
}

const parted = `,"partition":{"definitions":[{"id":%d,"name":"p0"},{"id":%d,"name":"p1"}]}`

// TestActions holds what each kind of job makes of the tables.
func TestActions(t *testing.T) {
	second := `"type":1,"schema_id":2,"binlog":{"DBInfo":{"id":2,"db_name":"two"}}`
	for _, c := range []struct {
		name string
		do   func(h *history)
		want string
	}{
		{"alter", func(h *history) {
			h.create(10, "t", "a:1", "")
			h.job(`"type":5,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1 b:2", "") + `}`)
		}, "10 One.t(a,b)"},
		{"truncate", func(h *history) {
			h.create(10, "t", "a:1", "")
			h.job(`"type":11,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(11, "t", "a:1", "") + `}`)
		}, "11 One.t(a)"},
		{"drop and create", func(h *history) {
			h.create(10, "t", "a:1", "")
			h.job(`"type":4,"schema_id":1,"table_id":10,"binlog":{}`)
			h.create(11, "t", "b:1", "")
		}, "11 One.t(b)"},
		{"recover", func(h *history) {
			h.create(10, "t", "a:1", "")
			h.job(`"type":4,"schema_id":1,"table_id":10,"binlog":{}`)
			h.job(`"type":25,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t2", "a:1", "") + `}`)
		}, "10 One.t2(a)"},
		{"rename to another database", func(h *history) {
			h.job(second)
			h.create(10, "t", "a:1", "")
			h.job(`"type":14,"schema_id":2,"table_id":10,"binlog":{` + tableJSON(10, "u", "a:1", "") + `}`)
		}, "10 two.u(a)"},
		{"rename several by their statement", func(h *history) {
			h.job(second)
			h.create(10, "t", "a:1", "")
			h.create(11, "u", "b:1", "")
			h.job(`"type":47,"schema_id":1,"table_id":10,"query":"RENAME TABLE t TO x, u TO two.t, x TO u","binlog":{"MultipleTableInfos":[` +
				bare(tableJSON(10, "u", "a:1", "")) + `,` + bare(tableJSON(11, "t", "b:1", "")) + `,` + bare(tableJSON(10, "u", "a:1", "")) + `]}`)
		}, "10 One.u(a) 11 two.t(b)"},
		{"rename several, the job's database is that of the last new name", func(h *history) {
			h.job(second)
			h.create(10, "t", "a:1", "")
			h.create(11, "u", "b:1", "")
			h.job(`"type":47,"schema_id":2,"table_id":10,"query":"RENAME TABLE One.t TO x, One.u TO y","binlog":{"MultipleTableInfos":[` +
				bare(tableJSON(10, "x", "a:1", "")) + `,` + bare(tableJSON(11, "y", "b:1", "")) + `]}`)
		}, "10 two.x(a) 11 two.y(b)"},
		{"rename several by the names beside the statement, which does not tell", func(h *history) {
			h.job(second)
			h.create(10, "t", "a:1", "")
			h.job(`"type":14,"schema_id":2,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1", "") + `}`)
			h.create(11, "u", "b:1", "")
			h.job(`"type":47,"schema_id":1,"table_id":10,"query":"RENAME TABLE two.t TO x, One.u TO One.y","involving_schema_info":[` +
				`{"database":"two","table":"t"},{"database":"two","table":"x"},{"database":"one","table":"u"},{"database":"one","table":"y"}],"binlog":{"MultipleTableInfos":[` +
				bare(tableJSON(10, "x", "a:1", "")) + `,` + bare(tableJSON(11, "y", "b:1", "")) + `]}`)
		}, "10 two.x(a) 11 One.y(b)"},
		{"rename several by their arguments", func(h *history) {
			h.job(second)
			h.create(10, "t", "a:1", "")
			h.job(`"type":47,"schema_id":1,"table_id":10,"raw_args":[[1],[2],[{"O":"t","L":"t"}],[10]],"binlog":{"MultipleTableInfos":[` +
				bare(tableJSON(10, "t", "a:1", "")) + `]}`)
		}, "10 two.t(a)"},
		{"create several", func(h *history) {
			h.job(`"type":60,"schema_id":1,"binlog":{"MultipleTableInfos":[` + bare(tableJSON(10, "t", "a:1", "")) + `,` + bare(tableJSON(11, "u", "b:1", "")) + `]}`)
		}, "10 One.t(a) 11 One.u(b)"},
		{"drop database", func(h *history) {
			h.job(second)
			h.create(10, "t", "a:1", "")
			h.job(`"type":3,"schema_id":2,"table_id":11,"binlog":{` + tableJSON(11, "t", "a:1", "") + `}`)
			h.job(`"type":2,"schema_id":1,"binlog":{"DBInfo":{"id":1,"db_name":"One"}}`)
		}, "11 two.t(a)"},
		{"flashback database", func(h *history) {
			h.create(10, "t", "a:1", "")
			h.create(11, "gone", "a:1", "")
			h.job(`"type":4,"schema_id":1,"table_id":11,"binlog":{}`)
			h.job(`"type":2,"schema_id":1,"binlog":{"DBInfo":{"id":1,"db_name":"One"}}`)
			h.job(`"type":63,"schema_id":1,"schema_name":"back","binlog":{"DBInfo":{"id":1,"db_name":"Back"}}`)
		}, "10 Back.t(a)"},
		{"exchange partition", func(h *history) {
			h.create(10, "p", "a:1", fmt.Sprintf(parted, 11, 12))
			h.create(20, "s", "a:1", "")
			h.job(`"type":42,"schema_id":1,"table_id":20,"binlog":{` + tableJSON(10, "p", "a:1", fmt.Sprintf(parted, 20, 12)) + `}`)
		}, "10 One.p(a)/20/12 11 One.s(a)"},
		{"remove partitioning", func(h *history) {
			h.create(10, "p", "a:1", fmt.Sprintf(parted, 11, 12))
			h.job(`"type":72,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(13, "p", "a:1", "") + `}`)
		}, "13 One.p(a)"},
		{"rolled back, cancelled, running", func(h *history) {
			h.create(10, "t", "a:1", "")
			for _, state := range []int{3, 5, 1, 2, 7, 8, 9} {
				h.job(fmt.Sprintf(`"state":%d,"type":5,"schema_id":1,"table_id":10,"binlog":{%s}`, state, tableJSON(10, "t", "a:1 b:2", "")))
			}
		}, "10 One.t(a)"},
		{"view replaced", func(h *history) {
			h.job(`"type":21,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "v", "a:1", `,"view":{"x":1}`) + `}`)
			h.job(`"type":21,"schema_id":1,"table_id":11,"binlog":{` + tableJSON(11, "V", "b:1", `,"view":{"x":1}`) + `}`)
		}, "11 One.V(b)"},
		{"of no table", func(h *history) {
			h.job(`"type":51,"schema_id":1,"binlog":{}`)
			h.job(`"type":250,"schema_id":1,"binlog":{}`)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory(t)
			c.do(h)
			if got := shape(h.end()); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func bare(info string) string { return strings.TrimPrefix(info, `"TableInfo":`) }

// TestBadJobs: what cannot be applied is an error that names the job.
func TestBadJobs(t *testing.T) {
	for name, c := range map[string]struct{ job, want string }{
		"no JSON":           {`{"id":`, "2.json"},
		"another job":       {`{"id":7,"state":6}`, "it is job 7"},
		"no database":       {`{"id":2,"state":6,"type":3,"schema_id":9,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1", "") + `}}`, "no database with the ID 9"},
		"no pk":             {`{"id":2,"state":6,"type":3,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1", `,"pk_is_handle":true`) + `}}`, "no primary key column"},
		"index out of it":   {`{"id":2,"state":6,"type":3,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1", `,"index_info":[{"idx_name":"k","is_unique":true,"state":5,"idx_cols":[{"offset":4}]}]`) + `}}`, "key k"},
		"columns twice":     {`{"id":2,"state":6,"type":3,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1 b:1", "") + `}}`, "two columns with the ID 1"},
		"flashback cluster": {`{"id":2,"state":6,"type":62,"binlog":{}}`, "copy the data again"},
		"exchange nothing":  {`{"id":2,"state":6,"type":42,"schema_id":1,"table_id":5,"binlog":{}}`, "no partitioned table"},
		"rename where":      {`{"id":2,"state":6,"type":47,"schema_id":1,"query":"RENAME TABLE a.t TO x, a.u TO One.t","binlog":{"MultipleTableInfos":[` + bare(tableJSON(10, "x", "a:1", "")) + `,` + bare(tableJSON(11, "t", "a:1", "")) + `]}}`, "nothing says which was that of the client"},
		"rename nothing":    {`{"id":2,"state":6,"type":47,"schema_id":1,"query":"select 1","binlog":{"MultipleTableInfos":[` + bare(tableJSON(10, "t", "a:1", "")) + `]}}`, "renames nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			h.write(2, c.job)
			_, err := schema.Open(context.Background(), schema.Dir(h.dir), schema.Position{CommitTS: 1 << 60}, schema.Options{})
			if !errors.Is(err, schema.ErrBadJob) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestReach goes along a stream: jobs count from their binlogs on.
func TestReach(t *testing.T) {
	ctx := context.Background()
	h := newHistory(t)
	h.create(10, "t", "a:1", "")
	add := h.job(`"type":5,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1 b:2", "") + `}`)
	failed := h.job(`"state":3,"type":5,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1 x:3", "") + `}`)
	cache := h.job(`"type":57,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1 b:2", "") + `}`)
	drop := h.job(`"type":4,"schema_id":1,"table_id":10,"binlog":{}`)

	s := h.open(schema.Position{CommitTS: binlogTS(2) + 10, Exact: true})
	before := s.Tables()
	step := func(job int, want, skip string) *schema.DDL {
		t.Helper()
		d, err := s.Reach(ctx, binlogTS(job), int64(job), schema.StatePublic, "ALTER …")
		if err != nil {
			t.Fatal(err)
		}
		if got := shape(s.Tables()); got != want || d.Skip != skip {
			t.Errorf("after job %d: %s, skip %q; want %s, skip %q", job, got, d.Skip, want, skip)
		}
		return d
	}
	d := step(add, "10 One.t(a,b)", "")
	if d.Schema != "One" || d.Table != "t" || d.After == nil || d.OnlyTiDB {
		t.Errorf("%+v", d)
	}
	step(failed, "10 One.t(a,b)", "the job was rolled back")
	if err := s.Advance(ctx, binlogTS(drop), int64(cache)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Find(ctx, 10, binlogTS(drop)); err != nil || got.Version != int64(cache) {
		t.Errorf("%v, %v: want the definition of the job without a binlog", got, err)
	}
	if d = step(drop, "", ""); d.Table != "t" {
		t.Errorf("%+v", d)
	}
	// A transaction may still commit rows of it: they are nobody's.
	if got, err := s.Find(ctx, 10, binlogTS(drop)+5); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := s.Find(ctx, 99, binlogTS(drop)+5); !errors.Is(err, schema.ErrNoTable) {
		t.Errorf("%v", err)
	}
	if got := shape(before); got != "10 One.t(a)" {
		t.Errorf("tables given away have changed: %s", got)
	}
	if d, err := s.Reach(ctx, 5, 12345, schema.StatePublic, " SELECT SETVAL(`oNE`.`s`, 1)"); err != nil || !d.Setval || !d.OnlyTiDB || d.Name() != "One.s" || d.Statement != "SELECT SETVAL(`One`.`s`, 1)" {
		t.Errorf("%+v, %v", d, err)
	}
	_, err := s.Reach(ctx, 5, 12345, schema.StatePublic, "ALTER TABLE t …")
	if !errors.Is(err, schema.ErrNoJob) || !strings.Contains(err.Error(), "12345") || !strings.Contains(err.Error(), "ADMIN SHOW DDL JOBS") {
		t.Errorf("%v", err)
	}
}

// TestWaitsForJob: the binlog comes before its job is in the history.
func TestWaitsForJob(t *testing.T) {
	h := newHistory(t)
	waiting := make(chan int64, 1)
	s, err := schema.Open(context.Background(), schema.Dir(h.dir), schema.Position{CommitTS: 1000},
		schema.Options{JobTimeout: 30 * time.Second, Poll: time.Millisecond, Waiting: func(id int64) { waiting <- id }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Reach(context.Background(), 1040, 2, schema.StatePublic, "CREATE TABLE …")
		done <- err
	}()
	if id := <-waiting; id != 2 {
		t.Errorf("waits for %d", id)
	}
	h.create(10, "t", "a:1", "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := shape(s.Tables()); got != "10 One.t(a)" {
		t.Error(got)
	}
}

// TestDropColumn: the first of its two binlogs counts, also when a drainer starts between them.
func TestDropColumn(t *testing.T) {
	ctx := context.Background()
	h := newHistory(t)
	h.create(10, "t", "a:1 b:2", "")
	other := h.n + 2 // has the smaller version and its binlog between the two
	drop := h.n + 3
	h.n++
	h.create(11, "u", "a:1", "")
	h.n = drop - 1
	h.job(`"type":6,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1", "") + `}`)
	first := binlogTS(other) - 50

	s := h.open(schema.Position{CommitTS: binlogTS(2) + 10, Exact: true})
	d, err := s.Reach(ctx, first, int64(drop), schema.StateDeleteOnly, "ALTER TABLE t DROP COLUMN b")
	if err != nil || d.Skip != "" || shape(s.Tables()) != "10 One.t(a)" {
		t.Fatalf("%+v, %v, %s", d, err, shape(s.Tables()))
	}
	if _, err := s.Reach(ctx, binlogTS(other), int64(other), schema.StatePublic, "CREATE TABLE u"); err != nil {
		t.Fatal(err)
	}
	if got := shape(s.Tables()); got != "10 One.t(a) 11 One.u(a)" {
		t.Error(got)
	}
	if got := s.Position(first - 1).Reached; len(got) != 0 {
		t.Errorf("reached before it: %v", got)
	}
	at := s.Position(first)
	if !slices.Equal(at.Reached, []int64{int64(drop)}) {
		t.Fatalf("reached: %v", at.Reached)
	}

	again := h.open(at)
	if got := shape(again.Tables()); got != "10 One.t(a)" {
		t.Errorf("after a restart: %s", got)
	}
	for _, s := range []*schema.History{s, again} {
		if d, err := s.Reach(ctx, binlogTS(drop), int64(drop), schema.StateNone, "ALTER TABLE t DROP COLUMN b"); err != nil || d.Skip == "" {
			t.Errorf("the second binlog: %+v, %v", d, err)
		}
		// The downstream lags what has been decoded: its checkpoint may lie between the two.
		if got := s.Position(binlogTS(drop) - 1).Reached; !slices.Equal(got, []int64{int64(drop)}) {
			t.Errorf("between the two binlogs, of which both have come: %v", got)
		}
	}
	if got := s.Position(binlogTS(drop) + 10).Reached; len(got) != 0 {
		t.Errorf("reached and told by the commit TS: %v", got)
	}
}

// TestInexactStart: without the list the rows' schema versions tell what was reached.
func TestInexactStart(t *testing.T) {
	ctx := context.Background()
	h := newHistory(t)
	h.create(10, "t", "a:1", "")
	add := h.job(`"type":5,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1 b:2", "") + `}`)
	between := binlogTS(add) + 1 // after its binlog, before its FinishedTS
	for version, want := range map[int]string{add - 1: "10 One.t(a)", add: "10 One.t(a,b)"} {
		s := h.open(schema.Position{CommitTS: between})
		if err := s.Advance(ctx, between+1, int64(version)); err != nil {
			t.Fatal(err)
		}
		if got := shape(s.Tables()); got != want {
			t.Errorf("rows of version %d: %s, want %s", version, got, want)
		}
	}
}

// TestInexactStartWhileDropping: the first binlog of a DROP COLUMN is of the state delete-only, two schema versions before
// the last. Rows of that version on lack the column.
func TestInexactStartWhileDropping(t *testing.T) {
	h := newHistory(t)
	h.create(10, "t", "a:1 b:2", "")
	h.n += 2
	drop := h.job(`"type":6,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1", "") + `}`)
	between := binlogTS(drop) - 20 // after its first binlog
	for version, want := range map[int]string{drop - 3: "10 One.t(a,b)", drop - 2: "10 One.t(a)", drop: "10 One.t(a)"} {
		s := h.open(schema.Position{CommitTS: between})
		if err := s.Advance(t.Context(), between+1, int64(version)); err != nil {
			t.Fatal(err)
		}
		if got := shape(s.Tables()); got != want {
			t.Errorf("rows of version %d of %d: %s, want %s", version, drop, got, want)
		}
	}
}

var historyJobs = flag.Int("jobs", 20_000, "jobs of the long history")

// TestLongHistory: what is kept does not grow with the jobs.
func TestLongHistory(t *testing.T) {
	jobs := *historyJobs
	source := &manyJobs{n: jobs}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	read := 0
	h, err := schema.Open(t.Context(), source, schema.Position{CommitTS: 1 << 60}, schema.Options{Loading: func(jobs int) { read = jobs }})
	if err != nil {
		t.Fatal(err)
	}
	if read != jobs {
		t.Errorf("%d of %d jobs are said to be read", read, jobs)
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d jobs: %d KiB", jobs, grown>>10)
	if grown > 4<<20 {
		t.Errorf("%d bytes stay of %d jobs on one table", grown, jobs)
	}
	if got, ok := h.Tables().Table(10); !ok || got.Version != int64(jobs) {
		t.Errorf("%v", got)
	}
}

// manyJobs is a history of one table that changes again and again.
type manyJobs struct{ n int }

func (m *manyJobs) History(ctx context.Context, after int64, each func(*schema.Job) error) error {
	for id := max(after+1, 1); id <= int64(m.n); id++ {
		job, err := m.Job(ctx, id)
		if err != nil {
			return err
		}
		if err := each(job); err != nil {
			return err
		}
	}
	return nil
}

func (m *manyJobs) Job(_ context.Context, id int64) (*schema.Job, error) {
	if id == 1 {
		return schema.ParseJob([]byte(`{"id":1,"type":1,"state":6,"schema_id":1,"binlog":{"SchemaVersion":1,"DBInfo":{"id":1,"db_name":"d"}}}`))
	}
	return schema.ParseJob(fmt.Appendf(nil, `{"id":%d,"type":5,"state":6,"schema_id":1,"table_id":10,"binlog":{"SchemaVersion":%d,"FinishedTS":%d,%s}}`,
		id, id, id, tableJSON(10, "t", "a:1 b:2 c:3 d:4 e:5 f:6", "")))
}
