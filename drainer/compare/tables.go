package compare

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"pumphouse/drainer/schema"
)

// relation is a table of one server.
type relation struct {
	schema, name string
	columns      []column
	generated    map[string]bool // by name in lower case
	keys         []key           // unique and without NULL, the primary key first
	rows         int64           // about
}

func (r *relation) path() string { return schema.QuoteName(r.schema) + "." + schema.QuoteName(r.name) }

func (r *relation) String() string { return r.schema + "." + r.name }

// column finds a column that is not generated.
func (r *relation) column(name string) (column, bool) {
	for _, c := range r.columns {
		if strings.EqualFold(c.name, name) && !r.generated[strings.ToLower(name)] {
			return c, true
		}
	}
	return column{}, false
}

// catalog are the base tables of one server, by name in lower case.
type catalog map[string]*relation

func catalogKey(schema, table string) string { return strings.ToLower(schema + "\x00" + table) }

// readCatalog reads what tables a server has but those that are left out.
func readCatalog(ctx context.Context, db *sql.DB, skip func(schema, table string) bool) (catalog, error) {
	all := catalog{}
	err := each(ctx, db, "SELECT table_schema, table_name, table_type, COALESCE(table_rows, 0) FROM information_schema.tables", func(v [4]string) {
		if v[2] != "BASE TABLE" || system(v[0]) || skip(v[0], v[1]) {
			return
		}
		r := &relation{schema: v[0], name: v[1], generated: map[string]bool{}}
		fmt.Sscan(v[3], &r.rows) // statistics: none are as good as 0
		all[catalogKey(v[0], v[1])] = r
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, db, "SELECT CONCAT_WS('\\0', table_schema, table_name), column_name, CONCAT_WS(' ', data_type, character_set_name), extra FROM information_schema.columns ORDER BY table_schema, table_name, ordinal_position", func(v [4]string) {
		r := all[strings.ToLower(v[0])]
		if r == nil {
			return
		}
		dataType, set, _ := strings.Cut(v[2], " ")
		r.columns = append(r.columns, column{name: v[1], kind: kindOf(dataType), dataType: dataType, latin1: set == "latin1"})
		if extra := strings.ToUpper(v[3]); strings.Contains(extra, "VIRTUAL GENERATED") || strings.Contains(extra, "STORED GENERATED") {
			r.generated[strings.ToLower(v[1])] = true
		}
	})
	if err != nil {
		return nil, err
	}
	return all, all.readKeys(ctx, db)
}

// readKeys reads the keys that identify a row.
func (all catalog) readKeys(ctx context.Context, db *sql.DB) error {
	type index struct {
		of   *relation
		name string
		good bool
		key  key
	}
	var list []*index
	const q = "SELECT CONCAT_WS('\\0', table_schema, table_name), index_name, COALESCE(column_name, ''), CONCAT(sub_part IS NULL AND nullable <> 'YES', '') " +
		"FROM information_schema.statistics WHERE non_unique = 0 ORDER BY table_schema, table_name, index_name, seq_in_index"
	err := each(ctx, db, q, func(v [4]string) {
		r := all[strings.ToLower(v[0])]
		if r == nil {
			return
		}
		if n := len(list); n == 0 || list[n-1].of != r || list[n-1].name != v[1] {
			list = append(list, &index{of: r, name: v[1], good: true})
		}
		last := list[len(list)-1]
		c, ok := r.column(v[2])
		last.good = last.good && ok && v[3] == "1" && c.mayBeKey()
		last.key = append(last.key, c)
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b *index) int {
		return primaryFirst(a.name) - primaryFirst(b.name)
	})
	for _, x := range list {
		if x.good {
			x.of.keys = append(x.of.keys, x.key)
		}
	}
	return nil
}

func primaryFirst(name string) int {
	if strings.EqualFold(name, "PRIMARY") {
		return 0
	}
	return 1
}

// each calls f with the rows of a query of four columns.
func each(ctx context.Context, db *sql.DB, query string, f func([4]string)) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%.80s…: %w", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var v [4]string
		if err := rows.Scan(&v[0], &v[1], &v[2], &v[3]); err != nil {
			return fmt.Errorf("%.80s…: %w", query, err)
		}
		f(v)
	}
	return rows.Err()
}

// pair is a table of the upstream and what it is downstream.
type pair struct {
	up, down *relation
	columns  []column
	key      key
}

// newPair finds what of a table can be compared: the columns that both sides have, and a key by which rows are
// unique in both.
func newPair(up, down *relation) pair {
	p := pair{up: up, down: down}
	for _, c := range up.columns {
		if _, ok := down.column(c.name); ok && !up.generated[strings.ToLower(c.name)] {
			p.columns = append(p.columns, c)
		}
	}
	for _, k := range up.keys {
		if slices.ContainsFunc(down.keys, k.same) {
			p.key = k
			break
		}
	}
	return p
}
