package mysql

import (
	"context"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
)

// Where a key's text is not plain ASCII, which rows get into each other's way depends on the collation that its column has
// downstream. It is asked for when such text comes for the first time since a table got its definition, and not while a
// statement of DDL is on the way, which may change it. Until it is known, and where it is none of those that take
// nothing but the same text for equal, such a change waits for all others of its table.

// exact reports whether a column is known to compare exactly downstream.
func (s *shape) exact(i int) bool {
	list := s.exactly.Load()
	return list != nil && (*list)[i]
}

// unsure reports whether to know the collations could tell more of the table's keys.
func (s *shape) unsure() bool {
	if s.whole || s.exactly.Load() != nil {
		return false
	}
	for _, columns := range s.unique {
		for _, i := range columns {
			if s.mayBeExact(i) {
				return true
			}
		}
	}
	return false
}

// mayBeExact reports whether a column compares exactly upstream, or nobody knows, as where the definition is the downstream's.
func (s *shape) mayBeExact(i int) bool {
	c := &s.table.Columns[i]
	collation := c.Type.GetCollate()
	return isText(c) && c.Type.GetCharset() == charset.CharsetUTF8MB4 && (collation == "" || exactCollation(collation))
}

// exactCollation reports whether a collation takes nothing but the same characters for equal. It is one of utf8mb4: others
// lack characters, and what they lack may become the same.
func exactCollation(name string) bool {
	return strings.HasPrefix(name, "utf8mb4_") && strings.HasSuffix(name, "_bin")
}

// Collations are asked for again after a failure, and answered in a time.
const (
	askAgain      = 10 * time.Second
	answerTimeout = 10 * time.Second
)

// learn reports whether it has found out how a table's columns compare downstream.
func (s *Sink) learn(ctx context.Context, sh *shape) bool {
	now := s.opts.Now()
	if now.Before(s.askAfter) || !s.sched.settled() {
		return false
	}
	list, err := s.collations(ctx, sh)
	if err != nil {
		s.askAfter = now.Add(askAgain)
		s.opts.Logger.WithError(err).WithField("table", sh.table.String()).Debug("the collations of a table downstream cannot be read")
		return false
	}
	sh.exactly.Store(&list)
	return true
}

func (s *Sink) collations(ctx context.Context, sh *shape) ([]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	text := appendQuoted([]byte("SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE COLLATION_NAME IS NOT NULL AND TABLE_SCHEMA = "), []byte(sh.table.Schema))
	text = appendQuoted(append(text, " AND TABLE_NAME = "...), []byte(sh.table.Name))
	rows, err := s.server.db.QueryContext(ctx, string(text))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	exact := map[string]bool{}
	for rows.Next() {
		var name, collation string
		if err := rows.Scan(&name, &collation); err != nil {
			return nil, err
		}
		exact[strings.ToLower(name)] = exactCollation(strings.ToLower(collation))
	}
	list := make([]bool, len(sh.table.Columns))
	for i := range list {
		list[i] = sh.mayBeExact(i) && exact[strings.ToLower(sh.table.Columns[i].Name)]
	}
	return list, rows.Err()
}
