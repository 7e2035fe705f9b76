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
		if a.Name == "tx_read_only" && s.txn.isSetTransaction(text) {
			on := a.Value.(ast.ValueExpr).GetString() == "1"
			apply = append(apply, func() { s.txn.next = &on })
			continue
		}
		f, bytes, err := s.assignment(ctx, a)
		if err != nil {
			return err
		}
		apply = append(apply, f)
		grows += bytes
	}
	if err := s.mem.keep(grows); err != nil {
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
	return func() { s.userVars.set(a.Name, v) }, userVarBytes(a.Name, v), err
}

// userVars are the variables of the client's own: @name.
type userVars struct {
	mem    *memory
	values map[string]engine.Value // by name, lower case
}

// get gives NULL for a variable that was never set.
func (u *userVars) get(name string) engine.Value { return u.values[strings.ToLower(name)] }

// set keeps a variable. Its bytes have been taken.
func (u *userVars) set(name string, v engine.Value) {
	if u.values == nil {
		u.values = map[string]engine.Value{}
	}
	name = strings.ToLower(name)
	if old, ok := u.values[name]; ok {
		u.mem.free(userVarBytes(name, old))
	}
	u.values[name] = v
}

// userVarBytes is what is kept for one.
func userVarBytes(name string, v engine.Value) int64 {
	return int64(len(name)) + int64(len(v.Str())) + itemBytes
}
