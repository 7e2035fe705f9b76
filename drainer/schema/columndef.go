package schema

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"
)

// ColumnDef is a column as a statement defines it, made of its definition alone: nothing in it
// depends on a session but that a TIMESTAMP's default is in UTC. Keys, AUTO_RANDOM and CHECK are not
// in it. An error names the column whose definition cannot be read.
func ColumnDef(c *Column) (*ast.ColumnDef, error) {
	def := &ast.ColumnDef{Name: &ast.ColumnName{Name: ast.NewCIStr(c.Name)}, Tp: definedType(&c.Type)}
	add := func(o ast.ColumnOption) { def.Options = append(def.Options, &o) }
	flags := c.Type.GetFlag()
	if tp := c.Type.GetType(); (tp == mysql.TypeEnum || tp == mysql.TypeSet) && c.Type.GetCollate() != "" {
		// The parser writes no character set and collation into these types.
		add(ast.ColumnOption{Tp: ast.ColumnOptionCollate, StrValue: c.Type.GetCollate()})
	}
	if c.GeneratedExpr != "" {
		expr, err := ParseExpr(c.GeneratedExpr)
		if err != nil {
			return nil, fmt.Errorf("generated column `%s`: %w", c.Name, err)
		}
		add(ast.ColumnOption{Tp: ast.ColumnOptionGenerated, Expr: expr, Stored: c.Stored})
	}
	switch {
	case mysql.HasNotNullFlag(flags):
		add(ast.ColumnOption{Tp: ast.ColumnOptionNotNull})
	case c.Type.GetType() == mysql.TypeTimestamp && c.GeneratedExpr == "":
		add(ast.ColumnOption{Tp: ast.ColumnOptionNull}) // servers differ in what none means
	}
	value, err := DefaultExpr(c)
	if err != nil {
		return nil, fmt.Errorf("default of column `%s`: %w", c.Name, err)
	}
	if value != nil {
		add(ast.ColumnOption{Tp: ast.ColumnOptionDefaultValue, Expr: value})
	}
	if mysql.HasOnUpdateNowFlag(flags) {
		add(ast.ColumnOption{Tp: ast.ColumnOptionOnUpdate, Expr: now(&c.Type)})
	}
	if mysql.HasAutoIncrementFlag(flags) {
		add(ast.ColumnOption{Tp: ast.ColumnOptionAutoIncrement})
	}
	if c.Comment != "" {
		add(ast.ColumnOption{Tp: ast.ColumnOptionComment, Expr: ast.NewValueExpr(c.Comment, "", "")})
	}
	return def, nil
}

// definedType is a type with what statements say of it: its length where it has one, its
// character set and collation where it has text.
func definedType(t *types.FieldType) *types.FieldType {
	ft := types.NewFieldType(t.GetType())
	sign := t.GetFlag() & (mysql.UnsignedFlag | mysql.ZerofillFlag) // BIT and YEAR have it, too
	ft.SetCharset(t.GetCharset())
	ft.SetElems(t.GetElems())
	switch tp := t.GetType(); tp {
	case mysql.TypeTiny, mysql.TypeShort, mysql.TypeInt24, mysql.TypeLong, mysql.TypeLonglong,
		mysql.TypeBit, mysql.TypeString, mysql.TypeVarchar, mysql.TypeVarString:
		if t.GetFlen() > 0 || types.IsTypeChar(tp) {
			ft.SetFlen(t.GetFlen())
		}
		if tp != mysql.TypeBit {
			ft.SetFlag(sign)
		}
	case mysql.TypeNewDecimal:
		ft.SetFlag(sign)
		ft.SetFlen(t.GetFlen())
		ft.SetDecimal(max(t.GetDecimal(), 0))
	case mysql.TypeFloat, mysql.TypeDouble:
		ft.SetFlag(sign)
		if t.GetDecimal() >= 0 && t.GetFlen() >= 0 {
			ft.SetFlen(t.GetFlen())
			ft.SetDecimal(t.GetDecimal())
		}
	case mysql.TypeTimestamp, mysql.TypeDatetime, mysql.TypeDuration:
		if t.GetDecimal() > 0 {
			ft.SetDecimal(t.GetDecimal())
		}
	}
	if t.GetCharset() != charset.CharsetBin {
		ft.SetCollate(t.GetCollate())
	}
	return ft
}

// DefaultExpr is a column's default as a statement says it, nil when there is none. That of a
// TIMESTAMP is in UTC.
func DefaultExpr(c *Column) (ast.ExprNode, error) {
	if c.Default == nil {
		return nil, nil
	}
	text, ok := c.Default.(string)
	if !ok { // a JSON number: old versions
		text = fmt.Sprint(c.Default)
		if f, isFloat := c.Default.(float64); isFloat {
			text = strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
	tp := c.Type.GetType()
	switch {
	case tp == mysql.TypeBit:
		var n uint64
		for _, b := range []byte(text) {
			n = n<<8 | uint64(b)
		}
		return ParseExpr("b'" + strconv.FormatUint(n, 2) + "'")
	case c.DefaultIsExpr:
		return ParseExpr(text)
	case strings.EqualFold(text, "CURRENT_TIMESTAMP") && (tp == mysql.TypeTimestamp || tp == mysql.TypeDatetime):
		return now(&c.Type), nil
	case strings.EqualFold(text, "CURRENT_DATE") && tp == mysql.TypeDate:
		return &ast.FuncCallExpr{FnName: ast.NewCIStr("CURRENT_DATE")}, nil
	case c.Type.GetCharset() == charset.CharsetBin && (types.IsTypeChar(tp) || types.IsTypeBlob(tp)) && !printable(text):
		return ParseExpr("x'" + hex.EncodeToString([]byte(text)) + "'")
	}
	return ast.NewValueExpr(text, "", ""), nil
}

// OldUTF8 is a text in the utf8 of three bytes, in which servers other than TiDB keep comments and print definitions:
// mark stands for each character that needs four.
func OldUTF8(text, mark string) string {
	var b strings.Builder
	for _, r := range text {
		if r > 0xFFFF {
			b.WriteString(mark)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// printable reports whether bytes can stand in a statement as text.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' })
}

// now is CURRENT_TIMESTAMP in the precision of a type.
func now(t *types.FieldType) ast.ExprNode {
	call := &ast.FuncCallExpr{FnName: ast.NewCIStr("CURRENT_TIMESTAMP")}
	if n := t.GetDecimal(); n > 0 {
		call.Args = []ast.ExprNode{ast.NewValueExpr(n, "", "")}
	}
	return call
}
