package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
)

// partial knows which columns tables have downstream, for sync-mode = 2: rows are written with the
// columns that both sides have.
//
// They are read before the first rows of a table, after every statement of DDL, when a statement is
// refused because of an unknown column, and again once a minute: what somebody adds to
// the downstream by hand, and the upstream has already, gets values within that minute.
type partial struct {
	server  *server
	now     func() time.Time
	program Program

	shapes shapes // made of what is known

	mu     sync.Mutex
	tables map[tableName]*columnsThere
}

// columnsThere are the columns of a table downstream.
type columnsThere struct {
	names  map[string]bool // in lower case; those that can be written
	wanted map[string]bool // of those: NOT NULL without a default, so that every INSERT has to name them
	read   time.Time
}

const rereadAfter = time.Minute

func newPartial(s *server, now func() time.Time, program Program) *partial {
	p := &partial{server: s, now: now, program: program, tables: map[tableName]*columnsThere{}}
	p.shapes.partial = p
	return p
}

// of are a table's columns as they were read; nil: they were not, or the table is not there.
func (p *partial) of(t *schema.Table) *columnsThere {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tables[tableName{t.Schema, t.Name}]
}

// forget has everything read again before it is used.
func (p *partial) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, there := range p.tables {
		old := *there
		old.read = time.Time{}
		p.tables[name] = &old
	}
}

// know reads the columns of the tables that jobs' rows are for, if they are not known or not any more.
func (p *partial) know(ctx context.Context, jobs []*job) error {
	changed := false
	for _, j := range jobs {
		for _, last := range tables(j.txn) {
			was := p.of(last)
			if was != nil && p.now().Sub(was.read) < rereadAfter {
				continue
			}
			is, err := p.read(ctx, last)
			if err != nil {
				return fmt.Errorf("read which columns %s has downstream: %w", last, err)
			}
			if !is.shares(last) {
				return &StatementError{CommitTS: j.txn.CommitTS, Table: last.String(), Statement: "(any)", program: p.program,
					Err: errors.New("the table has no column of the upstream's there")}
			}
			changed = changed || !was.same(is)
			p.mu.Lock()
			p.tables[tableName{last.Schema, last.Name}] = is
			p.mu.Unlock()
		}
	}
	if changed {
		p.shapes.forget()
	}
	return nil
}

// tables are those of a transaction's changes, as they follow each other.
func tables(t *sink.Txn) []*schema.Table {
	if t.Large != nil {
		return t.Large.Tables
	}
	var list []*schema.Table
	for _, c := range t.Changes {
		if n := len(list); n == 0 || list[n-1] != c.Table {
			list = append(list, c.Table)
		}
	}
	return list
}

func (c *columnsThere) same(other *columnsThere) bool {
	if c == nil || len(c.names) != len(other.names) || len(c.wanted) != len(other.wanted) {
		return false
	}
	for name := range c.names {
		if !other.names[name] || c.wanted[name] != other.wanted[name] {
			return false
		}
	}
	return true
}

func (p *partial) read(ctx context.Context, t *schema.Table) (*columnsThere, error) {
	q := "SELECT COLUMN_NAME, IS_NULLABLE = 'NO' AND COLUMN_DEFAULT IS NULL, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "
	text := appendQuoted([]byte(q), []byte(t.Schema))
	text = appendQuoted(append(text, " AND TABLE_NAME = "...), []byte(t.Name))
	rows, err := p.server.db.QueryContext(ctx, string(text))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	there := &columnsThere{names: map[string]bool{}, wanted: map[string]bool{}, read: p.now()}
	for rows.Next() {
		var name, extra string
		var wanted bool
		if err := rows.Scan(&name, &wanted, &extra); err != nil {
			return nil, err
		}
		extra = strings.ToLower(extra)
		if strings.Contains(extra, "virtual") || strings.Contains(extra, "stored generated") || strings.Contains(extra, "persistent") {
			continue // computed there
		}
		name = strings.ToLower(name)
		there.names[name] = true
		if wanted && !strings.Contains(extra, "auto_increment") {
			there.wanted[name] = true
		}
	}
	return there, rows.Err()
}

// shares reports whether rows of a table have a column to be written. A table that is not there says so
// itself when they are.
func (c *columnsThere) shares(t *schema.Table) bool {
	return len(c.names) == 0 || slices.ContainsFunc(t.Columns, func(col schema.Column) bool {
		return col.Public && !col.Generated && c.names[strings.ToLower(col.Name)]
	})
}

// has reports whether the downstream has a column to be written. nil has all.
func (c *columnsThere) has(name string) bool {
	return c == nil || len(c.names) == 0 || c.names[strings.ToLower(name)]
}

// lacks reports whether rows of a table lack columns that every INSERT has to name.
func (c *columnsThere) lacks(t *schema.Table) bool {
	if c == nil || len(c.wanted) == 0 {
		return false
	}
	n := 0
	for i := range t.Columns {
		if col := &t.Columns[i]; col.Public && !col.Generated && c.wanted[strings.ToLower(col.Name)] {
			n++
		}
	}
	return n < len(c.wanted)
}
