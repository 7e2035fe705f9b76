package session

import (
	"context"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
)

// runSet carries out SET. As in MySQL all values are computed and checked first and
// assigned together then: after an error nothing has changed, and SET @old = @@x,
// @@x = … keeps the old one.
func (s *Session) runSet(ctx context.Context, stmt *ast.SetStmt, text string) error {
	apply := make([]func(), 0, len(stmt.Variables))
	grows := int64(0)
	for _, a := range stmt.Variables {
		if a.Name == "tx_read_only" && s.isSetTransaction(text) {
			on := a.Value.(ast.ValueExpr).GetString() == "1"
			apply = append(apply, func() { s.nextReadOnly = &on })
			continue
		}
		f, bytes, err := s.assignment(ctx, a)
		if err != nil {
			return err
		}
		apply = append(apply, f)
		grows += bytes
	}
	if err := s.keep(grows); err != nil {
		return err
	}
	for _, f := range apply {
		f()
	}
	return nil
}

// assignment checks one assignment and gives what carries it out, and how many bytes the session
// then keeps for it.
func (s *Session) assignment(ctx context.Context, a *ast.VariableAssignment) (do func(), bytes int64, err error) {
	eval := func(e ast.ExprNode) (engine.Value, error) { return s.exec.Eval(ctx, e) }
	if a.IsSystem || a.Name == ast.SetNames || a.Name == ast.SetCharset {
		return s.vars.Assign(a, eval)
	}
	v, err := eval(a.Value)
	return func() { s.setUserVar(a.Name, v) }, userVarBytes(a.Name, v), err
}

// setUserVar keeps @name. Its bytes have been taken.
func (s *Session) setUserVar(name string, v engine.Value) {
	if s.userVars == nil {
		s.userVars = map[string]engine.Value{}
	}
	name = strings.ToLower(name)
	if old, ok := s.userVars[name]; ok {
		s.letGo(userVarBytes(name, old))
	}
	s.userVars[name] = v
}
