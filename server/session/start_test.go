package session

import (
	"context"
	"testing"
	"time"

	"pumphouse/server/engine"
)

// TestEveryCommandStartsAStatement: whatever command a statement comes by, it has an instant and a view of the
// nodes of its own, and leaves nothing of the last one: also one that TiDB's grammar does not have.
func TestEveryCommandStartsAStatement(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	now := testNow
	opts.Now = func() time.Time { return now }
	s := newSession(t, opts, admin)
	emit := func(*Outcome, bool) error { return nil }
	query := func(sql string) func(context.Context) error {
		return func(ctx context.Context) error { return s.Query(ctx, sql, emit) }
	}
	execute := func(sql string, args ...engine.Value) func(context.Context) error {
		p, err := s.Prepare(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context) error { return s.Execute(ctx, p, args, emit) }
	}
	prepare := func(sql string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := s.Prepare(ctx, sql); return err }
	}
	mustRun(t, s, "PREPARE plain FROM 'SELECT 1'")
	mustRun(t, s, "PREPARE other FROM 'SHOW STORAGE ENGINES'")
	for what, run := range map[string]func(context.Context) error{
		"a query":                               query("SELECT 1"),
		"a query that the grammar lacks":        query("DESCRIBE binlog.pumps 'node%'"),
		"Prepare":                               prepare("SELECT ?"),
		"Prepare of one that the grammar lacks": prepare("DESCRIBE binlog.pumps 'node%'"),
		"Execute":                               execute("SELECT ?", engine.Int(1)),
		"Execute of one that the grammar lacks": execute("DESCRIBE binlog.pumps 'node%'"),
		"PREPARE":                               query("PREPARE again FROM 'SELECT 1'"),
		"EXECUTE":                               query("EXECUTE plain"),
		"EXECUTE of one that the grammar lacks": query("EXECUTE other"),
		"the columns of a table": func(ctx context.Context) error {
			if _, err := s.FieldList(ctx, "pumps", ""); err == nil {
				t.Error("without a database a table has columns")
			}
			return nil
		},
		"a change of the database": func(ctx context.Context) error {
			if err := s.UseDB(ctx, "nonesuch"); err == nil {
				t.Error("a database that does not exist is chosen")
			}
			return nil
		},
	} {
		mustRun(t, s, "SELECT * FROM binlog.pumps") // which leaves its instant and its view
		now = now.Add(time.Second)
		if err := run(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if !s.vars.Now.Equal(now) || s.nodes.Seen != nil {
			t.Errorf("%s at %s: its instant is %s, its view %v", what, now, s.vars.Now, s.nodes.Seen)
		}
	}
	for _, sql := range []string{"SELECT nonesuch", "SHOW MASTER LOGS"} {
		mustRun(t, s, "SET @a = 1")
		codeOf(t, s, sql)
		if got := cells(t, s, "SELECT ROW_COUNT()")[0][0]; got != "-1" {
			t.Errorf("ROW_COUNT() after %s failed is %s", sql, got)
		}
	}
	if n, all := len(mustRun(t, s, "SHOW STORAGE ENGINES").Rows.Rows), len(mustRun(t, s, "SHOW ENGINES").Rows.Rows); n == 0 || n != all {
		t.Errorf("SHOW STORAGE ENGINES gives %d rows, SHOW ENGINES %d", n, all)
	}
}
