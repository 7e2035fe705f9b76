package mysqlsink

import (
	"database/sql"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// lab is a downstream for a test: a server, and a cluster ID of its own.
type lab struct {
	srv  *mariadbtest.Server
	db   *sql.DB
	opts mysql.Options
}

func newLab(t testing.TB, srv *mariadbtest.Server) *lab {
	return &lab{srv: srv, db: srv.Open(), opts: mysql.Options{
		Server:  mysql.Server{Host: srv.Host, Port: srv.Port, User: "root"},
		Place:   mysql.Place{ClusterID: 7000 + clusters.Add(1)},
		Metrics: equals(t),
	}}
}

// equals are metrics that fail the test when the downstream is said to differ.
func equals(t testing.TB) mysql.Metrics {
	return mysql.Metrics{Diverged: func(d nodes.TableDivergences) { t.Errorf("the downstream is said to differ: %+v", d) }}
}

var clusters atomic.Uint64

func (l *lab) Open(t testing.TB, from nodes.TSO) sink.Sink {
	t.Helper()
	return l.open(t, from)
}

func (l *lab) open(t testing.TB, from nodes.TSO) *mysql.Sink {
	t.Helper()
	o := l.opts
	o.From = from
	s, err := mysql.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (l *lab) exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if _, err := l.db.Exec(q); err != nil {
			t.Fatalf("%.200s: %v", q, err)
		}
	}
}

// column is the first column of what a query answers.
func column[T any](t testing.TB, l *lab, query string) []T {
	t.Helper()
	rows, err := l.db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func (l *lab) IDs(t testing.TB) []int64 {
	return column[int64](t, l, "SELECT id FROM sinktest.t ORDER BY id")
}

func TestContract(t *testing.T) {
	srv := mariadbtest.Start(t)
	sinktest.Run(t, func(t *testing.T) sinktest.Downstream {
		l := newLab(t, srv)
		l.exec(t, "DROP DATABASE IF EXISTS sinktest")
		l.exec(t, strings.Split(sinktest.CreateTable, ";")...)
		return l
	})
}

// dump is everything in a table, a line a row.
func (l *lab) dump(t testing.TB, table string) string {
	t.Helper()
	rows, err := l.db.Query("SELECT * FROM " + table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for rows.Next() {
		values := make([]sql.NullString, len(names))
		targets := make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if !v.Valid {
				v.String = "NULL"
			}
			fmt.Fprintf(&b, "%q ", v.String)
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
