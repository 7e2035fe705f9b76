package definition

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"pumphouse/drainer/schema"
)

// Flavour is what kind of server a downstream is.
type Flavour int

// The flavours.
const (
	MySQL Flavour = iota
	MariaDB
	TiDB
)

// Querier asks a server: a *sql.DB, *sql.Conn or *sql.Tx whose connections take several statements in
// one text (multiStatements), know backslash escapes in texts (no NO_BACKSLASH_ESCAPES) and are in
// the time zone UTC.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Server is a server whose definitions are read.
type Server struct {
	flavour    Flavour
	collations map[string]bool
}

// Open asks a server what its definitions can have.
func Open(ctx context.Context, q Querier, f Flavour) (Server, error) {
	s := Server{flavour: f, collations: map[string]bool{}}
	rows, err := q.QueryContext(ctx, "SELECT COLLATION_NAME FROM information_schema.COLLATIONS")
	if err != nil {
		return s, fmt.Errorf("ask for the collations of the server: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name sql.NullString // MariaDB has some without a name of their own
		if err := rows.Scan(&name); err != nil {
			return s, fmt.Errorf("read the collations of the server: %w", err)
		}
		s.collations[lowerUTF8(name.String)] = true
	}
	return s, rows.Err()
}

// Read reads the definition of a table, view or sequence: nil when there is none of that name.
func (s Server) Read(ctx context.Context, q Querier, database, name string) (*Table, error) {
	t, err := s.read(ctx, q, database, name)
	if err != nil {
		return nil, fmt.Errorf("read the definition of %s.%s: %w", schema.QuoteName(database), schema.QuoteName(name), err)
	}
	return t, nil
}

func (s Server) read(ctx context.Context, q Querier, schema, name string) (*Table, error) {
	of := fmt.Sprintf(" WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", text(schema), text(name))
	rows, err := q.QueryContext(ctx, "SELECT TABLE_TYPE, ENGINE, TABLE_COMMENT FROM information_schema.TABLES"+of+
		"; SELECT * FROM information_schema.COLUMNS"+of+" ORDER BY ORDINAL_POSITION"+
		"; "+s.indexes()+of+" ORDER BY INDEX_NAME, SEQ_IN_INDEX"+
		"; SELECT CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME "+
		"FROM information_schema.KEY_COLUMN_USAGE"+of+" AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY CONSTRAINT_NAME, ORDINAL_POSITION"+
		"; SELECT CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS"+
		strings.Replace(of, "TABLE_SCHEMA", "CONSTRAINT_SCHEMA", 1)+
		"; SELECT PARTITION_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, PARTITION_DESCRIPTION FROM information_schema.PARTITIONS"+of+
		" AND PARTITION_NAME IS NOT NULL ORDER BY PARTITION_ORDINAL_POSITION")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	r := reader{flavour: s.flavour, foreign: map[string]int{}}
	r.table.plain = true
	for _, each := range []func(record){r.head, r.column, r.key, r.foreignKey, r.rule, r.partition} {
		if err := scan(rows, each); err != nil {
			return nil, err
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil || !r.found {
		return nil, err
	}
	r.table.Schema, r.table.Name = schema, name
	if r.table.Kind != BaseTable {
		return &Table{Schema: schema, Name: name, Kind: r.table.Kind}, nil
	}
	return &r.table, nil
}

// indexes asks for a table's keys. TiDB's STATISTICS do not tell prefixes.
func (s Server) indexes() string {
	if s.flavour == TiDB {
		return "SELECT KEY_NAME AS INDEX_NAME, SEQ_IN_INDEX, NON_UNIQUE, COLUMN_NAME, SUB_PART, EXPRESSION FROM information_schema.TIDB_INDEXES"
	}
	return "SELECT * FROM information_schema.STATISTICS"
}

// text is a name as a literal.
func text(name string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(name) + "'"
}

// record is a row, by the names of its columns in upper case.
type record map[string]sql.NullString

func (r record) get(name string) string { return r[name].String }

// scan gives each row of a result.
func scan(rows *sql.Rows, each func(record)) error {
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]sql.NullString, len(names))
	targets := make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
		names[i] = strings.ToUpper(names[i])
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		r := make(record, len(names))
		for i, n := range names {
			r[n] = values[i]
		}
		each(r)
	}
	return rows.Err()
}

// reader makes a table of what information_schema says.
type reader struct {
	flavour Flavour
	table   Table
	found   bool
	foreign map[string]int // name of a foreign key to its place
	// invisible columns are none that a statement of ours sees; MySQL 8 makes a primary key of one where
	// sql_generate_invisible_primary_key is on.
	invisible map[string]bool
}

func (r *reader) head(row record) {
	r.found = true
	r.table.Kind = BaseTable
	switch strings.ToUpper(row.get("TABLE_TYPE")) {
	case "VIEW", "SYSTEM VIEW":
		r.table.Kind = View
	case "SEQUENCE":
		r.table.Kind = Sequence
	}
	r.table.Engine, r.table.Comment = row.get("ENGINE"), row.get("TABLE_COMMENT")
}

func (r *reader) column(row record) {
	extra := strings.ToLower(row.get("EXTRA"))
	if strings.Contains(extra, "invisible") {
		if r.invisible == nil {
			r.invisible = make(map[string]bool)
		}
		r.invisible[row.get("COLUMN_NAME")] = true
		return
	}
	if r.table.column(row.get("COLUMN_NAME")) != nil {
		return // TiDB says it twice just after a RENAME of several tables
	}
	kind := row.get("COLUMN_TYPE")
	if r.flavour == TiDB {
		kind = strings.ReplaceAll(kind, `\`, `\\`) // it has the backslashes of an ENUM as they are
	}
	c := Column{
		Name: row.get("COLUMN_NAME"), Type: parseType(kind), Null: row.get("IS_NULLABLE") == "YES",
		OnUpdate: strings.Contains(extra, "on update "), AutoIncrement: strings.Contains(extra, "auto_increment"),
		Generated: row.get("GENERATION_EXPRESSION"), Comment: row.get("COLUMN_COMMENT"),
		Stored: strings.Contains(extra, "stored generated") || strings.Contains(extra, "persistent"),
	}
	c.Type.Charset, c.Type.Collation = row.get("CHARACTER_SET_NAME"), row.get("COLLATION_NAME")
	if c.Generated == "" && !c.AutoIncrement {
		c.Default = r.defaultOf(&c.Type, row["COLUMN_DEFAULT"], strings.Contains(extra, "default_generated"))
	}
	r.table.Columns = append(r.table.Columns, c)
}

// defaultOf reads a default: MariaDB has it as SQL, MySQL and TiDB the value itself.
func (r *reader) defaultOf(t *Type, value sql.NullString, generated bool) Default {
	text := value.String
	switch {
	case !value.Valid:
		return Default{}
	case isNow(t.Base, text):
		return Default{Kind: Now}
	case t.Base == "bit" && strings.HasPrefix(text, "b'"):
		bits, _ := strconv.ParseUint(strings.Trim(text, "b'"), 2, 64)
		return Default{Literal, strconv.FormatUint(bits, 10)}
	case r.flavour != MariaDB && generated:
		return Default{Expression, text}
	case r.flavour != MariaDB && t.Base == "binary" && strings.HasPrefix(text, "0x"):
		return Default{Literal, bytesOf("x", text[2:])}
	case r.flavour != MariaDB:
		return Default{Literal, text}
	case text == "NULL":
		return Default{}
	case t.Base == "year":
		return Default{Literal, strings.Trim(text, "'")} // 0000 is not 0
	}
	list := tokens(text)
	switch {
	case len(list) == 1 && (list[0].kind == '\'' || list[0].kind == '0'):
		return Default{Literal, list[0].text}
	case len(list) == 2 && list[0].kind == '-' && list[1].kind == '0':
		return Default{Literal, "-" + list[1].text}
	}
	return Default{Expression, text}
}

func (r *reader) key(row record) {
	name := row.get("INDEX_NAME")
	if expression, ok := row["EXPRESSION"]; ok {
		r.table.plain = false
		if expression.Valid {
			r.add(name, row, Part{Expression: expression.String})
			return
		}
	}
	p := Part{Column: row.get("COLUMN_NAME")}
	if r.invisible[p.Column] {
		return
	}
	p.Length, _ = strconv.Atoi(row.get("SUB_PART"))
	if c := r.table.column(p.Column); c != nil && capacity(c.Type.Base) == 0 && p.Length == c.Type.Length {
		p.Length = 0 // all of it
	}
	r.add(name, row, p)
}

func (r *reader) add(name string, row record, p Part) {
	if n := len(r.table.Keys); n > 0 && r.table.Keys[n-1].Name == name {
		k := &r.table.Keys[n-1]
		if seq, _ := strconv.Atoi(row.get("SEQ_IN_INDEX")); seq == 0 || seq > len(k.Parts) {
			k.Parts = append(k.Parts, p) // else it is said twice
		}
		return
	}
	r.table.Keys = append(r.table.Keys, Key{Name: name, Primary: name == "PRIMARY", Unique: row.get("NON_UNIQUE") == "0", Parts: []Part{p}})
}

func (r *reader) foreignKey(row record) {
	name := row.get("CONSTRAINT_NAME")
	i, ok := r.foreign[name]
	if !ok {
		i = len(r.table.ForeignKeys)
		r.foreign[name] = i
		r.table.ForeignKeys = append(r.table.ForeignKeys, ForeignKey{
			RefSchema: row.get("REFERENCED_TABLE_SCHEMA"), RefTable: row.get("REFERENCED_TABLE_NAME"), rulesUnknown: true,
		})
	}
	f := &r.table.ForeignKeys[i]
	f.Columns = append(f.Columns, row.get("COLUMN_NAME"))
	f.RefColumns = append(f.RefColumns, row.get("REFERENCED_COLUMN_NAME"))
}

func (r *reader) rule(row record) {
	if i, ok := r.foreign[row.get("CONSTRAINT_NAME")]; ok {
		f := &r.table.ForeignKeys[i]
		f.OnDelete, f.OnUpdate, f.rulesUnknown = rule(row.get("DELETE_RULE")), rule(row.get("UPDATE_RULE")), false
	}
}

func (r *reader) partition(row record) {
	if r.table.Partitioning == nil {
		method := strings.TrimSuffix(strings.ToUpper(row.get("PARTITION_METHOD")), " COLUMNS")
		r.table.Partitioning = &Partitioning{Method: method, Expression: row.get("PARTITION_EXPRESSION")}
	}
	p := r.table.Partitioning
	name := row.get("PARTITION_NAME")
	if n := len(p.Partitions); n > 0 && p.Partitions[n-1].Name == name {
		return // another of its subpartitions
	}
	p.Partitions = append(p.Partitions, Partition{Name: name, Values: row.get("PARTITION_DESCRIPTION")})
}

// parseType reads a COLUMN_TYPE.
func parseType(text string) Type {
	list := tokens(text)
	if len(list) == 0 {
		return Type{}
	}
	t := Type{Base: list[0].text}
	var args []token
	depth := 0
	for _, x := range list[1:] {
		switch {
		case x.kind == '(':
			depth++
		case x.kind == ')':
			depth--
		case depth > 0 && x.kind != ',':
			args = append(args, x)
		case x.text == "unsigned":
			t.Unsigned = true
		case x.text == "zerofill":
			t.Zerofill = true
		}
	}
	arg := func(i int) int {
		if i >= len(args) {
			return 0
		}
		n, _ := strconv.Atoi(args[i].text)
		return n
	}
	switch t.Base {
	case "enum", "set":
		t.Elements = []string{}
		for _, a := range args {
			t.Elements = append(t.Elements, a.text)
		}
	case "date", "datetime", "time", "timestamp":
		t.Decimals = arg(0)
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		// the width means nothing
	default:
		t.Length, t.Decimals = arg(0), arg(1)
	}
	if t.Base == "year" {
		t.Unsigned, t.Zerofill = false, false // MariaDB and MySQL 5.7 print them for it
	}
	if capacity(t.Base) > 0 && int64(t.Length) >= capacity(t.Base) {
		t.Length = 0
	}
	return t
}

// lowerUTF8 is the name of a character set or collation in one form.
func lowerUTF8(name string) string {
	name = strings.ToLower(name)
	if rest, ok := strings.CutPrefix(name, "utf8mb3"); ok {
		return "utf8" + rest
	}
	return name
}
