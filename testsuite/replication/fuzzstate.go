package replication

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// state is what the fuzz's databases hold now, as TiDB says.
type state struct {
	databases []string
	all       []*subject
}

// subject is a table, view or sequence.
type subject struct {
	schema, name, kind string // kind: BASE TABLE, VIEW, SEQUENCE
	columns            []subjectColumn
	indexes            []subjectIndex
	foreign            []string // names of foreign keys
	clustered          bool     // it has a primary key by which rows are stored
	primary            bool
	partitioned        string // by what method; empty: it is not
	expression         string
	partitions         []string
	referred           bool // by a foreign key
	viewed             bool // by a view
}

type subjectColumn struct {
	name, kind, full, charset string
	null, generated, auto     bool
	key                       string // PRI, UNI, MUL or empty
}

type subjectIndex struct {
	name               string
	unique, expression bool
	columns            []string
}

// read reads everything, in an order that depends on names only.
func (st *state) read(ctx context.Context, db *sql.DB) error {
	c := &content{only: "(lower(@) like 'fuzz%')"}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	c.conn = conn
	st.databases, st.all = nil, nil
	found := map[string]*subject{}
	for _, q := range []struct {
		query string
		row   func(v []string, t *subject)
	}{
		{"select t.table_schema, t.table_name, t.table_type, tidb_pk_type from information_schema.tables t where " + c.of("t.table_schema") + " order by 1, 2", func(v []string, _ *subject) {
			t := &subject{schema: v[0], name: v[1], kind: v[2], clustered: v[3] == "CLUSTERED"}
			found[v[0]+"/"+v[1]] = t
			st.all = append(st.all, t)
		}},
		{"select table_schema, table_name, column_name, data_type, column_type, ifnull(character_set_name, ''), is_nullable, extra, column_key from information_schema.columns where " + c.of("table_schema") + " order by table_schema, table_name, ordinal_position", func(v []string, t *subject) {
			t.columns = append(t.columns, subjectColumn{name: v[2], kind: v[3], full: v[4], charset: v[5], null: v[6] == "YES",
				generated: strings.HasSuffix(v[7], "GENERATED"), auto: strings.Contains(v[7], "auto_increment"), key: v[8]})
		}},
		{"select table_schema, table_name, key_name, non_unique, column_name, ifnull(expression, '') from information_schema.tidb_indexes where " + c.of("table_schema") + " order by table_schema, table_name, key_name, seq_in_index", func(v []string, t *subject) {
			if v[2] == "PRIMARY" {
				t.primary = true
				return
			}
			if n := len(t.indexes); n == 0 || t.indexes[n-1].name != v[2] {
				t.indexes = append(t.indexes, subjectIndex{name: v[2], unique: v[3] == "0"})
			}
			x := &t.indexes[len(t.indexes)-1]
			x.columns = append(x.columns, v[4])
			x.expression = x.expression || v[5] != ""
		}},
		{"select table_schema, table_name, constraint_name, referenced_table_schema, referenced_table_name from information_schema.key_column_usage where referenced_table_name is not null and " + c.of("table_schema") + " order by 1, 2, 3", func(v []string, t *subject) {
			t.foreign = append(t.foreign, v[2])
			for _, other := range st.all {
				if strings.EqualFold(other.name, v[4]) { // in any database: this TiDB gives the child's
					other.referred = true
				}
			}
		}},
		{"select table_schema, table_name, view_definition from information_schema.views where " + c.of("table_schema") + " order by 1, 2", func(v []string, _ *subject) {
			for _, other := range st.all {
				other.viewed = other.viewed || strings.Contains(strings.ToLower(v[2]), quote(strings.ToLower(other.name)))
			}
		}},
		{"select table_schema, table_name, partition_name, partition_method, ifnull(partition_expression, '') from information_schema.partitions where partition_name is not null and " + c.of("table_schema") + " order by table_schema, table_name, partition_ordinal_position", func(v []string, t *subject) {
			t.partitions = append(t.partitions, v[2])
			t.partitioned, t.expression = v[3], v[4]
		}},
	} {
		err := c.each(ctx, q.query, func(v []string) {
			t := found[v[0]+"/"+v[1]]
			if t != nil || len(found) == 0 || strings.Contains(q.query, "tidb_pk_type") {
				q.row(v, t)
			}
		})
		if err != nil {
			return err
		}
	}
	err = c.each(ctx, "select schema_name from information_schema.schemata where "+c.of("schema_name")+" order by 1", func(v []string) { st.databases = append(st.databases, v[0]) })
	if err != nil {
		return fmt.Errorf("list databases: %w", err)
	}
	return nil
}

// base are the tables with rows.
func (st *state) base() []*subject {
	return st.which(func(t *subject) bool { return t.kind == "BASE TABLE" })
}

func (st *state) which(is func(*subject) bool) (list []*subject) {
	for _, t := range st.all {
		if is(t) {
			list = append(list, t)
		}
	}
	return list
}

// pick is a random table for which is holds; nil: there is none.
func (f *Fuzz) pick(is func(*subject) bool) *subject {
	list := f.state.which(func(t *subject) bool { return t.kind == "BASE TABLE" && is(t) })
	if len(list) == 0 {
		return nil
	}
	return one(f, list)
}

func anyTable(*subject) bool { return true }

// notReferred reports whether no foreign key refers to a table.
func notReferred(t *subject) bool { return !t.referred }

func (t *subject) column(is func(*subjectColumn) bool) (list []*subjectColumn) {
	for i := range t.columns {
		if c := &t.columns[i]; is(c) {
			list = append(list, c)
		}
	}
	return list
}

// free are columns that nothing depends on: neither keys, partitions nor generated columns.
func (t *subject) free() []*subjectColumn {
	return t.column(func(c *subjectColumn) bool {
		return !c.generated && c.key == "" && !c.auto && !strings.Contains(strings.ToLower(t.expression), strings.ToLower(quote(c.name))) &&
			!slices.ContainsFunc(t.indexes, func(x subjectIndex) bool { return slices.Contains(x.columns, c.name) })
	})
}
