package mysqlsink

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

// keyed has a unique key of text besides its primary key; keyless has no key at all, and a
// row may be there many times.
var (
	keyed = &schema.Table{ID: 201, Schema: "model", Name: "keyed", Keys: []schema.Key{
		{Name: "PRIMARY", Primary: true, Columns: []int{0}}, {Name: "u", Columns: []int{1}},
	}, Columns: []schema.Column{
		sinktest.Column("id", pmysql.TypeLong, pmysql.NotNullFlag|pmysql.PriKeyFlag),
		sinktest.Column("u", pmysql.TypeVarchar, 0),
		sinktest.Column("v", pmysql.TypeFloat, 0),
	}}
	keyless = &schema.Table{ID: 202, Schema: "model", Name: "keyless", Columns: []schema.Column{
		sinktest.Column("a", pmysql.TypeLong, 0),
		sinktest.Column("b", pmysql.TypeVarchar, 0),
		sinktest.Column("f", pmysql.TypeFloat, 0),
	}}
	// Every transaction writes its commit TS into both of these.
	left  = &schema.Table{ID: 203, Schema: "model", Name: "l", Keys: keyed.Keys[:1], Columns: keyed.Columns[:1]}
	right = &schema.Table{ID: 204, Schema: "model", Name: "r", Keys: keyed.Keys[:1], Columns: keyed.Columns[:1]}
)

const modelTables = `DROP DATABASE IF EXISTS model; CREATE DATABASE model;
CREATE TABLE model.keyed (id INT PRIMARY KEY, u VARCHAR(20) COLLATE utf8mb4_general_ci UNIQUE, v FLOAT);
CREATE TABLE model.keyless (a INT, b VARCHAR(20) COLLATE utf8mb4_general_ci, f FLOAT);
CREATE TABLE model.l (id INT PRIMARY KEY);
CREATE TABLE model.r (id INT PRIMARY KEY)`

// spellings are texts of which those in one line are equal to general_ci.
var spellings = [][]string{{"e", "E", "é", "É ", "e  "}, {"x1", "X1"}, {"x2", "X2 "}, {"x3"}, {"x4"}, {"😀", "🦆"}, {"ß", "s", "S"}, {"x5"}}

// model makes random transactions and knows what is to come of them.
type model struct {
	rnd     *rand.Rand
	ts      nodes.TSO
	keyed   map[int]txn.Row
	class   map[int]int // of the row's text; -1: NULL
	keyless []txn.Row
}

func row(t *schema.Table, texts ...string) txn.Row {
	var r txn.Row
	for i, text := range texts {
		if text == "NULL" {
			r = append(r, sinktest.Null())
		} else {
			r = append(r, sinktest.Value(t.Columns[i], text))
		}
	}
	return r
}

// text picks a text of a class no row has, or NULL.
func (m *model) text() (string, int) {
	c := m.rnd.IntN(len(spellings) + 2)
	if c >= len(spellings) {
		return "NULL", -1
	}
	for _, used := range m.class {
		if used == c {
			return "NULL", -1
		}
	}
	return spellings[c][m.rnd.IntN(len(spellings[c]))], c
}

func (m *model) float() string { return fmt.Sprint(float32(m.rnd.IntN(100)) / 7) }

// change makes a change of a row.
func (m *model) change() *txn.Change {
	if m.rnd.IntN(3) == 0 {
		return m.changeKeyless()
	}
	id := m.rnd.IntN(30)
	old := m.keyed[id]
	if old != nil && m.rnd.IntN(3) == 0 {
		delete(m.keyed, id)
		delete(m.class, id)
		return &txn.Change{Table: keyed, Op: txn.Delete, Old: old}
	}
	delete(m.class, id)
	text, class := m.text()
	next := id
	if old != nil && m.rnd.IntN(4) == 0 { // another primary key
		if other := m.rnd.IntN(30); m.keyed[other] == nil {
			next = other
		}
	}
	delete(m.keyed, id)
	m.keyed[next] = row(keyed, fmt.Sprint(next), text, m.float())
	m.class[next] = class
	if class < 0 {
		delete(m.class, next)
	}
	if old == nil {
		return &txn.Change{Table: keyed, Op: txn.Insert, New: m.keyed[next]}
	}
	return &txn.Change{Table: keyed, Op: txn.Update, Old: old, New: m.keyed[next]}
}

func (m *model) changeKeyless() *txn.Change {
	b := spellings[m.rnd.IntN(len(spellings))]
	fresh := row(keyless, fmt.Sprint(m.rnd.IntN(3)), b[m.rnd.IntN(len(b))], []string{m.float(), "NULL"}[m.rnd.IntN(2)])
	if len(m.keyless) == 0 || m.rnd.IntN(2) == 0 {
		m.keyless = append(m.keyless, fresh)
		return &txn.Change{Table: keyless, Op: txn.Insert, New: fresh}
	}
	i := m.rnd.IntN(len(m.keyless))
	old := m.keyless[i]
	if m.rnd.IntN(2) == 0 {
		m.keyless[i] = fresh
		return &txn.Change{Table: keyless, Op: txn.Update, Old: old, New: fresh}
	}
	m.keyless = slices.Delete(m.keyless, i, i+1)
	return &txn.Change{Table: keyless, Op: txn.Delete, Old: old}
}

func (m *model) next() *sink.Txn {
	m.ts += nodes.TSO(1 + m.rnd.IntN(300))
	t := &sink.Txn{StartTS: m.ts - 1, CommitTS: m.ts}
	for _, both := range []*schema.Table{left, right} {
		t.Changes = append(t.Changes, &txn.Change{Table: both, Op: txn.Insert, New: row(both, m.ts.String())})
	}
	for range 1 + m.rnd.IntN(4) {
		t.Changes = append(t.Changes, m.change())
	}
	return t
}

// lines are the rows of the model's tables.
func (m *model) lines() []string {
	var list []string
	add := func(t *schema.Table, r txn.Row) {
		line := t.Name
		for _, v := range r {
			line += " | " + v.String()
		}
		list = append(list, line)
	}
	for _, r := range m.keyed {
		add(keyed, r)
	}
	for _, r := range m.keyless {
		add(keyless, r)
	}
	slices.Sort(list)
	return list
}

func (l *lab) modelLines(t testing.TB) []string {
	list := column[string](t, l, `
SELECT CONCAT('keyed | ', id, ' | ', IFNULL(u, 'NULL'), ' | ', IFNULL(CAST(v AS DOUBLE), 'NULL')) FROM model.keyed UNION ALL
SELECT CONCAT('keyless | ', a, ' | ', IFNULL(b, 'NULL'), ' | ', IFNULL(CAST(f AS DOUBLE), 'NULL')) FROM model.keyless`)
	for i, line := range list {
		at := strings.LastIndex(line, " ")
		var f float64
		if _, err := fmt.Sscan(line[at:], &f); err == nil {
			list[i] = line[:at+1] + fmt.Sprint(float32(f))
		}
	}
	slices.Sort(list)
	return list
}

// TestExactly: whatever happens to the sink and the server, every transaction is applied once
// and whole, in an order that gives the upstream's rows, with keys and without.
func TestExactly(t *testing.T) {
	seed, rounds := form.Seed(t), 12
	if form.Long() {
		rounds = 400
	}
	srv := mariadbtest.Start(t)
	l := newLab(t, srv)
	l.exec(t, strings.Split(modelTables, ";")...)
	m := &model{rnd: rand.New(rand.NewPCG(seed, 0)), keyed: map[int]txn.Row{}, class: map[int]int{}}
	store, err := mysql.OpenStore(t.Context(), l.opts.Server, l.opts.Place)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	whole := l.watchWhole(t)
	var behind []*sink.Txn // of the checkpoint
	saved := nodes.TSO(0)
	for round := range rounds {
		for range 150 {
			behind = append(behind, m.next())
		}
		l.opts.Workers, l.opts.TxnBatch = 1+m.rnd.IntN(12), 1+m.rnd.IntN(4)
		s := l.open(t, saved)
		var kill sync.WaitGroup
		if round%4 == 2 {
			after := time.Duration(m.rnd.IntN(100)) * time.Millisecond
			kill.Go(func() {
				time.Sleep(after) // a moment of the load, whichever
				srv.Kill()
				srv.StartAgain()
			})
		}
		for part := range slices.Chunk(behind, 1+m.rnd.IntN(40)) {
			if err := s.Apply(t.Context(), sink.Batch{Txns: part, Passed: part[len(part)-1].CommitTS}); err != nil {
				t.Fatal(err)
			}
		}
		if last := round == rounds-1; last || m.rnd.IntN(2) == 0 {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		at := s.Applied()
		s.Close() // in the middle of it, mostly
		kill.Wait()
		if m.rnd.IntN(2) == 0 && at > saved {
			if err := store.Save(t.Context(), checkpoint.Position{CommitTS: at}); err != nil {
				t.Fatal(err)
			}
			saved = at
			behind = slices.DeleteFunc(behind, func(x *sink.Txn) bool { return x.CommitTS <= saved })
		}
	}
	whole()
	if got, want := l.modelLines(t), m.lines(); !slices.Equal(got, want) {
		t.Errorf("the downstream differs:\n%s", difference(got, want))
	}
}

// watchWhole looks all the time whether every transaction is there whole or not at all.
// What it gives ends that.
func (l *lab) watchWhole(t *testing.T) (stop func()) {
	done := make(chan struct{})
	looks := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			var odd int
			err := l.db.QueryRow("SELECT COUNT(*) FROM (SELECT id FROM (SELECT id FROM model.l UNION ALL SELECT id FROM model.r) x GROUP BY id HAVING COUNT(*) <> 2) y").Scan(&odd)
			if err != nil {
				continue // the server is down
			}
			if looks++; odd > 0 {
				t.Errorf("%d transactions are there in part", odd)
				return
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
		if looks < 10 {
			t.Errorf("only %d looks at the tables", looks)
		}
	}
}
