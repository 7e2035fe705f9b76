package replication

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// recorded is a transaction as files and messages hold it: a statement, or changed rows.
type recorded struct {
	ts   nodes.TSO
	use  string // the database of the statement; "": none
	ddl  string
	rows []changed
}

// changed is a row that was inserted (no old one), updated or deleted (no new one).
type changed struct {
	schema, table string
	old, new      []cell
}

// cell is a value: nil, int64, uint64, float64 or []byte.
type cell struct {
	column string
	value  any
}

// replayer brings what was recorded into a MariaDB by plain statements. All it knows of the
// tables it has from that database.
type replayer struct {
	t      testing.TB
	conn   *sql.Conn
	tables map[string]*target
	text   strings.Builder
}

// target is a table of the database.
type target struct {
	types  map[string]string // data_type by column; generated columns are left out
	key    []string          // columns that tell a row from the others; none: there are no such
	unique map[string]bool   // columns of which no two rows may have the same values
}

func newReplayer(t testing.TB, srv *mariadbtest.Server) *replayer {
	t.Helper()
	conn, err := srv.Open().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &replayer{t: t, conn: conn, tables: map[string]*target{}}
	r.exec("set names utf8mb4; set time_zone = '+00:00'; set foreign_key_checks = 0")
	return r
}

func (r *replayer) exec(text string) {
	r.t.Helper()
	if _, err := r.conn.ExecContext(context.Background(), text); err != nil {
		r.t.Fatalf("replay %.500s: %v", text, err)
	}
}

// replay brings everything there.
func (r *replayer) replay(all []recorded) {
	r.t.Helper()
	for i := range all {
		if all[i].ddl != "" {
			r.statement(&all[i])
			clear(r.tables)
			continue
		}
		r.text.WriteString("set sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'; begin;")
		for j := range all[i].rows {
			r.row(&all[i].rows[j])
			if r.text.Len() > 1<<20 {
				r.flush()
			}
		}
		r.text.WriteString("commit")
		r.flush()
	}
}

func (r *replayer) flush() {
	r.t.Helper()
	r.exec(r.text.String())
	r.text.Reset()
}

// onlyTiDB matches statements that mean nothing to a MariaDB.
var onlyTiDB = regexp.MustCompile(`(?i)\sATTRIBUTES=|GLOBAL TEMPORARY|(CREATE|ALTER|DROP) PLACEMENT POLICY`)

// statement runs a DDL, whose text is TiDB's: backslashes in it are meant as they are.
func (r *replayer) statement(x *recorded) {
	r.t.Helper()
	mode := "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
	if strings.Contains(x.ddl, `\`) {
		mode += ",NO_BACKSLASH_ESCAPES"
	}
	r.exec("set sql_mode='" + mode + "'")
	if x.use != "" && !strings.HasPrefix(strings.ToLower(x.ddl), "create database") {
		r.exec("use " + quote(x.use))
	}
	if onlyTiDB.MatchString(x.ddl) {
		return
	}
	_, err := r.conn.ExecContext(context.Background(), x.ddl)
	var refused *mysql.MySQLError
	switch {
	case !errors.As(err, &refused):
	case refused.Number == 1051 && strings.Contains(x.ddl, ","):
		return // each table of one DROP TABLE is a job with the whole statement
	case refused.Number == 1065:
		return // all of it was a comment for TiDB
	}
	if err != nil {
		r.t.Fatalf("replay %s at %d: %v", x.ddl, x.ts, err)
	}
}

func (r *replayer) row(c *changed) {
	tab := r.table(c.schema, c.table)
	path := quote(c.schema) + "." + quote(c.table)
	switch {
	case c.old == nil:
		r.insert(tab, path, c.new)
	case c.new == nil:
		r.delete(tab, path, c.old)
	case tab.moves(c):
		// Another row may still have what this one gets, and gets something else itself later
		// in the transaction: whole, like here.
		r.delete(tab, path, c.old)
		r.insert(tab, path, c.new)
	default:
		var sets []string
		for _, v := range c.new {
			if kind, ok := tab.types[v.column]; ok {
				sets = append(sets, quote(v.column)+"="+literalOf(kind, v.value))
			}
		}
		fmt.Fprintf(&r.text, "update %s set %s where %s limit 1;", path, strings.Join(sets, ","), r.where(tab, c.old))
	}
}

// moves reports whether a change is of columns that tell rows apart.
func (tab *target) moves(c *changed) bool {
	for i, v := range c.new {
		if tab.unique[v.column] && fmt.Sprint(v.value) != fmt.Sprint(c.old[i].value) {
			return true
		}
	}
	return false
}

func (r *replayer) insert(tab *target, path string, row []cell) {
	var columns, values []string
	for _, v := range row {
		if kind, ok := tab.types[v.column]; ok {
			columns = append(columns, quote(v.column))
			values = append(values, literalOf(kind, v.value))
		}
	}
	fmt.Fprintf(&r.text, "replace into %s (%s) values (%s);", path, strings.Join(columns, ","), strings.Join(values, ","))
}

func (r *replayer) delete(tab *target, path string, row []cell) {
	fmt.Fprintf(&r.text, "delete from %s where %s limit 1;", path, r.where(tab, row))
}

// where finds a row, by its key or by all it has.
func (r *replayer) where(tab *target, row []cell) string {
	var all []string
	for _, v := range row {
		kind, there := tab.types[v.column]
		name := quote(v.column)
		switch {
		case !there || tab.key != nil && !slices.Contains(tab.key, v.column):
		case v.value == nil:
			all = append(all, name+" is null")
		case tab.key == nil && textual(kind): // exactly, not by its collation
			all = append(all, fmt.Sprintf("cast(convert(%s using utf8mb4) as binary) = x'%x'", name, v.value))
		default:
			all = append(all, name+" = "+literalOf(kind, v.value))
		}
	}
	if len(all) == 0 {
		r.t.Fatalf("nothing tells which row is meant: %v", row)
	}
	return strings.Join(all, " and ")
}

func textual(kind string) bool {
	return strings.HasSuffix(kind, "text") || strings.HasSuffix(kind, "char")
}

// literalOf writes a value for a column of a type.
func literalOf(kind string, v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'e', -1, 64)
	case []byte:
		switch {
		case kind == "decimal", kind == "year": // a year of '0' would be 2000
			return string(v)
		case kind == "bit":
			var n uint64
			for _, b := range v {
				n = n<<8 | uint64(b)
			}
			return strconv.FormatUint(n, 10)
		case textual(kind):
			return fmt.Sprintf("_utf8mb4 x'%x'", v)
		case strings.HasSuffix(kind, "binary"), strings.HasSuffix(kind, "blob"):
			return fmt.Sprintf("x'%x'", v)
		}
		return "'" + strings.ReplaceAll(string(v), "'", "''") + "'"
	}
	return fmt.Sprintf("a value of type %T", v) // no SQL
}

// table looks a table up.
func (r *replayer) table(schema, name string) *target {
	id := schema + "." + name
	if tab := r.tables[id]; tab != nil {
		return tab
	}
	tab := &target{types: map[string]string{}, unique: map[string]bool{}}
	r.each(func(v []string) {
		tab.types[v[0]] = v[1]
	}, "select column_name, data_type from information_schema.columns where table_schema = ? and table_name = ? and is_generated = 'NEVER'", schema, name)
	if len(tab.types) == 0 {
		r.t.Fatalf("there is no table %s to replay into", id)
	}
	keys := map[string][]string{}
	useless := map[string]bool{}
	var order []string
	r.each(func(v []string) {
		index, column := v[0], v[1]
		if keys[index] == nil {
			order = append(order, index)
		}
		keys[index] = append(keys[index], column)
		tab.unique[column] = true
		useless[index] = useless[index] || v[2] == "YES" || v[3] != ""
	}, "select index_name, column_name, coalesce(nullable, ''), coalesce(sub_part, '') from information_schema.statistics where table_schema = ? and table_name = ? and non_unique = 0 order by index_name <> 'PRIMARY', index_name, seq_in_index", schema, name)
	for _, index := range order {
		if !useless[index] && tab.key == nil {
			tab.key = keys[index]
		}
	}
	r.tables[id] = tab
	return tab
}

func (r *replayer) each(f func([]string), query string, args ...any) {
	rows, err := r.conn.QueryContext(context.Background(), query, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	for err == nil && rows.Next() {
		v := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range v {
			into[i] = &v[i]
		}
		if err = rows.Scan(into...); err == nil {
			f(v)
		}
	}
	if err = errors.Join(err, rows.Err()); err != nil {
		r.t.Fatal(err)
	}
}
