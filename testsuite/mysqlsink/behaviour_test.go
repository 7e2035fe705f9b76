package mysqlsink

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// sinkLab is a lab with the table of sinktest.
func sinkLab(t testing.TB, srv *mariadbtest.Server) *lab {
	l := newLab(t, srv)
	l.exec(t, "DROP DATABASE IF EXISTS sinktest")
	l.exec(t, strings.Split(sinktest.CreateTable, ";")...)
	return l
}

func mustApply(t *testing.T, s sink.Sink, txns ...*sink.Txn) {
	t.Helper()
	if err := s.Apply(t.Context(), sink.Batch{Txns: txns, Passed: txns[len(txns)-1].CommitTS}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRefusedRow: everything before the row is downstream, nothing of its transaction is,
// and either cure lets the sink go on.
func TestRefusedRow(t *testing.T) {
	srv := mariadbtest.Start(t)
	for _, cure := range []string{"skip", "fix", "safe mode"} {
		t.Run(cure, func(t *testing.T) {
			l := sinkLab(t, srv)
			l.exec(t, "INSERT INTO sinktest.t VALUES (20, 'somebody else', 0)")
			bad := sinktest.Insert(20)
			bad.Changes = append([]*txn.Change{sinktest.Insert(19).Changes[0]}, bad.Changes...)
			list := []*sink.Txn{sinktest.Insert(10), sinktest.Insert(11), bad}
			l.opts.Workers = 1
			s := l.open(t, 0)
			err := s.Apply(t.Context(), sink.Batch{Txns: list, Passed: 20})
			if err == nil {
				err = s.Flush(t.Context())
			}
			var refused *mysql.StatementError
			if !errors.As(err, &refused) || refused.CommitTS != 20 || refused.Table == "" || !strings.Contains(refused.Statement, "(20,'name 20',10)") {
				t.Fatalf("%v", err)
			}
			s.Close()
			if got := fmt.Sprint(l.IDs(t)); got != "[10 11 20]" {
				t.Errorf("downstream: %s", got)
			}
			want := "[10 11 19 20]"
			switch cure {
			case "skip":
				l.opts.IgnoreTxnCommitTS = []nodes.TSO{20}
				want = "[10 11 20]"
			case "fix":
				l.exec(t, "DELETE FROM sinktest.t WHERE id = 20")
			default:
				l.opts.SafeMode = true
			}
			mustApply(t, l.open(t, 0), list...)
			if got := fmt.Sprint(l.IDs(t)); got != want {
				t.Errorf("downstream: %s, want %s", got, want)
			}
		})
	}
}

// TestTakeOver: of two sinks with one checkpoint the second goes on and the first stops.
func TestTakeOver(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	first := l.open(t, 0)
	mustApply(t, first, sinktest.Insert(10))
	second := l.open(t, 0)
	if err := first.Apply(t.Context(), one(sinktest.Insert(20))); err != nil {
		t.Fatal(err)
	}
	if err := first.Flush(t.Context()); !errors.Is(err, mysql.ErrTakenOver) {
		t.Errorf("the first: %v", err)
	}
	mustApply(t, second, sinktest.Insert(10), sinktest.Insert(20))
	if got := fmt.Sprint(l.IDs(t)); got != "[10 20]" {
		t.Error(got)
	}
	other := *l
	other.opts.Place.Table = "second"
	mustApply(t, other.open(t, 0), sinktest.Insert(30))
	mustApply(t, second, sinktest.Insert(40))
}

// TestCheckpointTakeOver: a process that was suspended while another one took its place does not set the checkpoint back, nor what
// the record knows of it.
func TestCheckpointTakeOver(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	open := func() *mysql.Store {
		t.Helper()
		st, err := mysql.OpenStore(t.Context(), l.opts.Server, l.opts.Place)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		return st
	}
	save := func(st *mysql.Store, ts nodes.TSO) error {
		return st.Save(t.Context(), checkpoint.Position{CommitTS: ts})
	}
	oldStore, oldSink := open(), l.open(t, 0)
	mustApply(t, oldSink, sinktest.Insert(10))
	if err := save(oldStore, 10); err != nil {
		t.Fatal(err)
	}
	newStore, newSink := open(), l.open(t, 10)
	mustApply(t, newSink, sinktest.Insert(20))
	if err := errors.Join(save(newStore, 20), newSink.Saved(t.Context(), 20)); err != nil {
		t.Fatal(err)
	}
	if err := save(oldStore, 15); !errors.Is(err, mysql.ErrTakenOver) || nodes.ProblemOf(err).Code != nodes.ProblemTakeover {
		t.Errorf("the store from before saves: %v", err)
	}
	if err := oldSink.Saved(t.Context(), 15); !errors.Is(err, mysql.ErrTakenOver) {
		t.Errorf("the sink from before is told of a checkpoint: %v", err)
	}
	if p, err := newStore.Load(t.Context()); err != nil || p.CommitTS != 20 {
		t.Errorf("the checkpoint is %v, %v; want 20", p, err)
	}
	if base := column[int](t, l, "SELECT value FROM tidb_binlog.checkpoint_state WHERE name='base'"); base[0] != 20 {
		t.Errorf("the record begins after %d, want 20", base[0])
	}
	if err := errors.Join(newStore.Forget(t.Context()), save(newStore, 30)); err != nil {
		t.Errorf("save again after Forget: %v", err)
	}
}

// TestFirstStart: what another drainer may have applied is replayed without difference, and
// so is what is after a checkpoint that was set back.
func TestSafeUntil(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	l.exec(t, "INSERT INTO sinktest.t VALUES (20, 'of another drainer', 0)")
	l.opts.SafeUntil = 25
	s := l.open(t, 15)
	mustApply(t, s, sinktest.Insert(20), sinktest.Insert(30))
	if err := s.Saved(t.Context(), 30); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if n := column[int](t, l, "SELECT COUNT(*) FROM tidb_binlog.checkpoint_applied"); n[0] != 0 {
		t.Errorf("%d rows are kept after the checkpoint", n[0])
	}
	mustApply(t, l.open(t, 10), sinktest.Insert(20), sinktest.Insert(30), sinktest.Insert(40))
	if got := column[string](t, l, "SELECT name FROM sinktest.t ORDER BY id"); fmt.Sprint(got) != "[name 20 name 30 name 40]" {
		t.Error(got)
	}
}

// TestLostAnswers: the connection is cut again and again, also after a COMMIT whose answer
// is on its way.
func TestLostAnswers(t *testing.T) {
	srv := mariadbtest.Start(t)
	l := sinkLab(t, srv)
	l.exec(t, "ALTER TABLE sinktest.t DROP PRIMARY KEY") // twice would not be noticed by MariaDB
	p := newCutter(t, srv.Addr())
	l.opts.Server.Port = p.port
	l.opts.Workers = 3
	s := l.open(t, 0)
	p.cutAfter(5) // answers, of each connection
	var list []*sink.Txn
	for ts := nodes.TSO(1); ts <= 200; ts++ {
		list = append(list, sinktest.Insert(ts))
		if len(list) == 5 {
			mustApply(t, s, list...)
			list = nil
		}
	}
	if got := l.IDs(t); len(got) != 200 || got[0] != 1 || got[199] != 200 {
		t.Errorf("%d rows: %v", len(got), got)
	}
	if p.cuts() < 10 {
		t.Errorf("only %d cuts", p.cuts())
	}
}

// cutter is a proxy that cuts connections instead of passing on an answer.
type cutter struct {
	port int
	mu   sync.Mutex
	left int // answers let through on a connection; 0: all
	n    int
}

func newCutter(t *testing.T, to string) *cutter {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{port: ln.Addr().(*net.TCPAddr).Port}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			wg.Go(func() { pipe(out, in, func() bool { return false }) })
			answers := 0
			wg.Go(func() { pipe(in, out, func() bool { answers++; return c.cut(answers) }) })
		}
	})
	// Connections end with the sink, which is closed before.
	t.Cleanup(func() { ln.Close() })
	return c
}

func (c *cutter) cutAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = n
}

func (c *cutter) cut(answers int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 || answers <= c.left {
		return false
	}
	c.n++
	return true
}

func (c *cutter) cuts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// pipe copies until an end closes or cut says so.
func pipe(to, from net.Conn, cut func() bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || cut() {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestLoopback: what the drainer of the other direction wrote does not go back.
func TestLoopback(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	l.opts.LoopbackControl, l.opts.ChannelID, l.opts.Workers = true, 7, 2
	mark := &schema.Table{ID: 300, Schema: "retl", Name: "_drainer_repl_mark", Keys: []schema.Key{{Primary: true, Columns: []int{0, 1}}},
		Columns: []schema.Column{
			sinktest.Column("id", pmysql.TypeLonglong, pmysql.NotNullFlag), sinktest.Column("channel_id", pmysql.TypeLonglong, pmysql.NotNullFlag),
			sinktest.Column("val", pmysql.TypeLonglong, 0)}}
	marked := func(ts nodes.TSO, channel string) *sink.Txn {
		x := sinktest.Insert(ts)
		x.Changes = append(x.Changes, &txn.Change{Table: mark, Op: txn.Update, Old: row(mark, "0", channel, "1"), New: row(mark, "0", channel, "2")})
		return x
	}
	s := l.open(t, 0)
	mustApply(t, s, sinktest.Insert(10), marked(20, "7"), marked(30, "8"))
	if got := fmt.Sprint(l.IDs(t)); got != "[10 30]" || s.Applied() != 30 {
		t.Error(got, s.Applied())
	}
	if v := column[int](t, l, "SELECT SUM(val-1) FROM retl._drainer_repl_mark WHERE channel_id=7"); v[0] < 1 {
		t.Errorf("the transactions are not marked: %v", v)
	}
}

// TestStore: the checkpoint is where upstream's drainers have it, and a damaged one is no
// new beginning.
func TestStore(t *testing.T) {
	l := newLab(t, mariadbtest.Start(t))
	st, err := mysql.OpenStore(t.Context(), l.opts.Server, l.opts.Place)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Load(t.Context()); !errors.Is(err, checkpoint.ErrNone) {
		t.Errorf("nothing there: %v", err)
	}
	want := checkpoint.Position{CommitTS: 470642465486929921, ClusterID: l.opts.Place.ClusterID, Exact: true, Reached: []int64{118}}
	if err := st.Save(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, err := st.Load(t.Context()); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, %v", got, err)
	}
	text := column[string](t, l, "SELECT checkPoint FROM tidb_binlog.checkpoint")
	if text[0] != `{"consistent":false,"commitTS":470642465486929921,"ts-map":{},"schema-version":0,"ddl-reached":[118]}` {
		t.Error(text[0])
	}
	l.exec(t, "UPDATE tidb_binlog.checkpoint SET checkPoint = '{\"commitTS\":'")
	_, err = st.Load(t.Context())
	if !errors.Is(err, checkpoint.ErrCorrupt) || !strings.Contains(err.Error(), "`tidb_binlog`.`checkpoint`") || !strings.Contains(err.Error(), "delete the row") {
		t.Errorf("%v", err)
	}
}

// TestOddValues: every byte, an ENUM's error value, rows that only a collation takes for
// equal, FLOATs as part of what identifies a row.
func TestOddValues(t *testing.T) {
	l := newLab(t, mariadbtest.Start(t))
	l.exec(t, "CREATE DATABASE odd", "CREATE TABLE odd.t (b VARBINARY(300), s VARCHAR(300) COLLATE utf8mb4_general_ci, f FLOAT, e ENUM('x','y'), n BIGINT UNSIGNED)")
	enum := sinktest.Column("e", pmysql.TypeEnum, 0)
	enum.Type.SetElems([]string{"x", "y"})
	table := &schema.Table{ID: 400, Schema: "odd", Name: "t", Columns: []schema.Column{
		sinktest.Column("b", pmysql.TypeVarchar, pmysql.BinaryFlag), sinktest.Column("s", pmysql.TypeVarchar, 0),
		sinktest.Column("f", pmysql.TypeFloat, 0), enum, sinktest.Column("n", pmysql.TypeLonglong, pmysql.UnsignedFlag)}}
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	full := row(table, string(all), "'\\\x00\n\"%_;--é😀", "0.1", "x", "18446744073709551615")
	broken := row(table, "", "a", "16777217", "x", "0")
	broken[3] = txn.Value{Kind: txn.Enum}
	upper := row(table, "", "A ", "0.1", "y", "1")
	lower := row(table, "", "a", "0.1", "y", "1")
	s := l.open(t, 0)
	x := &sink.Txn{CommitTS: 10}
	for _, r := range []txn.Row{full, broken, upper, lower} {
		x.Changes = append(x.Changes, &txn.Change{Table: table, Op: txn.Insert, New: r})
	}
	mustApply(t, s, x)
	got := column[string](t, l, "SELECT CONCAT(HEX(b), '/', HEX(s), '/', f+0, '/', e+0, '/', n) FROM odd.t")
	if want := fmt.Sprintf("%X/%X/", all, "'\\\x00\n\"%_;--é😀"); !strings.HasPrefix(got[0], want) || !strings.HasSuffix(got[0], "/1/18446744073709551615") {
		t.Errorf("%s", got[0])
	}
	if !strings.HasSuffix(got[1], "/0/0") {
		t.Errorf("%s", got[1])
	}
	mustApply(t, s, &sink.Txn{CommitTS: 20, Changes: []*txn.Change{
		{Table: table, Op: txn.Delete, Old: lower}, {Table: table, Op: txn.Update, Old: full, New: upper}, {Table: table, Op: txn.Delete, Old: broken},
	}})
	if got := column[string](t, l, "SELECT HEX(s) FROM odd.t"); fmt.Sprint(got) != "[4120 4120]" {
		t.Error(got)
	}
}
