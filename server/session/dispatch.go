package session

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
	"pumphouse/server/session/infoschema"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
)

// dispatch carries out one statement.
func (s *Session) dispatch(ctx context.Context, st statement) (*Outcome, error) {
	switch {
	case st.fallback != nil:
		return s.rows(st.fallback.answer(ctx, s, st.rest))
	case st.Show != nil:
		rows, kept, err := s.nodes.Show(ctx, st.Show)
		if err != nil {
			return nil, err
		}
		return &Outcome{Rows: rows, Kept: kept}, nil
	case st.Change != nil, st.Act != nil, st.Resolve != nil:
		return s.done(s.nodes.Do(ctx, &st.Statement))
	case st.Help != nil:
		return s.rows(nodestmt.Help(s.nodes.Literal(st.Help.Topic)), nil)
	}
	switch n := st.Node.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt:
		return s.rows(s.runSelect(ctx, n.(ast.ResultSetNode)))
	case *ast.ShowStmt:
		return s.rows(s.schema.Show(ctx, n))
	case *ast.SetStmt:
		return s.done(s.runSet(ctx, n, st.Text))
	case *ast.UseStmt:
		return s.done(s.schema.Use(n.DBName))
	case *ast.DoStmt:
		return s.done(s.runDo(ctx, n))
	case *ast.BeginStmt, *ast.CommitStmt, *ast.RollbackStmt, *ast.SavepointStmt, *ast.ReleaseSavepointStmt:
		return s.done(s.txn.run(n, st.Text))
	case *ast.KillStmt:
		return s.done(s.runKill(n.ConnectionID, n.Query))
	case *ast.PrepareStmt:
		return s.done(s.runPrepare(ctx, n))
	case *ast.ExecuteStmt:
		return s.runExecute(ctx, n)
	case *ast.DeallocateStmt:
		return s.done(s.runDeallocate(n))
	case *ast.ExplainStmt:
		return s.rows(s.runExplain(ctx, n))
	case *ast.AnalyzeTableStmt:
		return s.rows(s.schema.CheckTables("analyze", infoschema.TableNames(n.TableNames)))
	case *ast.OptimizeTableStmt:
		return s.rows(s.schema.CheckTables("optimize", infoschema.TableNames(n.Tables)))
	case *ast.FlushStmt:
		return s.done(s.runFlush(n))
	case *ast.LockTablesStmt, *ast.UnlockTablesStmt:
		return s.ok(), nil // nothing that could be locked changes under a reader
	case *ast.HelpStmt:
		return s.rows(nodestmt.Help(n.Topic), nil)
	}
	return nil, result.NotSupported(statementName(st))
}

// rows makes an outcome of a result.
func (s *Session) rows(r *engine.Result, err error) (*Outcome, error) {
	if err != nil {
		return nil, err
	}
	return &Outcome{Rows: r}, nil
}

// done makes an outcome of a statement without rows.
func (s *Session) done(err error) (*Outcome, error) {
	if err != nil {
		return nil, err
	}
	return &Outcome{}, nil
}

// runSelect carries out SELECT and UNION.
func (s *Session) runSelect(ctx context.Context, n ast.ResultSetNode) (*engine.Result, error) {
	sel, plain := n.(*ast.SelectStmt)
	if plain && sel.SelectIntoOpt != nil {
		return nil, result.NotSupported("SELECT INTO")
	}
	r, err := s.exec.Select(ctx, n)
	if err != nil {
		return nil, err
	}
	if limit := s.vars.SelectLimit; plain && sel.Limit == nil && limit < math.MaxInt && uint64(len(r.Rows)) > limit {
		r = &engine.Result{Columns: r.Columns, Rows: r.Rows[:limit]}
	}
	return r, nil
}

// runDo carries out DO: expressions for their effects.
func (s *Session) runDo(ctx context.Context, n *ast.DoStmt) error {
	for _, e := range n.Exprs {
		if _, err := s.exec.Eval(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// UseDB carries out COM_INIT_DB and the handshake's database.
func (s *Session) UseDB(ctx context.Context, name string) error {
	ctx, stop := s.start(ctx, false, false)
	defer stop()
	if err := s.schema.Use(name); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// FieldList carries out COM_FIELD_LIST: the columns of a table of the current database.
func (s *Session) FieldList(ctx context.Context, name, wildcard string) ([]engine.Column, error) {
	ctx, stop := s.start(ctx, true, false)
	defer stop()
	t, err := s.schema.Table(ctx, "", name)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	var columns []engine.Column
	for _, c := range t.Columns() {
		if wildcard == "" || engine.Like(wildcard, c.Name, '\\') {
			columns = append(columns, c)
		}
	}
	return columns, nil
}

// runKill carries out KILL. A monitor may end nothing but what its own user runs: that
// is what Ctrl-C in the mysql client does, from a second connection.
func (s *Session) runKill(id uint64, queryOnly bool) error {
	if s.acc.Role != privilege.Admin && !(queryOnly && s.ownsConnection(id)) {
		return s.acc.Denied("KILL")
	}
	if id > math.MaxUint32 || !s.opts.Server.Kill(uint32(id), queryOnly) {
		return result.Errorf(result.ErrNoSuchThread, "Unknown thread id: %d", id)
	}
	return nil
}

func (s *Session) ownsConnection(id uint64) bool {
	for _, p := range s.opts.Server.Processes() {
		if uint64(p.ID) == id {
			return p.User == s.acc.Name
		}
	}
	return false
}

// runFlush carries out FLUSH, where there is nothing to flush: mysqladmin and dump
// tools only need the answer.
func (s *Session) runFlush(*ast.FlushStmt) error {
	if s.acc.Role != privilege.Admin {
		return s.acc.Denied("FLUSH")
	}
	return nil
}

// statementName gives the words that a statement starts with, for messages.
func statementName(st statement) string {
	name := fmt.Sprintf("%T", st.Node)
	name = strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "Stmt")
	if s, ok := statementNames[name]; ok {
		return s
	}
	var b strings.Builder // CreateTable → CREATE TABLE
	for i, r := range name {
		if i > 0 && 'A' <= r && r <= 'Z' && !('A' <= name[i-1] && name[i-1] <= 'Z') {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// statementNames are those that the parser's types do not spell.
var statementNames = map[string]string{
	"SetPwd": "SET PASSWORD", "BRIE": "BACKUP and RESTORE", "LoadData": "LOAD DATA",
	"NonTransactionalDML": "BATCH", "GrantProxy": "GRANT PROXY",
}
