package relaylog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/relay"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/tikv"
	"pumphouse/drainer/txn"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

const cluster = 77

// target is a MariaDB behind a relay log, as a drainer has it.
type target struct {
	*downstream.MySQL
	db   *sql.DB
	site drainer.Site
}

func newTarget(t *testing.T, srv *mariadbtest.Server) *target {
	t.Helper()
	for _, db := range []string{"sinktest", "tidb_binlog", "backup"} {
		srv.Exec("DROP DATABASE IF EXISTS " + db)
	}
	srv.Exec(strings.Split(sinktest.CreateTable, ";")...)
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	return &target{
		MySQL: &downstream.MySQL{Host: srv.Host, Port: srv.Port, RelayDir: t.TempDir(), RelayMaxFileBytes: 300},
		db:    srv.Open(),
		site:  drainer.Site{ClusterID: cluster, NodeID: "drainer1", DataDir: t.TempDir(), Logger: quiet, Executed: func(string, time.Duration) {}, Trouble: func(error) {}},
	}
}

// life is a drainer's life with the downstream: its checkpoint and its sink.
func (g *target) life(t *testing.T) (checkpoint.Store, sink.Sink) {
	t.Helper()
	store, err := g.Checkpoint(t.Context(), g.site)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.(io.Closer).Close() })
	p, err := store.Load(t.Context())
	if errors.Is(err, checkpoint.ErrNone) {
		p.CommitTS = 5
		err = store.Save(t.Context(), checkpoint.Position{CommitTS: 5, ClusterID: cluster, Exact: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Open(t.Context(), g.site, p.CommitTS, p.CommitTS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return store, s
}

func (g *target) save(t *testing.T, store checkpoint.Store, ts nodes.TSO) {
	t.Helper()
	if err := store.Save(t.Context(), checkpoint.Position{CommitTS: ts, ClusterID: cluster, Exact: true}); err != nil {
		t.Fatal(err)
	}
}

func (g *target) ids(t *testing.T) (list []int64) {
	t.Helper()
	rows, err := g.db.Query("SELECT id FROM sinktest.t ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		list = append(list, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func deliver(t *testing.T, s sink.Sink, from, to nodes.TSO) {
	t.Helper()
	for ts := from; ts <= to; ts += 10 {
		if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(ts)}, Passed: ts}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The downstream is restored from a backup in which rows and the drainer's tables fit together, while
// the relay log has only the newest transactions: all that are missing come from the pumps.
func TestRestoredFromABackup(t *testing.T) {
	srv := mariadbtest.Start(t)
	g := newTarget(t, srv)
	store, s := g.life(t)
	deliver(t, s, 10, 20)
	g.save(t, store, 20)
	tables := []string{"sinktest.t", "tidb_binlog.checkpoint", "tidb_binlog.checkpoint_applied", "tidb_binlog.checkpoint_state"}
	srv.Exec("CREATE DATABASE backup")
	for i, name := range tables {
		srv.Exec(fmt.Sprintf("CREATE TABLE backup.t%d AS SELECT * FROM %s", i, name))
	}
	deliver(t, s, 30, 200)
	g.save(t, store, 180)
	if err := s.Flush(t.Context()); err != nil { // the files that the checkpoint covers are removed
		t.Fatal(err)
	}
	s.Close()
	for i, name := range tables {
		srv.Exec("DELETE FROM "+name, fmt.Sprintf("INSERT INTO %s SELECT * FROM backup.t%d", name, i))
	}

	_, s = g.life(t)
	if got := g.ids(t); !slices.Equal(got, []int64{10, 20}) {
		t.Errorf("from the relay log came %v", got)
	}
	deliver(t, s, 30, 220)
	if got := g.ids(t); len(got) != 22 {
		t.Errorf("%d rows, the upstream has 22: %v", len(got), got)
	}
}

// start is a start of a drainer whose PD, TiKV and pumps are gone. The error is not nil.
func (g *target) start(t *testing.T, change func(*drainer.Options)) error {
	t.Helper()
	addr := form.Addr(t)
	etcd, err := nodes.NewClient([]string{addr}, nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	clock, err := pd.New(pd.Options{Endpoints: []string{addr}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer clock.Close()
	jobs, err := tikv.New([]string{addr}, certfile.Security{}, g.site.Logger)
	if err != nil {
		t.Fatal(err)
	}
	defer jobs.Close()
	opts := drainer.Options{Options: life.Options{NodeID: "drainer1", Addr: "127.0.0.1:0", DataDir: g.site.DataDir, PD: clock, Registry: nodes.NewRegistry(etcd, time.Second), Logger: g.site.Logger},
		Schema: jobs, Downstream: g.MySQL}
	change(&opts)
	d, err := drainer.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	err = d.Open(context.Background())
	if err == nil {
		d.Close()
		t.Fatal("it starts without PD")
	}
	return err
}

// With the upstream gone, what the relay log has comes downstream before anything else is needed,
// as far as the configuration of today wants it: a transaction that the downstream refuses can be
// left out as the error says.
func TestStartWithoutTheUpstream(t *testing.T) {
	g := newTarget(t, mariadbtest.Start(t))
	// A life that ends before what it has logged is downstream.
	store, s := g.life(t)
	deliver(t, s, 10, 20)
	g.save(t, store, 20)
	s.Close()
	other := *sinktest.Table()
	other.ID, other.Name = 101, "other" // there is no such table downstream
	filtered := sinktest.Insert(45)
	filtered.Changes = []*txn.Change{{Table: &other, Op: txn.Insert, New: filtered.Changes[0].New}}
	log, err := relay.New(t.Context(), refusing{}, relay.Options{Dir: g.RelayDir, From: 20})
	if err != nil {
		t.Fatal(err)
	}
	list := []*sink.Txn{sinktest.Insert(30), sinktest.Insert(40), filtered, sinktest.Insert(50)}
	if err := log.Apply(t.Context(), sink.Batch{Txns: list, Passed: 50}); err != nil {
		t.Fatal(err)
	}
	_ = log.Flush(t.Context()) // it is refused, and in the log
	log.Close()
	if last, err := relay.Last(g.RelayDir); err != nil || last != 50 {
		t.Fatalf("the log goes up to %d, %v", last, err)
	}
	if err := os.WriteFile(filepath.Join(g.site.DataDir, ".cluster"), fmt.Appendln(nil, cluster), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.db.Exec("INSERT INTO sinktest.t VALUES (40, 'somebody else', 0)"); err != nil {
		t.Fatal(err)
	}

	rules := txn.FilterRules{IgnoreTables: []txn.TableName{{Schema: "sinktest", Table: "other"}}}
	err = g.start(t, func(o *drainer.Options) { o.Filter = rules })
	var refused *mysql.StatementError
	if !errors.As(err, &refused) || refused.CommitTS != 40 || !strings.Contains(err.Error(), "apply the relay log") || !strings.Contains(err.Error(), "ignore-txn-commit-ts = [40]") {
		t.Errorf("the downstream refuses a row: %v", err)
	}
	err = g.start(t, func(o *drainer.Options) { o.Filter, o.IgnoreTxns = rules, []nodes.TSO{40} })
	if !strings.Contains(err.Error(), "ask PD for the cluster ID") {
		t.Errorf("with the transaction left out: %v", err)
	}
	if got := g.ids(t); !slices.Equal(got, []int64{10, 20, 30, 40, 50}) {
		t.Errorf("downstream: %v", got)
	}
	// Once more: nothing is applied twice.
	if err := g.start(t, func(o *drainer.Options) { o.Filter, o.IgnoreTxns = rules, []nodes.TSO{40} }); !strings.Contains(err.Error(), "ask PD for the cluster ID") {
		t.Errorf("again: %v", err)
	}
}

// An old drainer has written the checkpoint since, and may have applied what follows it without a record of
// ours: the log is applied so that doing it twice makes no difference.
func TestStartAfterAnOldDrainer(t *testing.T) {
	g := newTarget(t, mariadbtest.Start(t))
	store, s := g.life(t)
	deliver(t, s, 10, 20)
	g.save(t, store, 20)
	s.Close()
	log, err := relay.New(t.Context(), refusing{}, relay.Options{Dir: g.RelayDir, From: 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(30), sinktest.Insert(40)}, Passed: 40}); err != nil {
		t.Fatal(err)
	}
	_ = log.Flush(t.Context()) // it is refused, and in the log
	log.Close()
	if err := os.WriteFile(filepath.Join(g.site.DataDir, ".cluster"), fmt.Appendln(nil, cluster), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`UPDATE tidb_binlog.checkpoint SET checkPoint = '{"consistent":false,"commitTS":25,"ts-map":{},"schema-version":0}'`,
		"INSERT INTO sinktest.t VALUES (30, 'name 30', 15)",
	} {
		if _, err := g.db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.start(t, func(*drainer.Options) {}); strings.Contains(err.Error(), "apply the relay log") {
		t.Error(err)
	}
	if got := g.ids(t); !slices.Equal(got, []int64{10, 20, 30, 40}) {
		t.Errorf("downstream: %v", got)
	}
}

// refusing is a downstream that takes nothing.
type refusing struct{}

func (refusing) Apply(context.Context, sink.Batch) error { return errors.New("the downstream is away") }
func (refusing) Flush(context.Context) error             { return nil }
func (refusing) Applied() nodes.TSO                      { return 20 }
func (refusing) Close() error                            { return nil }
