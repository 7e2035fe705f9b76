package rewrite

import (
	"slices"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
)

// column finds a column in a definition; nil when it is not known.
func column(t *schema.Table, name string) *schema.Column {
	if t == nil {
		return nil
	}
	i := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return !c.Hidden && strings.EqualFold(c.Name, name) })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

func isOption(types ...ast.ColumnOptionType) func(*ast.ColumnOption) bool {
	return func(o *ast.ColumnOption) bool { return slices.Contains(types, o.Tp) }
}

// column makes a column of a statement one for the server.
func (r *rewriter) column(def *ast.ColumnDef) error {
	var c *schema.Column
	if r.known() {
		c = column(r.d.After, def.Name.Name.O)
	}
	if c != nil {
		own, err := schema.ColumnDef(c)
		if err != nil {
			return err
		}
		// What is no part of a column's own definition.
		kept := isOption(ast.ColumnOptionPrimaryKey, ast.ColumnOptionUniqKey, ast.ColumnOptionAutoRandom)
		for _, o := range def.Options {
			if kept(o) {
				own.Options = append(own.Options, o)
			}
		}
		*def = *own
	} else {
		r.complete(def)
	}
	if c != nil && c.LocalDefault {
		r.fromZone(def)
	}
	if r.to.Kind != TiDB {
		r.latin1(def)
		r.collate(def)
	}
	def.Options = slices.DeleteFunc(def.Options, func(o *ast.ColumnOption) bool { return !r.option(def, o) })
	if i := slices.IndexFunc(def.Options, isOption(ast.ColumnOptionDefaultValue)); i >= 0 && def.Tp.GetType() == mysql.TypeTimestamp {
		r.literals = append(r.literals, def.Options[i])
	}
	return nil
}

// complete writes out what TiDB means by a column of which no definition is known.
func (r *rewriter) complete(def *ast.ColumnDef) {
	if def.Tp == nil || def.Tp.GetType() != mysql.TypeTimestamp {
		return
	}
	if !slices.ContainsFunc(def.Options, isOption(ast.ColumnOptionNull, ast.ColumnOptionNotNull, ast.ColumnOptionPrimaryKey, ast.ColumnOptionGenerated)) {
		def.Options = slices.Insert(def.Options, 0, &ast.ColumnOption{Tp: ast.ColumnOptionNull})
	}
	r.fromZone(def)
}

// fromZone brings a TIMESTAMP's default from the zone of the session upstream to UTC.
func (r *rewriter) fromZone(def *ast.ColumnDef) {
	if def.Tp.GetType() != mysql.TypeTimestamp {
		return
	}
	for _, o := range def.Options {
		if o.Tp == ast.ColumnOptionDefaultValue {
			o.Expr = moved(o.Expr, r.zone, time.UTC)
		}
	}
}

// option reports whether a column's option is for the server.
func (r *rewriter) option(def *ast.ColumnDef, o *ast.ColumnOption) bool {
	if o.Tp == ast.ColumnOptionCheck {
		return false // see checks
	}
	if r.to.Kind == TiDB {
		if call, ok := o.Expr.(*ast.FuncCallExpr); ok && call.FnName.L == "nextval" {
			o.Expr = unbracketed{call} // old ones take no brackets there
		}
		return true
	}
	switch o.Tp {
	case ast.ColumnOptionAutoRandom, ast.ColumnOptionColumnFormat, ast.ColumnOptionStorage, ast.ColumnOptionSecondaryEngineAttribute,
		ast.ColumnOptionFulltext, ast.ColumnOptionReference:
		return false
	case ast.ColumnOptionAutoIncrement:
		return r.autoIncrement(def)
	case ast.ColumnOptionPrimaryKey, ast.ColumnOptionUniqKey:
		o.PrimaryKeyTp, o.StrValue = ast.PrimaryKeyTypeDefault, ""
	case ast.ColumnOptionNotNull, ast.ColumnOptionNull:
		return r.to.Kind != MariaDB || !slices.ContainsFunc(def.Options, isOption(ast.ColumnOptionGenerated)) // MariaDB has no syntax for it
	case ast.ColumnOptionCollate:
		if c := r.to.collation(o.StrValue); c != o.StrValue {
			r.warn("column `%s` has the collation %s, %s has no %s", def.Name.Name.O, c, r.to, o.StrValue)
			o.StrValue = c
		}
	case ast.ColumnOptionComment:
		if text, ok := literal(o.Expr); ok {
			o.Expr = ast.NewValueExpr(r.comment(text), "", "")
		}
	case ast.ColumnOptionDefaultValue:
		return r.defaultValue(def, o.Expr)
	}
	return true
}

// unbracketed is a function that is written as a default without brackets.
type unbracketed struct{ ast.ExprNode }

// defaultValue reports whether the server can have a default. Rows do not need it: binlogs have the
// values.
func (r *rewriter) defaultValue(def *ast.ColumnDef, expr ast.ExprNode) bool {
	call, ok := expr.(*ast.FuncCallExpr)
	if !ok || r.to.Kind == TiDB {
		return true
	}
	switch call.FnName.L {
	case "nextval":
		r.warn("column `%s` has no default: its sequence is not there", def.Name.Name.O)
		return false
	case "current_timestamp", "now", "localtime", "localtimestamp":
		return true
	}
	if !r.to.expressionDefaults() {
		r.warn("column `%s` has no default: %s has no expressions there", def.Name.Name.O, r.to)
		return false
	}
	return true
}

// collate writes a column's collation, which servers do not agree on where none is said.
func (r *rewriter) collate(def *ast.ColumnDef) {
	if c := def.Tp.GetCollate(); c != "" {
		if to := r.to.collation(c); to != c {
			r.warn("column `%s` has the collation %s, %s has no %s", def.Name.Name.O, to, r.to, c)
			def.Tp.SetCollate(to)
		}
		return
	}
	if !isText(def.Tp.GetType()) || def.Tp.GetCharset() == charset.CharsetBin || mysql.HasBinaryFlag(def.Tp.GetFlag()) ||
		slices.ContainsFunc(def.Options, isOption(ast.ColumnOptionCollate)) {
		return
	}
	collation := collationOf(def.Tp.GetCharset())
	if c := column(r.d.After, def.Name.Name.O); c != nil && c.Type.GetCharset() != charset.CharsetBin {
		collation = c.Type.GetCollate()
	}
	if collation != "" {
		def.Options = slices.Insert(def.Options, 0, &ast.ColumnOption{Tp: ast.ColumnOptionCollate, StrValue: collation})
	}
}

func isText(tp byte) bool {
	switch tp {
	case mysql.TypeVarchar, mysql.TypeString, mysql.TypeVarString, mysql.TypeEnum, mysql.TypeSet,
		mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob:
		return true
	}
	return false
}

// collationOf is the collation that a character set has in TiDB; empty for none.
func collationOf(set string) string {
	if set == "" {
		return ""
	}
	collation, err := charset.GetDefaultCollation(set)
	if err != nil {
		return "" // TiDB does not know it either
	}
	return collation
}
