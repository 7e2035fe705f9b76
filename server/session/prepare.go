package session

import (
	"context"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/engine"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/result"
)

// Prepared is a prepared statement. It belongs to the session that made it and is
// compiled anew when the session's sql_mode or charset has changed since.
type Prepared struct {
	SQL     string
	Params  int             // how many ? it holds
	Columns []engine.Column // of its rows; nil = it gives none

	stmt    statement
	bytes   int64         // that the parsed text takes
	mode    mysql.SQLMode // under which SQL was parsed
	collate string
}

// Prepare compiles one statement (COM_STMT_PREPARE). Every statement can be prepared,
// those too that a MySQL server refuses with 1295; what it does not support it says
// here and not when it is run.
func (s *Session) Prepare(ctx context.Context, sql string) (*Prepared, error) {
	defer s.exec.Release()
	ctx, stop := s.start(ctx, true, false)
	defer stop()
	p, err := s.compile(ctx, sql)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	s.diag.Finish(false)
	return p, nil
}

func (s *Session) compile(ctx context.Context, sql string) (*Prepared, error) {
	stmts, warns, perr := s.parse(sql)
	st, isFallback := statement{}, false
	if perr != nil {
		st, isFallback = parseFallback(sql)
	}
	switch {
	case isFallback:
	case perr != nil:
		return nil, perr
	case len(stmts) == 0:
		return nil, result.Errorf(result.ErrEmptyQuery, "Query was empty")
	case len(stmts) > 1:
		return nil, result.Errorf(result.ErrParse, "You have an error in your SQL syntax: a prepared statement is one statement, near '%s'",
			result.Clip(stmts[1].Text, 80))
	default:
		st.Statement = stmts[0]
		s.warnOfParsing(warns)
	}
	p := &Prepared{
		SQL: strings.Clone(sql), Params: st.Params, stmt: st, bytes: s.parsedSize(sql),
		mode: s.vars.Mode, collate: s.vars.ConnCollation,
	}
	var err error
	p.Columns, err = s.describe(ctx, st)
	return p, err
}

// describe gives the columns of a statement's rows before it is run; nil = none. What
// cannot run at all fails here already.
func (s *Session) describe(ctx context.Context, st statement) ([]engine.Column, error) {
	switch {
	case st.fallback != nil: // reads nothing but memory, so that carrying it out is a way to know
		r, err := st.fallback.answer(ctx, s, st.rest)
		if err != nil {
			return nil, err
		}
		return r.Columns, nil
	case st.Show != nil:
		return nodestmt.Columns(st.Show), nil
	case st.Change != nil, st.Act != nil, st.Resolve != nil:
		return nil, nil
	case st.Help != nil:
		return nodestmt.Help("binlog").Columns, nil
	}
	switch n := st.Node.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt:
		s.exec.Params = nil
		return s.exec.Describe(ctx, n.(ast.ResultSetNode))
	case *ast.ShowStmt:
		return s.schema.ShowColumns(n)
	case *ast.ExplainStmt:
		if show, ok := n.Stmt.(*ast.ShowStmt); ok {
			return s.schema.ShowColumns(show)
		}
		return explainColumns(n)
	case *ast.HelpStmt:
		return nodestmt.Help(n.Topic).Columns, nil
	case *ast.PrepareStmt, *ast.ExecuteStmt, *ast.DeallocateStmt:
		return nil, result.Errorf(1295, "This command is not supported in the prepared statement protocol yet")
	case *ast.SetStmt, *ast.UseStmt, *ast.DoStmt, *ast.BeginStmt, *ast.CommitStmt, *ast.RollbackStmt,
		*ast.SavepointStmt, *ast.ReleaseSavepointStmt, *ast.KillStmt, *ast.FlushStmt,
		*ast.LockTablesStmt, *ast.UnlockTablesStmt:
		return nil, nil
	}
	return nil, result.NotSupported(statementName(st))
}

// Execute runs a prepared statement (COM_STMT_EXECUTE) with a value for every ?.
func (s *Session) Execute(ctx context.Context, p *Prepared, args []engine.Value, emit func(o *Outcome, more bool) error) error {
	defer s.exec.Release()
	if err := s.refresh(p, args); err != nil {
		return s.rejected(err)
	}
	o, err := s.run(ctx, p.stmt, args, nil)
	if err != nil {
		return err
	}
	return emit(o, false)
}

// refresh makes a prepared statement ready to run with these arguments.
func (s *Session) refresh(p *Prepared, args []engine.Value) *engine.Error {
	if len(args) != p.Params {
		return result.Errorf(result.ErrWrongArguments, "Incorrect arguments to EXECUTE")
	}
	if p.stmt.fallback != nil || p.mode == s.vars.Mode && p.collate == s.vars.ConnCollation {
		return nil
	}
	stmts, _, err := s.parse(p.SQL)
	if err != nil {
		return err
	}
	if len(stmts) != 1 || stmts[0].Params != p.Params {
		return result.Errorf(result.ErrParse, "Prepared statement needs to be re-prepared: it means something else under this sql_mode")
	}
	p.stmt.Statement, p.mode, p.collate = stmts[0], s.vars.Mode, s.vars.ConnCollation
	return nil
}

// maxNamedStatements bounds what PREPARE keeps.
const maxNamedStatements = 1024

// runPrepare carries out PREPARE name FROM 'text' or @variable.
func (s *Session) runPrepare(ctx context.Context, n *ast.PrepareStmt) error {
	sql := n.SQLText
	if n.SQLVar != nil {
		sql = s.exec.Env.UserVar(n.SQLVar.Name).Text()
	}
	name := strings.ToLower(n.Name)
	s.prepared.drop(name)
	if len(s.prepared.byName) >= maxNamedStatements {
		return result.Errorf(1461, "Can't create more than max_prepared_stmt_count statements (current value: %d)", maxNamedStatements)
	}
	p, err := s.compile(ctx, sql)
	if err != nil {
		return err
	}
	return s.prepared.put(name, p)
}

// runExecute carries out EXECUTE name USING @a, @b.
func (s *Session) runExecute(ctx context.Context, n *ast.ExecuteStmt) (*Outcome, error) {
	p, ok := s.prepared.byName[strings.ToLower(n.Name)]
	if !ok {
		return nil, unknownStatement(n.Name, "EXECUTE")
	}
	args := make([]engine.Value, 0, len(n.UsingVars))
	for _, e := range n.UsingVars {
		v, err := s.exec.Eval(ctx, e)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if err := s.refresh(p, args); err != nil {
		return nil, err
	}
	s.exec.Params = args
	return s.dispatch(ctx, p.stmt)
}

// runDeallocate carries out DEALLOCATE PREPARE name.
func (s *Session) runDeallocate(n *ast.DeallocateStmt) error {
	if !s.prepared.drop(strings.ToLower(n.Name)) {
		return unknownStatement(n.Name, "DEALLOCATE PREPARE")
	}
	return nil
}

// namedStatements are those of PREPARE name FROM ….
type namedStatements struct {
	mem    *memory
	byName map[string]*Prepared // lower case
}

func (n *namedStatements) put(name string, p *Prepared) error {
	if err := n.mem.keep(p.Size()); err != nil {
		return err
	}
	if n.byName == nil {
		n.byName = map[string]*Prepared{}
	}
	n.byName[name] = p
	return nil
}

// drop reports whether there was one of that name.
func (n *namedStatements) drop(name string) bool {
	p, ok := n.byName[name]
	if ok {
		n.mem.free(p.Size())
		delete(n.byName, name)
	}
	return ok
}

func unknownStatement(name, command string) error {
	return result.Errorf(result.ErrUnknownStatement, "Unknown prepared statement handler (%s) given to %s", name, command)
}
