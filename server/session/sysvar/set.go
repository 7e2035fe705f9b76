package sysvar

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"

	"pumphouse/server/engine"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
)

// Assign checks one assignment of a SET to a system variable, or SET NAMES. It gives what carries it
// out, and how many bytes the session then keeps for it.
func (vs *Vars) Assign(a *ast.VariableAssignment, eval func(ast.ExprNode) (engine.Value, error)) (do func(), bytes int64, err error) {
	if a.Name == ast.SetNames || a.Name == ast.SetCharset {
		do, err = vs.namesAssignment(a)
		return do, 0, err
	}
	switch strings.ToLower(a.Name) {
	case "tx_isolation_one_shot", "tx_read_ts": // SET TRANSACTION for the next one only
		return func() {}, 0, nil
	}
	v := Find(a.Name)
	if v == nil {
		return nil, 0, unknown(a.Name)
	}
	if err := vs.mayAssign(v, a); err != nil {
		return nil, 0, err
	}
	if _, ok := a.Value.(*ast.DefaultExpr); ok {
		return func() { vs.setDefault(v) }, 0, nil
	}
	val, err := operand(a.Value, eval)
	if err != nil {
		return nil, 0, err
	}
	text, err := vs.check(v, val)
	if err != nil {
		return nil, 0, err
	}
	return func() { vs.set(v.slot(), text) }, keptBytes(text), nil
}

// mayAssign says why a variable cannot be assigned in the scope the statement names.
func (vs *Vars) mayAssign(v *Var, a *ast.VariableAssignment) error {
	switch {
	case v.readOnly:
		return result.Errorf(result.ErrReadOnlyVariable, "Variable '%s' is a read only variable", v.Name)
	case (a.IsGlobal || a.IsInstance) && !v.Global:
		return result.Errorf(result.ErrReadOnlyVariable, "Variable '%s' is a SESSION variable and can't be used with SET GLOBAL", v.Name)
	case (a.IsGlobal || a.IsInstance) && vs.owner.Account.Role != privilege.Admin:
		return vs.owner.Account.Denied("SET GLOBAL")
	case a.IsGlobal || a.IsInstance:
		return result.Errorf(result.ErrNotSupported, "SET GLOBAL %s is not supported: %s. Its settings come from its "+
			"configuration file and flags", v.Name, result.TheConsole)
	case !v.Session:
		return result.Errorf(result.ErrGlobalVariable, "Variable '%s' is a GLOBAL variable and should be set with SET GLOBAL", v.Name)
	}
	return nil
}

// operand computes the right-hand side of an assignment to a system variable, where a
// bare word is a text: SET sql_mode = ansi.
func operand(e ast.ExprNode, eval func(ast.ExprNode) (engine.Value, error)) (engine.Value, error) {
	if c, ok := e.(*ast.ColumnNameExpr); ok && c.Name.Table.O == "" {
		return engine.String(c.Name.Name.O), nil
	}
	return eval(e)
}

// setDefault carries out SET x = DEFAULT.
func (vs *Vars) setDefault(v *Var) {
	text := v.start
	if v.computed == "timestamp" {
		text = "0"
	} else if v.computed != "" {
		text = vs.compute(v.computed)
	}
	vs.set(v.slot(), text)
	if v.computed != "" { // goes on being computed
		delete(vs.own, v.slot())
	}
}

// namesAssignment is SET NAMES and SET CHARACTER SET.
func (vs *Vars) namesAssignment(a *ast.VariableAssignment) (func(), error) {
	cs := "utf8mb4"
	if v, ok := a.Value.(ast.ValueExpr); ok {
		var err error
		if cs, err = CanonicalCharset(v.GetString()); err != nil {
			return nil, err
		}
	}
	if a.Name == ast.SetCharset { // the connection's charset becomes the database's
		return func() { vs.setNames(cs, cs, "utf8mb4", DefaultCollation("utf8mb4")) }, nil
	}
	collation := DefaultCollation(cs)
	if a.ExtendValue != nil {
		c, err := charset.GetCollationByName(a.ExtendValue.GetString())
		if err != nil {
			return nil, result.Errorf(result.ErrUnknownCollation, "Unknown collation: '%s'", a.ExtendValue.GetString())
		}
		if c.CharsetName != cs {
			return nil, result.Errorf(result.ErrCollationCharset, "COLLATION '%s' is not valid for CHARACTER SET '%s'", c.Name, cs)
		}
		collation = c.Name
	}
	return func() { vs.setNames(cs, cs, cs, collation) }, nil
}
