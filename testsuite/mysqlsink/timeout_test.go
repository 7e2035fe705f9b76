package mysqlsink

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pumphouse/drainer/sink/sinktest"
	"pumphouse/testsuite/mariadbtest"
)

// TestReadTimeout: when the answer to rows does not come within read-timeout, the sink gives the
// connection up and tries again on another one, and every row is there once.
func TestReadTimeout(t *testing.T) {
	l := sinkLab(t, mariadbtest.Start(t))
	l.opts.Workers, l.opts.Server.ReadTimeout = 1, time.Second
	s := l.open(t, 0)
	conn, err := l.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "LOCK TABLES sinktest.t WRITE"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		err := s.Apply(context.Background(), one(sinktest.Insert(10)))
		if err == nil {
			err = s.Flush(context.Background())
		}
		done <- err
	}()
	const waits = "SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'"
	first := l.await(t, waits)
	l.await(t, fmt.Sprintf("%s AND id <> %d", waits, first))
	if _, err := conn.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(l.IDs(t)); got != "[10]" {
		t.Errorf("downstream: %s", got)
	}
}
