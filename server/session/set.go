package session

import (
	"context"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"

	"pumphouse/server/engine"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
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
	switch {
	case a.Name == ast.SetNames || a.Name == ast.SetCharset:
		do, err = s.namesAssignment(a)
		return do, 0, err
	case !a.IsSystem:
		v, err := s.exec.Eval(ctx, a.Value)
		if err != nil {
			return nil, 0, err
		}
		return func() { s.setUserVar(a.Name, v) }, userVarBytes(a.Name, v), nil
	}
	name := strings.ToLower(a.Name)
	switch name {
	case "tx_isolation_one_shot", "tx_read_ts": // SET TRANSACTION for the next one only
		return func() {}, 0, nil
	}
	v, ok := sysVars().byName[name]
	if !ok {
		return nil, 0, result.Errorf(result.ErrUnknownSysVar, "Unknown system variable '%s'", a.Name)
	}
	if err := s.mayAssign(v, a); err != nil {
		return nil, 0, err
	}
	if _, ok := a.Value.(*ast.DefaultExpr); ok {
		return func() { s.setDefault(v) }, 0, nil
	}
	val, err := s.operand(ctx, a.Value)
	if err != nil {
		return nil, 0, err
	}
	text, err := s.check(v, val)
	if err != nil {
		return nil, 0, err
	}
	return func() { s.set(v.slot(), text) }, sysVarBytes(text), nil
}

// mayAssign tells why a variable cannot be assigned in the scope the statement names.
func (s *Session) mayAssign(v *sysVar, a *ast.VariableAssignment) error {
	switch {
	case v.readOnly:
		return result.Errorf(result.ErrReadOnlyVariable, "Variable '%s' is a read only variable", v.name)
	case (a.IsGlobal || a.IsInstance) && !v.global:
		return result.Errorf(result.ErrReadOnlyVariable, "Variable '%s' is a SESSION variable and can't be used with SET GLOBAL", v.name)
	case (a.IsGlobal || a.IsInstance) && s.acc.Role != privilege.Admin:
		return s.acc.Denied("SET GLOBAL")
	case a.IsGlobal || a.IsInstance:
		return result.Errorf(result.ErrNotSupported, "SET GLOBAL %s is not supported: %s. Its settings come from its "+
			"configuration file and flags", v.name, result.TheConsole)
	case !v.session:
		return result.Errorf(result.ErrGlobalVariable, "Variable '%s' is a GLOBAL variable and should be set with SET GLOBAL", v.name)
	}
	return nil
}

// operand computes the right-hand side of an assignment to a system variable, where a
// bare word is a text: SET sql_mode = ansi.
func (s *Session) operand(ctx context.Context, e ast.ExprNode) (engine.Value, error) {
	if c, ok := e.(*ast.ColumnNameExpr); ok && c.Name.Table.O == "" {
		return engine.String(c.Name.Name.O), nil
	}
	return s.exec.Eval(ctx, e)
}

// setDefault carries out SET x = DEFAULT.
func (s *Session) setDefault(v *sysVar) {
	text := v.start
	if v.computed == "timestamp" {
		text = "0"
	} else if v.computed != "" {
		text = s.computedVar(v.computed)
	}
	s.set(v.slot(), text)
	if v.computed != "" { // goes on being computed
		delete(s.own, v.slot())
	}
}

// namesAssignment is SET NAMES and SET CHARACTER SET.
func (s *Session) namesAssignment(a *ast.VariableAssignment) (func(), error) {
	cs := "utf8mb4"
	if v, ok := a.Value.(ast.ValueExpr); ok {
		var err error
		if cs, err = canonicalCharset(v.GetString()); err != nil {
			return nil, err
		}
	}
	if a.Name == ast.SetCharset { // the connection's charset becomes the database's
		return func() { s.setNames(cs, cs, "utf8mb4", defaultCollation("utf8mb4")) }, nil
	}
	collation := defaultCollation(cs)
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
	return func() { s.setNames(cs, cs, cs, collation) }, nil
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
