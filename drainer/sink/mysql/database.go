package mysql

import (
	"context"
	"fmt"

	"pumphouse/drainer/schema"
)

// databaseChange is a database that a statement makes or drops.
type databaseChange struct {
	name  string
	makes bool
}

// databaseOf finds what a statement does to a database: nil when it names tables, which is what is
// left of a DROP DATABASE of which only some tables are replicated.
func databaseOf(d *schema.DDL, named []tableName) *databaseChange {
	if d.Job == nil || len(named) > 0 {
		return nil
	}
	switch name := routeName(d, d.Schema, "").schema; d.Job.Type {
	case schema.ActionCreateSchema:
		return &databaseChange{name, true}
	case schema.ActionDropSchema:
		return &databaseChange{name, false}
	}
	return nil
}

// databaseDone reports whether a database is as a statement leaves it.
func (w *worker) databaseDone(c *databaseChange) (bool, error) {
	there, err := w.hasDatabase(w.ctx, c.name)
	return there == c.makes, err
}

func (w *worker) hasDatabase(ctx context.Context, name string) (bool, error) {
	var n int
	q := "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = " + string(appendQuoted(nil, []byte(name)))
	if err := w.server.db.QueryRowContext(ctx, q).Scan(&n); err != nil {
		return false, fmt.Errorf("look for the database %s: %w", schema.QuoteName(name), err)
	}
	return n > 0, nil
}
