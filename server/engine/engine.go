package engine

import (
	"context"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// Select runs a query: a SELECT or a UNION.
func (x *Executor) Select(ctx context.Context, stmt ast.ResultSetNode) (*Result, error) {
	return nil, errNotSupported("SELECT")
}

// Describe gives the columns a query would return, without running it.
func (x *Executor) Describe(ctx context.Context, stmt ast.ResultSetNode) ([]Column, error) {
	return nil, errNotSupported("SELECT")
}

// Eval computes an expression with no columns in scope.
func (x *Executor) Eval(ctx context.Context, expr ast.ExprNode) (Value, error) {
	return Null(), errNotSupported("expression")
}

// Filter keeps the rows for which where is true.
func (x *Executor) Filter(ctx context.Context, in *Result, where ast.ExprNode) (*Result, error) {
	return nil, errNotSupported("WHERE")
}

// Like matches s against a LIKE pattern without regard to letter case.
func Like(pattern, s string, escape byte) bool { return false }

func errNotSupported(what string) *Error {
	return &Error{Code: 1235, State: "42000", Message: "This version of Pumphouse doesn't yet support '" + what + "'"}
}
