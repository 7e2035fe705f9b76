package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// metaData is a source with TiDB's meta data: versions of one table's definition by commit TS.
type metaData struct {
	schema.Source
	versions map[nodes.TSO]string
	now      nodes.TSO
	safe     nodes.TSO // what is older is gone
	asked    int
}

func (m *metaData) Now(context.Context) (nodes.TSO, error) { return m.now, nil }

func (m *metaData) TableAt(_ context.Context, schemaID, tableID int64, ts nodes.TSO) (*schema.TableInfo, error) {
	m.asked++
	if ts < m.safe {
		return nil, schema.ErrNoMeta
	}
	if schemaID != 1 || tableID != 10 {
		return nil, fmt.Errorf("asked for table %d of schema %d", tableID, schemaID)
	}
	var at nodes.TSO
	for v := range m.versions {
		if v <= ts {
			at = max(at, v)
		}
	}
	if m.versions[at] == "null" {
		return nil, nil
	}
	info := new(schema.TableInfo)
	err := json.Unmarshal([]byte(m.versions[at]), info)
	return info, err
}

func (m *metaData) Altered(_ context.Context, since int64) (schema.Altered, error) {
	a := schema.Altered{Now: m.now, Version: 1}
	for v := range m.versions {
		if v <= m.now {
			a.Version++
		}
	}
	if since != 0 && since != a.Version {
		a.Tables = []int64{10}
	}
	return a, nil
}

// version is a definition of table 10 with the column b in a state.
func version(ts nodes.TSO, state schema.State) string {
	text := bare(tableJSON(10, "t", "a:1 b:2", fmt.Sprintf(`,"update_timestamp":%d`, ts)))
	i := strings.LastIndex(text, `"state":5`)
	return text[:i] + fmt.Sprintf(`"state":%d`, state) + text[i+len(`"state":5`):]
}

const (
	writeOnlyAt nodes.TSO = 300 // in this step b is write-only
	publicAt    nodes.TSO = 320 // in this one public
	binlogAt    nodes.TSO = 340 // in this one the job is done: of binlogTS(3)
)

// adding is a history with table 10 and, unless it is still running, the multi-schema change that
// adds the column b.
func adding(t *testing.T, running bool) (h *history, m *metaData, finish func()) {
	h = newHistory(t)
	h.create(10, "t", "a:1", "")
	finish = func() {
		h.job(`"type":61,"schema_id":1,"table_id":10,"query":"ALTER TABLE t …","multi_schema_info":{"sub_jobs":[
			{"type":5,"schema_version":3},{"type":6,"schema_version":6},{"type":5,"schema_version":0}]},
			"binlog":{` + tableJSON(10, "t", "a:1 b:2", "") + `}`)
	}
	if !running {
		finish()
	}
	m = &metaData{Source: schema.Dir(h.dir), now: 1000, versions: map[nodes.TSO]string{
		0: version(200, schema.StateNone), writeOnlyAt: version(writeOnlyAt, schema.StateWriteOnly),
		publicAt: version(publicAt, schema.StatePublic), binlogAt: version(binlogAt, schema.StatePublic)}}
	return h, m, finish
}

func open(t *testing.T, s schema.Source, at schema.Position) *schema.History {
	t.Helper()
	h, err := schema.Open(t.Context(), s, at, schema.Options{JobTimeout: 30 * time.Second, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func columns(ids ...int64) func() []int64 { return func() []int64 { return ids } }

// notAsked is for rows that nobody has to look at.
func notAsked(t *testing.T) func() []int64 {
	return func() []int64 { t.Error("the columns of rows are asked for"); return nil }
}

// TestEarly: the statement is due with the first row that is committed when the column is public,
// and only then; its binlog is skipped, also after a restart in between.
func TestEarly(t *testing.T) {
	_, m, _ := adding(t, false)
	at := schema.Position{CommitTS: 250, Exact: true}
	s := open(t, m, at)
	if d, err := s.Early(t.Context(), publicAt-1, 99, 10, notAsked(t)); d != nil || err != nil {
		t.Fatalf("while it is write-only: %+v, %v", d, err)
	}
	if got := shape(s.Tables()); got != "10 One.t(a)" {
		t.Errorf("while it is write-only: %s", got)
	}
	const row = publicAt + 5
	d, err := s.Early(t.Context(), row, 1, 10, notAsked(t))
	if err != nil || d == nil || d.Skip != "" || d.Job.ID != 3 || d.Schema != "One" || d.Table != "t" || d.After == nil || d.After.Column(2) < 0 {
		t.Fatalf("when it is public: %+v, %v", d, err)
	}
	if again, err := s.Early(t.Context(), row, 1, 10, notAsked(t)); again != d || err != nil {
		t.Errorf("the binlog is begun anew: %+v, %v", again, err)
	}
	if d, err := s.Early(t.Context(), row+1, 1, 10, notAsked(t)); d != nil || err != nil {
		t.Errorf("twice: %+v, %v", d, err)
	}

	if got := s.Position(row - 1).Reached; len(got) != 0 {
		t.Errorf("a checkpoint before the row has reached %v", got)
	}
	later := s.Position(row)
	if !slices.Equal(later.Reached, []int64{3}) {
		t.Errorf("a checkpoint at the row has reached %v", later.Reached)
	}
	for name, s := range map[string]*schema.History{"goes on": s, "restarted": open(t, m, later)} {
		if got := shape(s.Tables()); got != "10 One.t(a,b)" {
			t.Errorf("%s: %s", name, got)
		}
		if d, err := s.Reach(t.Context(), binlogAt, 3, schema.StateNone, "ALTER TABLE t …"); err != nil || d.Skip == "" {
			t.Errorf("%s: the binlog comes: %+v, %v", name, d, err)
		}
		if got := s.Position(binlogAt - 1).Reached; !slices.Equal(got, []int64{3}) {
			t.Errorf("%s: the binlog has come, the downstream is before it: %v", name, got)
		}
	}
	// From before the row it is all the same again.
	if d, err := open(t, m, at).Early(t.Context(), row, 1, 10, notAsked(t)); d == nil || err != nil {
		t.Errorf("restarted before: %+v, %v", d, err)
	}
}

// TestEarlyUntilTheJobEnds: what TiDB's meta data say until a job ends whose statement was run early is its own way
// there, and no other job is waited for: a column that it drops is still public when those that it adds become so.
func TestEarlyUntilTheJobEnds(t *testing.T) {
	h := newHistory(t)
	h.create(10, "t", "a:1 c:3", "")
	h.job(`"type":61,"schema_id":1,"table_id":10,"query":"ALTER TABLE t …","binlog":{` + tableJSON(10, "t", "a:1 b:2", "") + `}`)
	whole := func(columns string) string { return bare(tableJSON(10, "t", columns, "")) }
	m := &metaData{Source: schema.Dir(h.dir), now: publicAt + 10, versions: map[nodes.TSO]string{
		0: whole("a:1 c:3"), publicAt: whole("a:1 b:2 c:3"), binlogAt: whole("a:1 b:2")}}
	at := schema.Position{CommitTS: 250, Exact: true}
	live := open(t, m, at)
	early := func(s *schema.History, ts nodes.TSO) bool {
		d, err := s.Early(t.Context(), ts, 2, 10, notAsked(t))
		if err != nil {
			t.Fatalf("rows with commit TS %d: %v", ts, err)
		}
		return d != nil
	}
	if !early(live, publicAt) || early(live, publicAt+1) || early(live, publicAt+11) {
		t.Error("live: the statement is not run once, with the first rows that need it")
	}

	// Later jobs, also those that take it back, change nothing of that for a drainer that starts again.
	h.job(`"type":61,"schema_id":1,"table_id":10,"query":"ALTER TABLE t …","binlog":{` + tableJSON(10, "t", "a:1 b:2 d:4", "") + `}`)
	h.job(`"type":61,"schema_id":1,"table_id":10,"query":"ALTER TABLE t …","binlog":{` + tableJSON(10, "t", "a:1", "") + `}`)
	m.versions[430], m.versions[530], m.now = whole("a:1 b:2 d:4"), whole("a:1"), 10000
	again := open(t, m, at)
	if early(again, publicAt-1) || !early(again, publicAt) || early(again, publicAt+1) || early(again, binlogAt+1) {
		t.Error("started again: the statement is not run with the rows that it was run with")
	}
	if later := open(t, m, live.Position(publicAt)); early(later, publicAt+1) {
		t.Error("started again after these rows: other rows get a statement")
	}
}

// TestEarlyTakenBack: a job allows something and a later one takes it back, both after the history was opened and before
// any row is looked at. The first is due with the first row that needs it, also when garbage collection has taken what
// says so and only the versions of rows are left.
func TestEarlyTakenBack(t *testing.T) {
	for _, safe := range []nodes.TSO{0, publicAt + 10, 450} {
		h := newHistory(t)
		h.create(10, "t", "a:1", "")
		m := &metaData{Source: schema.Dir(h.dir), now: 290, safe: safe, versions: make(map[nodes.TSO]string)}
		s := open(t, m, schema.Position{CommitTS: 250, Exact: true})
		h.job(`"type":61,"schema_id":1,"table_id":10,"query":"ALTER TABLE t …","binlog":{` + tableJSON(10, "t", "a:1 b:2", "") + `}`)
		h.job(`"type":61,"schema_id":1,"table_id":10,"query":"ALTER TABLE t …","binlog":{` + tableJSON(10, "t", "a:1", "") + `}`)
		for ts, columns := range map[nodes.TSO]string{200: "a:1", publicAt: "a:1 b:2", binlogAt: "a:1 b:2", 420: "a:1", 440: "a:1", 500: "a:1", 900: "a:1 d:4"} {
			m.versions[ts] = bare(tableJSON(10, "t", columns, fmt.Sprintf(`,"update_timestamp":%d`, ts-3))) // a step begins before it is committed
		}
		m.now = 1000
		for _, ts := range []nodes.TSO{260, publicAt - 1} {
			if d, err := s.Early(t.Context(), ts, 2, 10, notAsked(t)); d != nil || err != nil {
				t.Fatalf("safe point %d: rows with commit TS %d: %+v, %v", safe, ts, d, err)
			}
		}
		if d, err := s.Early(t.Context(), publicAt, 3, 10, notAsked(t)); err != nil || d == nil || d.Job.ID != 3 {
			t.Errorf("safe point %d: when it is allowed: %+v, %v", safe, d, err)
		}
		if d, err := s.Early(t.Context(), publicAt+1, 3, 10, notAsked(t)); d != nil || err != nil {
			t.Errorf("safe point %d: another row: %+v, %v", safe, d, err)
		}
	}
}

// TestEarlyAsksSeldom: a table whose definition does not change takes one question, whatever the
// number of rows.
func TestEarlyAsksSeldom(t *testing.T) {
	_, m, _ := adding(t, true)
	m.now = publicAt - 1
	s := open(t, m, schema.Position{CommitTS: 250, Exact: true})
	for ts := writeOnlyAt; ts <= m.now; ts++ {
		if d, err := s.Early(t.Context(), ts, 3, 10, notAsked(t)); d != nil || err != nil {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	if m.asked != 1 {
		t.Errorf("asked %d times", m.asked)
	}
}

// TestEarlyWaits: the job is waited for until it is in the history.
func TestEarlyWaits(t *testing.T) {
	_, m, finish := adding(t, true)
	waits := &countedSource{metaData: m, asked: make(chan struct{}, 1000)}
	s := open(t, waits, schema.Position{CommitTS: 250, Exact: true})
	done := make(chan error, 1)
	go func() {
		d, err := s.Early(t.Context(), publicAt, 3, 10, notAsked(t))
		if err == nil && (d == nil || d.Job.ID != 3) {
			err = fmt.Errorf("%+v", d)
		}
		done <- err
	}()
	<-waits.asked // by Open
	<-waits.asked
	<-waits.asked
	finish()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	_, m, _ = adding(t, true)
	bounded, err := schema.Open(t.Context(), m, schema.Position{CommitTS: 250, Exact: true},
		schema.Options{JobTimeout: time.Millisecond, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = bounded.Early(t.Context(), publicAt, 3, 10, notAsked(t))
	if !errors.Is(err, schema.ErrNoJob) || !strings.Contains(err.Error(), "ADMIN SHOW DDL JOBS") || !strings.Contains(err.Error(), "`One`.`t`") {
		t.Errorf("a job that does not end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, m, schema.Position{CommitTS: 250, Exact: true}).Early(ctx, publicAt, 3, 10, notAsked(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// countedSource tells of every look into the history.
type countedSource struct {
	*metaData
	asked chan struct{}
}

func (s *countedSource) History(ctx context.Context, after int64, each func(*schema.Job) error) error {
	s.asked <- struct{}{}
	return s.metaData.History(ctx, after, each)
}

// TestEarlyByVersion: when the meta data of the time are gone, or not there at all, the schema
// versions of the rows tell.
func TestEarlyByVersion(t *testing.T) {
	h, m, _ := adding(t, false)
	m.safe = 900
	at := schema.Position{CommitTS: 250, Exact: true}
	for name, source := range map[string]schema.Source{"gone": m, "directory": schema.Dir(h.dir)} {
		for version, early := range map[int64]bool{2: false, 3: true} {
			d, err := open(t, source, at).Early(t.Context(), publicAt, version, 10, columns(1, 2))
			if err != nil || (d != nil) != early {
				t.Errorf("%s: rows of version %d: %+v, %v", name, version, d, err)
			}
		}
	}
	s := open(t, schema.Dir(h.dir), at)
	if d, err := s.Early(t.Context(), publicAt, 99, 10, columns(1)); d != nil || err != nil {
		t.Errorf("rows without an unknown column: %+v, %v", d, err)
	}
	if d, err := s.Early(t.Context(), publicAt, 99, 4711, columns(5)); d != nil || err != nil {
		t.Errorf("a table of no job: %+v, %v", d, err)
	}
}

// TestEarlyLoosened: what a definition forbids and clients may write before the binlog of the job that allows it is
// noticed at the first commit TS at which they may, whatever the rows say, and not before.
func TestEarlyLoosened(t *testing.T) {
	const flagNotNull = 1
	table := func(column, indexes string) string {
		return `"TableInfo":{"id":10,"name":{"O":"t","L":"t"},"state":5,"cols":[{"id":1,"name":{"O":"a","L":"a"},"offset":0,"state":5,"type":` +
			column + `}],"index_info":[` + indexes + `]}`
	}
	key := func(id int, kind string, state schema.State) string {
		return fmt.Sprintf(`{"id":%d,"idx_name":{"O":"k%[1]d","L":"k%[1]d"},"idx_cols":[{"name":{"O":"a","L":"a"},"offset":0,"length":-1}],%q:true,"state":%d}`, id, kind, state)
	}
	varchar := func(length, flag int) string { return fmt.Sprintf(`{"Tp":15,"Flag":%d,"Flen":%d}`, flag, length) }
	plain := varchar(10, flagNotNull)
	for name, c := range map[string]struct {
		steps [4]string // before the job; in a step that allows nothing more; in the one that does; after the job
		early bool
	}{
		"a unique key is dropped": {[4]string{table(plain, key(7, "is_unique", schema.StatePublic)), table(plain, key(7, "is_unique", schema.StateWriteOnly)),
			table(plain, key(7, "is_unique", schema.StateDeleteOnly)), table(plain, "")}, true},
		"a primary key is dropped": {[4]string{table(plain, key(1, "is_primary", schema.StatePublic)), table(plain, key(1, "is_primary", schema.StateWriteOnly)),
			table(plain, key(1, "is_primary", schema.StateDeleteReorg)), table(plain, "")}, true},
		"another key takes its name": {[4]string{table(plain, key(7, "is_unique", schema.StatePublic)), table(plain, key(7, "is_unique", schema.StatePublic)+","+key(8, "is_unique", schema.StateWriteReorg)),
			table(plain, key(8, "is_unique", schema.StatePublic)), table(plain, key(8, "is_unique", schema.StatePublic))}, true},
		"a text may be longer": {[4]string{table(plain, ""), table(plain, ""), table(varchar(20, flagNotNull), ""), table(varchar(20, flagNotNull), "")}, true},
		"NULL is allowed":      {[4]string{table(plain, ""), table(plain, ""), table(varchar(10, 0), ""), table(varchar(10, 0), "")}, true},
		"NULL is forbidden":    {[4]string{table(varchar(10, 0), ""), table(varchar(10, 0), ""), table(plain, ""), table(plain, "")}, false},
		"an index that forbids nothing is dropped": {[4]string{table(plain, key(7, "is_invisible", schema.StatePublic)), table(plain, key(7, "is_invisible", schema.StateWriteOnly)),
			table(plain, key(7, "is_invisible", schema.StateDeleteOnly)), table(plain, "")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			h.job(`"type":3,"schema_id":1,"table_id":10,"binlog":{` + c.steps[0] + `}`)
			h.job(`"type":61,"schema_id":1,"table_id":10,"query":"ALTER TABLE t …","binlog":{` + c.steps[3] + `}`)
			m := &metaData{Source: schema.Dir(h.dir), now: 1000, versions: map[nodes.TSO]string{
				0: bare(c.steps[0]), writeOnlyAt: bare(c.steps[1]), publicAt: bare(c.steps[2]), binlogAt: bare(c.steps[3])}}
			s := open(t, m, schema.Position{CommitTS: 250, Exact: true})
			for _, ts := range []nodes.TSO{260, writeOnlyAt, publicAt - 1} {
				if d, err := s.Early(t.Context(), ts, 99, 10, notAsked(t)); d != nil || err != nil {
					t.Fatalf("rows with commit TS %d: %+v, %v", ts, d, err)
				}
			}
			d, err := s.Early(t.Context(), publicAt+1, 1, 10, notAsked(t))
			if err != nil || (d != nil) != c.early || d != nil && d.Job.ID != 3 {
				t.Errorf("when it is allowed: %+v, %v", d, err)
			}
		})
	}
}

// TestEarlyOfWhatIsGone: a table that was dropped since, after a key of it, is as it was at the time of its rows.
func TestEarlyOfWhatIsGone(t *testing.T) {
	_, m, _ := adding(t, false)
	m.versions[400] = "null"
	s := open(t, m, schema.Position{CommitTS: 250, Exact: true})
	if d, err := s.Early(t.Context(), publicAt-1, 99, 10, notAsked(t)); d != nil || err != nil {
		t.Errorf("before the table had the column: %+v, %v", d, err)
	}
	if d, err := s.Early(t.Context(), publicAt, 1, 10, notAsked(t)); d == nil || err != nil {
		t.Errorf("when the table had the column: %+v, %v", d, err)
	}

	delete(m.versions, publicAt)
	delete(m.versions, binlogAt)
	s = open(t, m, schema.Position{CommitTS: 250, Exact: true})
	for _, ts := range []nodes.TSO{publicAt, 399, 401} {
		if d, err := s.Early(t.Context(), ts, 99, 10, notAsked(t)); d != nil || err != nil {
			t.Errorf("rows with commit TS %d of a table that never had it: %+v, %v", ts, d, err)
		}
	}
}

// TestEarlyForgotten: where garbage collection has taken the meta data of a part of the time, what they were after it
// decides if that tells, else the versions of rows, after one look into the history.
func TestEarlyForgotten(t *testing.T) {
	_, m, _ := adding(t, false)
	waits := &countedSource{metaData: m, asked: make(chan struct{}, 1000)}
	at := schema.Position{CommitTS: 250, Exact: true}
	m.safe = writeOnlyAt
	if d, err := open(t, waits, at).Early(t.Context(), 260, 99, 10, notAsked(t)); d != nil || err != nil {
		t.Errorf("the column could not be used later: %+v, %v", d, err)
	}
	m.safe = publicAt + 10
	s := open(t, waits, at)
	for ts := nodes.TSO(260); ts < m.safe; ts++ {
		if d, err := s.Early(t.Context(), ts, 2, 10, notAsked(t)); d != nil || err != nil {
			t.Fatalf("rows with commit TS %d: %+v, %v", ts, d, err)
		}
	}
	if n := len(waits.asked); n != 4 { // twice to open it, and once in each of the two for what was allowed and taken back
		t.Errorf("the history was read %d times", n)
	}
	if d, err := s.Early(t.Context(), m.safe, 1, 10, notAsked(t)); d == nil || err != nil {
		t.Errorf("the meta data tell that it can be used: %+v, %v", d, err)
	}
}
