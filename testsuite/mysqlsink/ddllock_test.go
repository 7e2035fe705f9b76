package mysqlsink

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pumphouse/drainer/sink/mysql"
	"pumphouse/testsuite/mariadbtest"
)

// TestDDLOfStaleDrainer: a drainer whose statement is cut off while another one has taken its place does not run it again.
func TestDDLOfStaleDrainer(t *testing.T) {
	l := newLab(t, mariadbtest.Start(t))
	l.exec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)")
	release := l.obstruct(t, true)
	x := ddl(100, "t", "ALTER TABLE `t` ADD COLUMN `c` INT")
	first := l.open(t, 50)
	if err := first.Apply(t.Context(), one(x)); err != nil {
		t.Fatal(err)
	}
	id := l.await(t, "SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'")
	second := l.open(t, 50)
	l.exec(t, fmt.Sprint("KILL ", id))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := first.Flush(ctx); !errors.Is(err, mysql.ErrTakenOver) {
		t.Errorf("the first: %v", err)
	}
	release()
	mustApply(t, second, x)
	if got := column[string](t, l, "SELECT GROUP_CONCAT(column_name ORDER BY 1) FROM information_schema.columns WHERE table_schema='d'"); got[0] != "a,c" {
		t.Error(got)
	}
}

// TestDDLLockOfSuspendedDrainer: a connection that holds the lock of DDL and runs nothing, since its process is suspended or its
// machine has gone, does not hold up the next drainer.
func TestDDLLockOfSuspendedDrainer(t *testing.T) {
	l := newLab(t, mariadbtest.Start(t))
	l.exec(t, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)")
	conn, err := l.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var got int
	if err := conn.QueryRowContext(t.Context(), fmt.Sprintf("SELECT GET_LOCK('pumphouse-ddl-%d', 0)", l.opts.Place.ClusterID)).Scan(&got); err != nil || got != 1 {
		t.Fatal(got, err)
	}
	s := l.open(t, 50)
	if err := s.Apply(t.Context(), one(ddl(100, "t", "ALTER TABLE `t` ADD COLUMN `c` INT"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Errorf("with the lock held by a connection that runs nothing: %v", err)
	}
}
