package mysql

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	// The parser needs an implementation of literals; this one knows nothing but them.
	_ "github.com/pingcap/tidb/pkg/parser/test_driver"
)

// statement is a statement of DDL as it is run downstream.
type statement struct {
	text   string
	use    string // the database to be in; empty: none
	mode   string // sql_mode
	tables []tableName
	swaps  bool // see there
}

type tableName struct{ schema, table string }

// prepare makes a statement ready to be run.
func prepare(s sink.Statement, mode string, f flavour) statement {
	d := s.DDL
	st := statement{text: s.Query, use: d.Schema, mode: mode}
	node := parse(s.Query, pmysql.ModeNoBackslashEscapes)
	if strings.Contains(s.Query, `\`) {
		if text, ok := restore(node); ok && trimmed(text) == trimmed(s.Query) {
			st.mode += ",NO_BACKSLASH_ESCAPES" // TiDB's text of a statement has backslashes as they are
		} else {
			node = parse(s.Query, pmysql.ModeNone)
		}
	}
	st.tables = namesIn(node, d.Schema)
	if len(st.tables) == 0 && d.Table != "" {
		st.tables = []tableName{{d.Schema, d.Table}}
	}
	st.swaps = swaps(node)
	if f != tiDB && node != nil && f.collate(node, d) {
		if text, ok := restore(node); ok {
			st.text, st.mode = text, mode+",NO_BACKSLASH_ESCAPES"
		}
	}
	switch {
	case aboutDatabase(node, d.Job):
		st.use = ""
		if f != tiDB && node == nil && d.Job.Type == schema.ActionCreateSchema {
			st.text = f.createDatabase(s)
		}
	case d.Table != "":
		// One job for each table, and each with the whole statement.
		if n, ok := node.(*ast.DropTableStmt); ok && len(n.Tables) > 1 {
			st.text = fmt.Sprintf("DROP %s %s.%s", kindOf(n), quoteName(d.Schema), quoteName(d.Table))
		}
	}
	return st
}

// aboutDatabase tells whether a statement is about a database, which may not be there to be
// used: as TiDB's job says, since the parser does not know every name that TiDB took.
func aboutDatabase(n ast.StmtNode, job *schema.Job) bool {
	switch n.(type) {
	case *ast.CreateDatabaseStmt, *ast.DropDatabaseStmt, *ast.AlterDatabaseStmt:
		return true
	}
	if job == nil {
		return false
	}
	switch job.Type {
	case schema.ActionCreateSchema, schema.ActionDropSchema, schema.ActionModifySchemaCharset:
		return true
	}
	return false
}

func kindOf(n *ast.DropTableStmt) string {
	if n.IsView {
		return "VIEW"
	}
	return "TABLE"
}

// parse gives nil for what the parser does not know.
func parse(query string, mode pmysql.SQLMode) ast.StmtNode {
	p := parser.New()
	p.SetSQLMode(mode)
	nodes, _, err := p.ParseSQL(query)
	if err != nil || len(nodes) != 1 {
		return nil
	}
	return nodes[0]
}

// restore gives a statement's text as TiDB writes it into binlogs: with backslashes as they are.
func restore(n ast.StmtNode) (text string, ok bool) {
	if n == nil {
		return "", false
	}
	var b strings.Builder
	flags := format.RestoreTiDBSpecialComment | format.RestoreNameBackQuotes | format.RestoreKeyWordUppercase | format.RestoreStringSingleQuotes
	if err := n.Restore(format.NewRestoreCtx(flags, &b)); err != nil {
		return "", false
	}
	return b.String(), true
}

func trimmed(query string) string { return strings.TrimSuffix(strings.TrimSpace(query), ";") }

// swaps tells statements after which the definitions can be just what they were before,
// and which the server runs a second time without an error.
func swaps(n ast.StmtNode) bool {
	switch n := n.(type) {
	case nil, *ast.RenameTableStmt:
		return true
	case *ast.AlterTableStmt:
		for _, s := range n.Specs {
			switch s.Tp {
			case ast.AlterTableExchangePartition, ast.AlterTableRenameTable:
				return true
			}
		}
	}
	return false
}

// namesIn are the tables a statement names.
func namesIn(n ast.StmtNode, schema string) []tableName {
	if n == nil {
		return nil
	}
	v := &tableNames{schema: schema}
	n.Accept(v)
	return v.found
}

type tableNames struct {
	schema string
	found  []tableName
}

// Enter implements ast.Visitor.
func (v *tableNames) Enter(n ast.Node) (ast.Node, bool) {
	if t, ok := n.(*ast.TableName); ok {
		name := tableName{t.Schema.O, t.Name.O}
		if name.schema == "" {
			name.schema = v.schema
		}
		v.found = append(v.found, name)
	}
	return n, false
}

// Leave implements ast.Visitor.
func (v *tableNames) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// applyDDL runs a transaction's statements of DDL, if it has any. What is to be run is written
// down first; that is removed with the transaction's record: see the package comment.
func (w *worker) applyDDL(j *job) error {
	mode := w.opts.SQLMode
	if mode == "" {
		mode = ddlMode
	}
	in := w.record.intent
	if in != nil && in.CommitTS != j.txn.CommitTS {
		in = nil
	}
	for n, s := range j.ddl {
		var before *intent // of this statement
		switch {
		case in == nil || in.Number < n:
		case in.Number > n || in.Executed:
			continue // it has been run before a crash
		default:
			before = in
		}
		if err := w.runStatement(j, n, prepare(s, mode, w.server.flavour), before); err != nil {
			return err
		}
	}
	return nil
}

// runStatement runs a transaction's statement number n. before is what was written down when
// that was begun before a crash; nil: nothing.
func (w *worker) runStatement(j *job, n int, st statement, before *intent) error {
	err := w.retry(j, func() error {
		err := w.tryDDL(j, n, st, &before)
		if err != nil {
			w.drop() // the next one begins with a session that nothing was changed in
		}
		return err
	})
	if err == nil || passes(err) || w.ctx.Err() != nil || errors.Is(err, ErrTakenOver) {
		return err
	}
	if code(err) != 0 {
		// It has not been run, and what somebody mends now must not look like its effect.
		if err := w.unbegin(j, n); err != nil {
			w.opts.Logger.WithError(err).Error("a statement of DDL that was refused is still noted as begun: skip it when it has been mended by hand")
		}
	}
	return &StatementError{CommitTS: j.txn.CommitTS, Table: nameOf(j.ddl[n].DDL), Statement: shorten([]byte(st.text)), Err: err}
}

// unbegin takes back what was written down of statement number n.
func (w *worker) unbegin(j *job, n int) error {
	of := fmt.Sprintf(" WHERE cluster_id=%d AND name='%s' AND value=%d", w.record.place.ClusterID, stateDDL, j.txn.CommitTS)
	q := "DELETE FROM " + w.record.place.state() + of
	if n > 0 {
		q = fmt.Sprintf(`UPDATE %s SET detail='{"number":%d,"executed":true}'`, w.record.place.state(), n-1) + of
	}
	_, err := w.server.db.ExecContext(w.ctx, q)
	return err
}

// ddlMode takes what any upstream's statements have: zero dates, values that do not fit.
const ddlMode = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"

func nameOf(d *schema.DDL) string {
	if d.Table == "" {
		return d.Schema
	}
	return d.Schema + "." + d.Table
}

// tryDDL runs a statement unless it has been run. before is what was written down when it
// was tried first; nil: it was not.
func (w *worker) tryDDL(j *job, n int, st statement, before **intent) error {
	w.drop()
	c, err := dial(w.ctx, w.server.ddl)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", w.server.addr(), err)
	}
	w.conn = c
	defer w.drop() // it has no limit of time
	if err := w.ddlLock(); err != nil {
		return err
	}
	now, err := w.fingerprint(st)
	if err != nil {
		return fmt.Errorf("look at the definitions before DDL: %w", err)
	}
	again := *before != nil
	if !again {
		now.CommitTS, now.Number, now.Query = j.txn.CommitTS, n, st.text
		if err := w.intend(j, now); err != nil {
			return err
		}
		*before = now
	}
	switch done, err := w.wasRun(st, *before, now, again); {
	case err != nil:
		return err
	case !done:
		if err := w.runDDL(st, again || j.safe); err != nil {
			return err
		}
	}
	if n == len(j.ddl)-1 && len(j.txn.Changes) == 0 {
		return nil
	}
	// Rows, and what becomes of them, must not decide what is known of the statement.
	ran := **before
	ran.Executed = true
	return w.intend(j, &ran)
}

// wasRun tells whether a statement that was begun once before has taken effect.
func (w *worker) wasRun(st statement, before, now *intent, again bool) (bool, error) {
	switch {
	case !again:
		return false, nil
	case before.Numbered != now.Numbered || st.swaps && !now.Numbered:
		if st.swaps {
			return false, ErrAmbiguousDDL
		}
		return false, nil // run again, it says whether it has been
	}
	return before.Definitions != now.Definitions, nil
}

// ddlLock waits until a statement of DDL of the drainer before, which the server goes on
// with, has ended. The lock is the connection's.
func (w *worker) ddlLock() error {
	text := fmt.Appendf(nil, "SELECT GET_LOCK('pumphouse-ddl-%d', %d)", w.opts.Place.ClusterID, 365*24*3600)
	err := w.conn.run(w.ctx, text)
	if w.server.flavour == tiDB && err != nil && !lost(err) {
		return nil // old versions have no such locks; their DDL jobs wait for each other
	}
	return err
}

// intend writes down that a statement is about to be run.
func (w *worker) intend(j *job, in *intent) error {
	detail, err := json.Marshal(in)
	if err != nil {
		return err
	}
	p := w.record.place
	text := fmt.Appendf(nil, "REPLACE INTO %s (cluster_id, name, value, detail) SELECT %d,'%s',%d,", p.state(), p.ClusterID, stateDDL, in.CommitTS)
	text = appendQuoted(text, detail)
	text = fmt.Appendf(text, " FROM %s WHERE cluster_id=%d AND name='%s%d' AND value=%d FOR UPDATE", p.state(), p.ClusterID, stateEpoch, w.id, w.record.epoch)
	if err := w.conn.run(w.ctx, text); err != nil {
		return fmt.Errorf("write down a statement of DDL before it is run: %w", err)
	}
	_, owner, err := w.record.verdict(w.ctx, w.server.db, w.id, j.txn.CommitTS)
	if err == nil && !owner {
		err = ErrTakenOver
	}
	return err
}

// runDDL runs a statement. tolerant: that it has been run already is no error.
func (w *worker) runDDL(st statement, tolerant bool) error {
	start := w.opts.Now()
	head := fmt.Appendf(nil, "SET sql_mode='%s'", st.mode)
	if st.use != "" {
		head = fmt.Appendf(head, ";USE %s", quoteName(st.use))
	}
	if err := w.conn.run(w.ctx, head); err != nil {
		return err
	}
	err := w.conn.run(w.ctx, []byte(st.text))
	if tolerant && alreadyDone(err) {
		w.opts.Logger.WithError(err).WithField("query", shorten([]byte(st.text))).Warn("this statement has been run already")
		err = nil
	}
	if f := w.opts.Metrics.DDL; f != nil && err == nil {
		f(w.opts.Now().Sub(start))
	}
	return err
}

// forget is the statement that removes what was written down of a transaction's DDL.
func (r *record) forget() string {
	return fmt.Sprintf("DELETE FROM %s WHERE cluster_id=%d AND name='%s'", r.place.state(), r.place.ClusterID, stateDDL)
}
