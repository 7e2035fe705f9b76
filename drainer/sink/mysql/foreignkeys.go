package mysql

import (
	"slices"
	"strings"

	"pumphouse/drainer/sink/mysql/rewrite"
)

// nameKeys finds out what the downstream calls the foreign keys that a statement drops: one without a
// name was called so by each server in its own way, and names that are a table's in TiDB are a
// database's elsewhere. One of that name is meant; else the one on the same columns.
func (w *worker) nameKeys(st *statement) error {
	for _, k := range st.drops {
		there, err := w.foreignKeys(k)
		if err != nil {
			return err
		}
		same := func(name string) bool { return strings.EqualFold(name, k.Name) }
		if len(k.Columns) == 0 || slices.ContainsFunc(there, func(f foreignKey) bool { return same(f.name) }) {
			continue
		}
		i := slices.IndexFunc(there, func(f foreignKey) bool { return slices.EqualFunc(f.columns, k.Columns, strings.EqualFold) })
		if i >= 0 {
			k.Rename(there[i].name)
		}
	}
	return nil
}

// foreignKey is one that the downstream has.
type foreignKey struct {
	name    string
	columns []string
}

func (w *worker) foreignKeys(k *rewrite.DroppedKey) ([]foreignKey, error) {
	rows, err := w.server.db.QueryContext(w.ctx, "SELECT constraint_name, column_name FROM information_schema.key_column_usage "+
		"WHERE table_schema = ? AND table_name = ? AND referenced_table_name IS NOT NULL ORDER BY constraint_name, ordinal_position", k.Schema, k.Table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []foreignKey
	for rows.Next() {
		var name, column string
		if err := rows.Scan(&name, &column); err != nil {
			return nil, err
		}
		if n := len(list); n == 0 || list[n-1].name != name {
			list = append(list, foreignKey{name: name})
		}
		last := &list[len(list)-1]
		last.columns = append(last.columns, column)
	}
	return list, rows.Err()
}
