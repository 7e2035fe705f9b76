package session

import (
	"context"
	"strings"

	"pumphouse/server/engine"
	"pumphouse/sqlext"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// Prepared is a prepared statement. It belongs to the session that made it and is
// compiled anew when the session's sql_mode or charset has changed since.
type Prepared struct {
	SQL     string
	Params  int             // how many ? it holds
	Columns []engine.Column // of its rows; nil = it gives none

	beyond  bool // a statement that the grammar does not have: see beyond.go
	stmt    sqlext.Statement
	bytes   int64         // that the parsed text takes
	mode    mysql.SQLMode // under which SQL was parsed
	collate string
}

// Prepare compiles one statement (COM_STMT_PREPARE). Every statement can be prepared,
// those too that a MySQL server refuses with 1295; what it does not support it says
// here and not when it is run.
func (s *Session) Prepare(ctx context.Context, sql string) (*Prepared, error) {
	defer s.exec.Release()
	s.begin(nil)
	p, err := s.compile(ctx, sql)
	if err != nil {
		e := sqlError(ctx, err)
		s.diag.fail(e)
		return nil, e
	}
	s.diag.sent = s.diag.total()
	return p, nil
}

func (s *Session) compile(ctx context.Context, sql string) (*Prepared, error) {
	stmts, warns, perr := s.parse(sql)
	switch {
	case perr != nil:
		if columns, ok, err := s.describeBeyond(ctx, sql); ok {
			return &Prepared{SQL: strings.Clone(sql), Columns: columns, beyond: true, bytes: s.parsedSize(sql)}, err
		}
		return nil, perr
	case len(stmts) == 0:
		return nil, errf(errEmptyQuery, "Query was empty")
	case len(stmts) > 1:
		return nil, errf(errParse, "You have an error in your SQL syntax: a prepared statement is one statement, near '%s'",
			clip(stmts[1].Text, 80))
	}
	for _, w := range warns {
		e := parseError(w)
		s.diag.add(levelWarning, e.Code, e.Message)
	}
	p := &Prepared{
		SQL: strings.Clone(sql), Params: stmts[0].Params, stmt: stmts[0], bytes: s.parsedSize(sql),
		mode: s.mode, collate: s.connCollation,
	}
	ctx, stop := s.start(ctx, onlyReads(&p.stmt))
	defer stop()
	var err error
	p.Columns, err = s.describe(ctx, &p.stmt)
	return p, err
}

// describe gives the columns of a statement's rows before it is run; nil = none. What
// cannot run at all fails here already.
func (s *Session) describe(ctx context.Context, st *sqlext.Statement) ([]engine.Column, error) {
	switch {
	case st.Show != nil && st.Show.Full:
		return fullColumns(nodeKind(st.Show.Kind)), nil
	case st.Show != nil:
		return statusColumns(), nil
	case st.Change != nil, st.Act != nil, st.Resolve != nil:
		return nil, nil
	case st.Help != nil:
		return help("binlog").Columns, nil
	}
	switch n := st.Node.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt:
		s.exec.Params = nil
		return s.exec.Describe(ctx, n.(ast.ResultSetNode))
	case *ast.ShowStmt:
		return s.describeShow(ctx, n)
	case *ast.ExplainStmt:
		if show, ok := n.Stmt.(*ast.ShowStmt); ok {
			return s.describeShow(ctx, show)
		}
		return explainColumns(n)
	case *ast.HelpStmt:
		return help(n.Topic).Columns, nil
	case *ast.PrepareStmt, *ast.ExecuteStmt, *ast.DeallocateStmt:
		return nil, errf(1295, "This command is not supported in the prepared statement protocol yet")
	case *ast.SetStmt, *ast.UseStmt, *ast.DoStmt, *ast.BeginStmt, *ast.CommitStmt, *ast.RollbackStmt,
		*ast.SavepointStmt, *ast.ReleaseSavepointStmt, *ast.KillStmt, *ast.FlushStmt,
		*ast.LockTablesStmt, *ast.UnlockTablesStmt:
		return nil, nil
	}
	return nil, s.refused(st)
}

// Execute runs a prepared statement (COM_STMT_EXECUTE) with a value for every ?.
func (s *Session) Execute(ctx context.Context, p *Prepared, args []engine.Value, emit func(o *Outcome, more bool) error) error {
	defer s.exec.Release()
	o, err := s.execute(ctx, p, args)
	if err != nil {
		return err
	}
	return emit(o, false)
}

func (s *Session) execute(ctx context.Context, p *Prepared, args []engine.Value) (*Outcome, error) {
	if p.beyond {
		return s.executeBeyond(ctx, p, args)
	}
	if err := s.refresh(p, args); err != nil {
		return nil, s.failed(err)
	}
	return s.run(ctx, &p.stmt, args, nil)
}

// refresh makes a prepared statement ready to run with these arguments.
func (s *Session) refresh(p *Prepared, args []engine.Value) *engine.Error {
	if len(args) != p.Params {
		return errf(errWrongArguments, "Incorrect arguments to EXECUTE")
	}
	if p.mode == s.mode && p.collate == s.connCollation {
		return nil
	}
	stmts, _, err := s.parse(p.SQL)
	if err != nil {
		return err
	}
	if len(stmts) != 1 || stmts[0].Params != p.Params {
		return errf(errParse, "Prepared statement needs to be re-prepared: it means something else under this sql_mode")
	}
	p.stmt, p.mode, p.collate = stmts[0], s.mode, s.connCollation
	return nil
}

// maxNamedStatements bounds what PREPARE keeps.
const maxNamedStatements = 1024

// runPrepare carries out PREPARE name FROM 'text' or @variable.
func (s *Session) runPrepare(ctx context.Context, n *ast.PrepareStmt) error {
	sql := n.SQLText
	if n.SQLVar != nil {
		sql = s.env.UserVar(n.SQLVar.Name).Text()
	}
	name := strings.ToLower(n.Name)
	s.dropPrepared(name)
	if len(s.prepared) >= maxNamedStatements {
		return errf(1461, "Can't create more than max_prepared_stmt_count statements (current value: %d)", maxNamedStatements)
	}
	p, err := s.compile(ctx, sql)
	if err != nil {
		return err
	}
	if err := s.keep(p.Size()); err != nil {
		return err
	}
	if s.prepared == nil {
		s.prepared = map[string]*Prepared{}
	}
	s.prepared[name] = p
	return nil
}

// runExecute carries out EXECUTE name USING @a, @b.
func (s *Session) runExecute(ctx context.Context, n *ast.ExecuteStmt) (*Outcome, error) {
	p, ok := s.prepared[strings.ToLower(n.Name)]
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
	if p.beyond {
		return s.executeBeyond(ctx, p, args)
	}
	if err := s.refresh(p, args); err != nil {
		return nil, err
	}
	s.exec.Params = args
	ctx, stop := s.limit(ctx, onlyReads(&p.stmt))
	defer stop()
	o, err := s.dispatch(ctx, &p.stmt)
	if err != nil {
		return nil, sqlError(ctx, err)
	}
	return o, nil
}

// runDeallocate carries out DEALLOCATE PREPARE name.
func (s *Session) runDeallocate(n *ast.DeallocateStmt) error {
	name := strings.ToLower(n.Name)
	if _, ok := s.prepared[name]; !ok {
		return unknownStatement(n.Name, "DEALLOCATE PREPARE")
	}
	s.dropPrepared(name)
	return nil
}

func (s *Session) dropPrepared(name string) {
	if p, ok := s.prepared[name]; ok {
		s.letGo(p.Size())
		delete(s.prepared, name)
	}
}

func unknownStatement(name, command string) error {
	return errf(errUnknownStatement, "Unknown prepared statement handler (%s) given to %s", name, command)
}
