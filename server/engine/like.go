package engine

import (
	"context"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// FilterLike keeps the rows of a finished result whose first column matches a pattern: SHOW … LIKE. Letter
// case does not count.
func (x *Executor) FilterLike(ctx context.Context, in *Result, p *ast.PatternLikeOrIlikeExpr) (*Result, error) {
	match, err := x.Matcher(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &Result{Columns: in.Columns}
	for _, row := range in.Rows {
		if match(row[0].Text()) {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

// Matcher gives the test that such a LIKE means; nil matches everything.
func (x *Executor) Matcher(ctx context.Context, p *ast.PatternLikeOrIlikeExpr) (func(string) bool, error) {
	if p == nil {
		return func(string) bool { return true }, nil
	}
	v, err := x.Eval(ctx, p.Pattern)
	if err != nil {
		return nil, err
	}
	if v.IsNull() {
		return func(string) bool { return false }, nil
	}
	pattern, escape := v.Text(), p.Escape
	if escape == 0 {
		escape = '\\'
	}
	if mysql.SQLMode(x.Env.SQLMode()).HasNoBackslashEscapesMode() && !p.EscapeExplicit {
		escape = 0
	}
	return func(text string) bool { return Like(pattern, text, escape) }, nil
}
