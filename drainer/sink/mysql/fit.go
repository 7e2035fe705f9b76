package mysql

import (
	"database/sql"
	"errors"
	"strings"

	"pumphouse/drainer/sink/mysql/rewrite"
)

// fit changes a statement to what the downstream has, where definitions of the upstream do not tell it.
func (w *worker) fit(st *statement) error {
	if len(st.drops)+len(st.latin1) == 0 {
		return nil
	}
	if err := w.nameKeys(st); err != nil {
		return err
	}
	if err := w.keepWide(st); err != nil {
		return err
	}
	text, err := rewrite.Text(st.nodes, w.server.kind)
	if err == nil {
		st.text = text
	}
	return err
}

// keepWide leaves columns in UTF-8 that a statement would make latin1: they hold characters, or their table's
// operator expects some, that latin1 has only in TiDB.
func (w *worker) keepWide(st *statement) error {
	for _, c := range st.latin1 {
		var set sql.NullString
		err := w.server.db.QueryRowContext(w.ctx, "SELECT character_set_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ? AND column_name = ?",
			c.Schema, c.Table, c.Name).Scan(&set)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if strings.HasPrefix(set.String, "utf8") {
			c.Widen()
		}
	}
	return nil
}
