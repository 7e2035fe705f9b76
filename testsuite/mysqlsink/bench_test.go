package mysqlsink

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// load makes transactions of rows each, whose first row has the id after.
func load(txns, rows int, after nodes.TSO) []*sink.Txn {
	list := make([]*sink.Txn, txns)
	id := int64(after)
	table := sinktest.Table()
	for i := range list {
		t := &sink.Txn{CommitTS: after + nodes.TSO(i) + 1}
		for range rows {
			id++
			t.Changes = append(t.Changes, &txn.Change{Table: table, Op: txn.Insert, New: txn.Row{
				sinktest.Value(table.Columns[0], fmt.Sprint(id)),
				sinktest.Value(table.Columns[1], fmt.Sprint("the name of ", id)),
				sinktest.Value(table.Columns[2], fmt.Sprint(id/3)),
			}})
		}
		list[i] = t
	}
	return list
}

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkApply(b *testing.B) {
	srv := mariadbtest.Start(b)
	for _, c := range []struct{ txns, rows int }{{50000, 1}, {1000, 50}, {1, 50000}} {
		b.Run(fmt.Sprintf("%dx%d", c.txns, c.rows), func(b *testing.B) {
			l := newLab(b, srv)
			l.exec(b, "DROP DATABASE IF EXISTS sinktest")
			l.exec(b, strings.Split(sinktest.CreateTable, ";")...)
			s := l.Open(b, 0)
			after := nodes.TSO(0)
			var spent time.Duration
			for b.Loop() {
				b.StopTimer()
				list := load(c.txns, c.rows, after)
				after += nodes.TSO(c.txns * c.rows)
				b.StartTimer()
				start := cpu(b)
				for len(list) > 0 {
					n := min(len(list), 500)
					if err := s.Apply(b.Context(), sink.Batch{Txns: list[:n], Passed: list[n-1].CommitTS}); err != nil {
						b.Fatal(err)
					}
					list = list[n:]
				}
				if err := s.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				spent += cpu(b) - start
			}
			rows := float64(b.N * c.txns * c.rows)
			b.ReportMetric(rows/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(spent.Microseconds())/rows, "µs-cpu/row")
		})
	}
	// The same rows by plain INSERTs of 500 rows, 16 connections.
	b.Run("plain", func(b *testing.B) {
		l := newLab(b, srv)
		l.exec(b, "DROP DATABASE IF EXISTS sinktest")
		l.exec(b, strings.Split(sinktest.CreateTable, ";")...)
		l.db.SetMaxIdleConns(16)
		next := 0
		for b.Loop() {
			work := make(chan string, 100)
			errs := make(chan error, 16)
			for range 16 {
				go func() {
					var err error
					for q := range work {
						if err == nil {
							_, err = l.db.Exec(q)
						}
					}
					errs <- err
				}()
			}
			for range 100 {
				var q strings.Builder
				q.WriteString("INSERT INTO sinktest.t VALUES ")
				for i := range 500 {
					if i > 0 {
						q.WriteByte(',')
					}
					next++
					fmt.Fprintf(&q, "(%d,'the name of %d',%d)", next, next, next/3)
				}
				work <- q.String()
			}
			close(work)
			for range 16 {
				if err := <-errs; err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.N*50000)/b.Elapsed().Seconds(), "rows/s")
	})
}
