package mysql

import (
	"regexp"
	"slices"
	"strings"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// TiDB means another collation than MySQL and MariaDB do when a statement names none, or only a
// character set: the binary one, mostly. With another one, text that was different upstream is
// equal downstream, and a unique key refuses it. So collations are written into statements:
// those that the upstream's definitions have, behind the statement, for columns; the defaults of
// TiDB's character sets for the rest.

// collations puts collations into a statement.
type collations struct {
	flavour
	after   *schema.Table // as the statement leaves it; nil: not known
	db      *schema.DBInfo
	changed bool
}

// collate puts collations into a statement, and tells whether it did.
func (f flavour) collate(n ast.StmtNode, d *schema.DDL) bool {
	c := collations{flavour: f, after: d.After}
	if d.Job != nil {
		c.db = d.Job.Result.DBInfo
	}
	switch n := n.(type) {
	case *ast.CreateDatabaseStmt:
		n.Options = c.database(n.Options, true)
	case *ast.AlterDatabaseStmt:
		n.Options = c.database(n.Options, false)
	case *ast.CreateTableStmt:
		n.Options = c.table(n.Options)
		c.columns(n.Cols)
	case *ast.AlterTableStmt:
		for _, s := range n.Specs {
			s.Options = c.table(s.Options)
			c.columns(s.NewColumns)
		}
	}
	return c.changed
}

// usable tells whether the downstream knows a collation: MariaDB does not know all of MySQL 8.
func (c *collations) usable(collation string) bool {
	ok := collation != "" && (c.flavour != mariaDB || !strings.Contains(collation, "_0900_"))
	c.changed = c.changed || ok
	return ok
}

// of is the collation that a character set has in TiDB.
func of(set string) string {
	collation, err := charset.GetDefaultCollation(set)
	if err != nil {
		return "" // TiDB does not know it either
	}
	return collation
}

// databaseDefault is what a database has that was made without options.
func databaseDefault(db *schema.DBInfo) (set, collation string) {
	if db != nil && db.Charset != "" && db.Collate != "" {
		return db.Charset, db.Collate
	}
	return charset.GetDefaultCharsetAndCollate()
}

func (c *collations) database(list []*ast.DatabaseOption, create bool) []*ast.DatabaseOption {
	is := func(tp ast.DatabaseOptionType) func(*ast.DatabaseOption) bool {
		return func(o *ast.DatabaseOption) bool { return o.Tp == tp }
	}
	if slices.ContainsFunc(list, is(ast.DatabaseOptionCollate)) {
		return list
	}
	collation := ""
	if i := slices.IndexFunc(list, is(ast.DatabaseOptionCharset)); i >= 0 {
		collation = of(list[i].Value)
	} else if create {
		_, collation = databaseDefault(c.db)
	}
	if !c.usable(collation) {
		return list
	}
	return append(list, &ast.DatabaseOption{Tp: ast.DatabaseOptionCollate, Value: collation})
}

func (c *collations) table(list []*ast.TableOption) []*ast.TableOption {
	is := func(tp ast.TableOptionType) func(*ast.TableOption) bool {
		return func(o *ast.TableOption) bool { return o.Tp == tp }
	}
	i := slices.IndexFunc(list, is(ast.TableOptionCharset))
	if i < 0 || list[i].Default || slices.ContainsFunc(list, is(ast.TableOptionCollate)) || !c.usable(of(list[i].StrValue)) {
		return list
	}
	return slices.Insert(list, i+1, &ast.TableOption{Tp: ast.TableOptionCollate, StrValue: of(list[i].StrValue)})
}

func (c *collations) columns(list []*ast.ColumnDef) {
	for _, def := range list {
		if def.Tp == nil || def.Name == nil || !collates(def) {
			continue
		}
		if collation := c.column(def); c.usable(collation) {
			def.Options = slices.Insert(def.Options, 0, &ast.ColumnOption{Tp: ast.ColumnOptionCollate, StrValue: collation})
		}
	}
}

// collates tells whether a column has text, and no collation of its own.
func collates(def *ast.ColumnDef) bool {
	switch def.Tp.GetType() {
	case mysql.TypeVarchar, mysql.TypeString, mysql.TypeVarString, mysql.TypeEnum, mysql.TypeSet,
		mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob:
	default:
		return false
	}
	return def.Tp.GetCharset() != charset.CharsetBin && def.Tp.GetCollate() == "" && !mysql.HasBinaryFlag(def.Tp.GetFlag()) &&
		!slices.ContainsFunc(def.Options, func(o *ast.ColumnOption) bool { return o.Tp == ast.ColumnOptionCollate })
}

// column is the collation of a column, empty when it has none or it is not known.
func (c *collations) column(def *ast.ColumnDef) string {
	if c.after != nil {
		for i := range c.after.Columns {
			col := &c.after.Columns[i]
			if strings.EqualFold(col.Name, def.Name.Name.O) && col.Type.GetCharset() != charset.CharsetBin {
				return col.Type.GetCollate()
			}
		}
	}
	if set := def.Tp.GetCharset(); set != "" {
		return of(set)
	}
	return ""
}

// collated knows texts that name a character set or a collation.
var collated = regexp.MustCompile(`(?i)\b(charset|character\s+set|collate)\b`)

// createDatabase puts collations into a statement that the parser does not know: its grammar
// has nothing behind the options.
func (f flavour) createDatabase(st sink.Statement) string {
	if collated.MatchString(st.Query) {
		return st.Query
	}
	var db *schema.DBInfo
	if st.DDL.Job != nil {
		db = st.DDL.Job.Result.DBInfo
	}
	set, collation := databaseDefault(db)
	if f == mariaDB && strings.Contains(collation, "_0900_") {
		return st.Query
	}
	return strings.TrimRight(st.Query, "; \t\r\n") + " CHARACTER SET " + set + " COLLATE " + collation
}
