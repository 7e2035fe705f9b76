package replication

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Compared says what [Compare] has looked at.
type Compared struct {
	Tables, Views, Columns, Rows int
	Differences                  []string // readable, the first few of each table
}

// maxDifferences of one table are told.
const maxDifferences = 3

// Comparison says what of two servers is compared; its zero value is everything.
type Comparison struct {
	Databases []string // only these; nil: all that are users' own
	RowsOnly  bool     // tables, names and types of columns, and rows; not the rest of definitions
	Dumped    bool     // FLOAT has the digits that a dump of TiDB has (see [dumped])
}

// Compare compares the databases of users in two servers: definitions (see [definitions]) and
// all rows, those without a key as often as they are there. TiDB is want. Neither may be written
// to meanwhile. Floats are compared exactly and JSON by what it means.
func Compare(ctx context.Context, want, got *sql.DB) (Compared, error) {
	return Comparison{}.Compare(ctx, want, got)
}

// Compare compares what o says.
func (o Comparison) Compare(ctx context.Context, want, got *sql.DB) (Compared, error) {
	var c Compared
	w, err := o.open(ctx, want)
	if err != nil {
		return c, fmt.Errorf("read TiDB: %w", err)
	}
	defer w.close()
	g, err := o.open(ctx, got)
	if err != nil {
		return c, fmt.Errorf("read the downstream: %w", err)
	}
	defer g.close()
	if !o.RowsOnly {
		if err := define(ctx, w, g); err != nil {
			return c, err
		}
	}
	for _, name := range names(w.tables, g.tables) {
		a, there := w.tables[name]
		b, here := g.tables[name]
		switch {
		case !here:
			c.differ("%s is missing downstream", a.path)
			continue
		case !there:
			c.differ("%s is downstream only", b.path)
			continue
		case a.view:
			c.Views++
		default:
			c.Tables++
		}
		if a.path != b.path && !o.RowsOnly {
			c.differ("%s is called %s downstream", a.path, b.path)
		}
		if a.view && len(a.columns) == 0 {
			b.columns = nil // a view of what is not there any more; what is known of it differs
		}
		c.Columns += len(a.columns)
		if x, y := fmt.Sprint(a.columns), fmt.Sprint(b.columns); x != y {
			c.differ("%s has the columns\n\t%s, downstream\n\t%s", a.path, x, y)
			continue
		}
		c.lines(a.path+": the definition", a.lines, b.lines)
		if err := c.rows(ctx, w, g, a, b); err != nil {
			return c, err
		}
	}
	for _, db := range names(w.databases, g.databases) {
		if w.databases[db] != g.databases[db] {
			c.differ("database %s: %q in TiDB, %q downstream", db, w.databases[db], g.databases[db])
		}
	}
	return c, nil
}

// lines compares what two servers say of one thing, in any order.
func (c *Compared) lines(of string, want, got []string) {
	slices.Sort(want)
	slices.Sort(got)
	want, got = slices.Compact(want), slices.Compact(got)
	missing, extra := without(want, got), without(got, want)
	if len(missing)+len(extra) > 0 {
		c.differ("%s has\n\t%s\n    downstream\n\t%s", of, strings.Join(missing, "\n\t"), strings.Join(extra, "\n\t"))
	}
}

func (c *Compared) differ(format string, args ...any) {
	c.Differences = append(c.Differences, fmt.Sprintf(format, args...))
}

func (c *Compared) String() string {
	return fmt.Sprintf("%d tables, %d views, %d columns, %d rows: %d differences", c.Tables, c.Views, c.Columns, c.Rows, len(c.Differences))
}

func names[V any](a, b map[string]V) []string {
	var all []string
	for n := range a {
		all = append(all, n)
	}
	for n := range b {
		if _, both := a[n]; !both {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// content is one server: what users have in it.
type content struct {
	conn      *sql.Conn
	tidb      bool
	dumped    bool
	only      string // a condition on information_schema's names of databases
	databases map[string]string
	tables    map[string]*relation // by path, lower case
}

type relation struct {
	schema, name string
	path         string // quoted
	view         bool
	columns      []field
	lines        []string // of its definition
}

type field struct{ name, kind string }

func (c *content) close() { _ = c.conn.Close() } // only read from

// others are databases that are not users' own.
const others = "('mysql','sys','information_schema','performance_schema','metrics_schema','test','tidb_binlog')"

// of is the condition that a column of information_schema names a database that is compared.
func (c *content) of(column string) string { return strings.ReplaceAll(c.only, "@", column) }

func (o Comparison) open(ctx context.Context, db *sql.DB) (*content, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &content{conn: conn, dumped: o.Dumped, databases: map[string]string{}, tables: map[string]*relation{}, only: "lower(@) not in " + others}
	if o.Databases != nil {
		var list []string
		for _, name := range o.Databases {
			list = append(list, "'"+strings.ReplaceAll(strings.ToLower(name), "'", "''")+"'")
		}
		c.only = "lower(@) in (" + strings.Join(list, ",") + ")"
	}
	for _, set := range []string{"set time_zone = '+00:00'", "set names utf8mb4", "set sql_mode = 'NO_ENGINE_SUBSTITUTION'"} {
		if _, err := conn.ExecContext(ctx, set); err != nil {
			return nil, fmt.Errorf("%s: %w", set, err)
		}
	}
	if err := conn.QueryRowContext(ctx, "select version() like '%TiDB%'").Scan(&c.tidb); err != nil {
		return nil, fmt.Errorf("ask for the version: %w", err)
	}
	err = c.each(ctx, "select schema_name, default_character_set_name, default_collation_name from information_schema.schemata where "+c.of("schema_name"), func(v []string) {
		c.databases[v[0]] = "there"
		if !o.RowsOnly {
			c.databases[v[0]] = utf8mb3(v[1]) + " " + utf8mb3(v[2])
		}
	})
	if err != nil {
		return nil, err
	}
	err = c.each(ctx, "select table_schema, table_name, table_type from information_schema.tables where table_type in ('BASE TABLE','VIEW') and table_name not like 'temp\\_%' and "+c.of("table_schema"), func(v []string) {
		path := quote(v[0]) + "." + quote(v[1])
		c.tables[strings.ToLower(path)] = &relation{schema: v[0], name: v[1], path: path, view: v[2] == "VIEW"}
	})
	if err != nil {
		return nil, err
	}
	err = c.each(ctx, "select table_schema, table_name, column_name, data_type from information_schema.columns where "+c.of("table_schema")+" order by table_schema, table_name, ordinal_position", func(v []string) {
		// Once renamed together with others a TiDB of 2023 lists a table twice.
		if r := c.table(v[0], v[1]); r != nil && !slices.ContainsFunc(r.columns, func(f field) bool { return f.name == v[2] }) {
			r.columns = append(r.columns, field{v[2], kind(v[3], r.view)})
		}
	})
	return c, err
}

func (c *content) table(schema, name string) *relation {
	return c.tables[strings.ToLower(quote(schema)+"."+quote(name))]
}

// kind is a type as both servers tell it: MariaDB's JSON is a longtext. What a view's
// expression is called differs without meaning.
func kind(t string, view bool) string {
	t = strings.ToLower(t)
	switch {
	case view:
		return "expression"
	case t == "json":
		return "longtext"
	}
	return t
}

// each gives the rows of a query; NULL is the empty string.
func (c *content) each(ctx context.Context, query string, f func([]string)) error {
	rows, err := c.conn.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%.60s…: %w", query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("%.60s…: %w", query, err)
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("%.60s…: %w", query, err)
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = v.String
		}
		f(texts)
	}
	return rows.Err()
}

// rows compares the rows of one table.
func (c *Compared) rows(ctx context.Context, w, g *content, a, b *relation) error {
	if a.view && (len(a.columns) == 0 || !w.readable(ctx, a)) {
		if g.readable(ctx, b) { // of what has been dropped or changed
			c.differ("%s cannot be read in TiDB, but downstream", a.path)
		}
		return nil
	}
	// What TiDB calls JSON is JSON in both.
	want, documents, err := w.rows(ctx, a, nil)
	if err != nil {
		return fmt.Errorf("TiDB's rows of %s: %w", a.path, err)
	}
	got, _, err := g.rows(ctx, b, documents)
	if err != nil {
		return fmt.Errorf("the downstream's rows of %s: %w", b.path, err)
	}
	c.Rows += len(want)
	missing, extra := without(want, got), without(got, want)
	if len(missing)+len(extra) == 0 {
		return nil
	}
	c.differ("%s: %d rows in TiDB, %d downstream; %d of TiDB's are not there, %d are there only", a.path, len(want), len(got), len(missing), len(extra))
	for _, s := range missing[:min(len(missing), maxDifferences)] {
		c.differ("%s: missing %s%s", a.path, s, nearest(s, extra))
	}
	for _, s := range extra[:min(len(extra), maxDifferences)] {
		c.differ("%s: too much %s", a.path, s)
	}
	return nil
}

// readable reports whether the server can read a view: what it is made of may be gone.
func (c *content) readable(ctx context.Context, r *relation) bool {
	rows, err := c.conn.QueryContext(ctx, "select 1 from "+r.path+" limit 1")
	if err != nil {
		return false
	}
	return rows.Close() == nil
}

// without gives what is in a and not in b, with multiplicity; both are sorted.
func without(a, b []string) (rest []string) {
	for _, s := range a {
		for len(b) > 0 && b[0] < s {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == s {
			b = b[1:]
			continue
		}
		rest = append(rest, s)
	}
	return rest
}

// nearest tells in which fields a row differs from the one most like it.
func nearest(row string, among []string) string {
	fields := strings.Split(row, separator)
	var best []string
	for _, other := range among {
		var differ []string
		for i, f := range strings.Split(other, separator) {
			if i < len(fields) && f != fields[i] {
				differ = append(differ, fmt.Sprintf("%.200s, downstream %.200s", fields[i], f))
			}
		}
		if best == nil || len(differ) < len(best) {
			best = differ
		}
	}
	if best == nil || len(best) > len(fields)/2 {
		return ""
	}
	return "\n\t(a row there differs in " + strings.Join(best, "; ") + ")"
}

// separator stands between the fields of a row; quoted text never has it.
const separator = " | "

// rows gives all rows as text, sorted. documents are the columns that hold JSON; if nil,
// they are those the server calls so. It uses the binary protocol: texts of floats are not
// exact.
func (c *content) rows(ctx context.Context, r *relation, documents []bool) ([]string, []bool, error) {
	var columns []string
	for _, f := range r.columns {
		columns = append(columns, quote(f.name))
	}
	stmt, err := c.conn.PrepareContext(ctx, "select "+strings.Join(columns, ", ")+" from "+r.path)
	if err != nil {
		return nil, nil, err
	}
	defer stmt.Close()
	rows, err := stmt.QueryContext(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	if documents == nil {
		types, err := rows.ColumnTypes()
		if err != nil {
			return nil, nil, err
		}
		for _, t := range types {
			documents = append(documents, t.DatabaseTypeName() == "JSON")
		}
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var all []string
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		texts := make([]string, len(values))
		for i, v := range values {
			if c.dumped {
				v = dumped(v)
			}
			texts[i] = r.columns[i].name + "=" + plain(v, documents[i])
		}
		all = append(all, strings.Join(texts, separator))
	}
	slices.Sort(all)
	return all, documents, rows.Err()
}

// dumped is a value as a dump of TiDB has it: of FLOAT from 1e15 on, and below 1e-15, TiDB's text has six digits.
func dumped(v any) any {
	f, ok := v.(float32)
	if size := math.Abs(float64(f)); !ok || size == 0 || size >= 1e-15 && size < 1e15 {
		return v
	}
	short, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'e', 5, 32), 32)
	return float32(short)
}

// plain is a value as text that is the same for equal values.
func plain(v any, document bool) string {
	var s string
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		s = string(v)
	case float32, float64, int64, uint64, bool:
		return fmt.Sprint(v) // the shortest text that gives the number again
	default:
		return fmt.Sprintf("%T %v", v, v)
	}
	if document {
		if text, err := canonical(s); err == nil {
			return text
		}
	}
	return quotedText(s)
}

// quotedText is readable, and any bytes can be told from any others.
func quotedText(s string) string { return strings.ReplaceAll(fmt.Sprintf("%+q", s), "|", `\x7c`) }

// canonical is a JSON document with its keys in order and its numbers by their value.
func canonical(s string) (string, error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	b, err := json.Marshal(numbers(v))
	return "json " + strings.ReplaceAll(string(b), "|", `\x7c`), err
}

// numbers replaces numbers by exact fractions: 1, 1.0 and 1e0 are the same.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return json.RawMessage(quotedNumber(r))
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

func quotedNumber(r *big.Rat) string { return `["number","` + r.RatString() + `"]` }
