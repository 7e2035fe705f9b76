package rewrite

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"
	"golang.org/x/text/encoding/charmap"
)

// A column of TiDB's character set latin1 holds UTF-8, any of it. That of other servers has the
// characters of Windows-1252 and refuses others, so a column that needs others is utf8mb4 there.

// Latin1Column is a column that a statement makes latin1, and that may be wider downstream.
type Latin1Column struct {
	Schema, Table, Name string // before the statement
	def                 *ast.ColumnDef
}

// Widen makes the column utf8mb4 in the statement.
func (c *Latin1Column) Widen() { widen(c.def) }

func isLatin1(def *ast.ColumnDef) bool {
	return def.Tp != nil && isText(def.Tp.GetType()) && strings.EqualFold(def.Tp.GetCharset(), charset.CharsetLatin1)
}

// latin1 makes a latin1 column utf8mb4 where its default or its members say that it needs to be.
func (r *rewriter) latin1(def *ast.ColumnDef) {
	if !isLatin1(def) {
		return
	}
	texts := def.Tp.GetElems()
	for _, o := range def.Options {
		if text, ok := literal(o.Expr); ok && o.Tp == ast.ColumnOptionDefaultValue {
			texts = append(slices.Clone(texts), text)
		}
	}
	if i := slices.IndexFunc(texts, beyondLatin1); i >= 0 {
		r.warn("column `%s` is utf8mb4 instead of latin1, in which %s has no %q", def.Name.Name.O, r.to, texts[i])
		widen(def)
	}
}

// beyondLatin1 reports whether a text has characters that latin1 lacks.
func beyondLatin1(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		_, ok := charmap.Windows1252.EncodeRune(r)
		return !ok
	})
}

// FromLatin1 is the text that servers other than TiDB take bytes for in latin1: Windows-1252, and the control characters of
// the same number where that has none. Every byte is a character and comes back from it.
func FromLatin1(text []byte) string {
	var b strings.Builder
	for _, c := range text {
		r := charmap.Windows1252.DecodeByte(c)
		if r == utf8.RuneError {
			r = rune(c)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func widen(def *ast.ColumnDef) {
	def.Tp.SetCharset(charset.CharsetUTF8MB4)
	def.Tp.SetCollate("")
	def.Options = slices.DeleteFunc(def.Options, isOption(ast.ColumnOptionCollate))
	def.Options = slices.Insert(def.Options, 0, &ast.ColumnOption{Tp: ast.ColumnOptionCollate, StrValue: charset.CollationUTF8MB4})
}

// mayBeWide notes a change that would make a column latin1 again: what it holds downstream would be lost.
func (r *rewriter) mayBeWide(n *ast.AlterTableStmt, s *ast.AlterTableSpec) {
	if r.to.Kind == TiDB || s.Tp != ast.AlterTableModifyColumn && s.Tp != ast.AlterTableChangeColumn || !isLatin1(s.NewColumns[0]) {
		return
	}
	name := s.NewColumns[0].Name
	if s.Tp == ast.AlterTableChangeColumn {
		name = s.OldColumnName
	}
	r.plan.Latin1 = append(r.plan.Latin1, &Latin1Column{Schema: n.Table.Schema.O, Table: n.Table.Name.O, Name: name.Name.O, def: s.NewColumns[0]})
}
