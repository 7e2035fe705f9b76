package mysql

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql/rewrite"
	"pumphouse/nodes"
)

// statement is a statement of DDL as it is run downstream.
type statement struct {
	text    string
	why     string // text is empty: nothing is to be run, for this reason
	session string // SET and USE of what it needs
	zone    string // the session's time_zone
	tables  []tableName
	swaps   bool // see there
	lost    []string
	nodes   []ast.StmtNode
	drops   []*rewrite.DroppedKey // foreign keys, whose names have to be found
	latin1  []*rewrite.Latin1Column
	// leaves is what it is to leave downstream; nothing: not known.
	leaves   []expectation
	database *databaseChange // nil: it makes and drops none
}

type tableName struct{ schema, table string }

// prepare makes a statement ready to be run: see package rewrite.
func prepare(s sink.Statement, commitTS nodes.TSO, to rewrite.Server, o Options) (statement, error) {
	d := s.DDL
	p, err := rewrite.Statement(s.Query, d, commitTS, to, rewrite.Options{Zone: o.DDLTimeZone, Mode: o.SQLMode})
	if err != nil {
		return statement{text: s.Query}, err
	}
	st := statement{text: p.Text, why: p.Why, session: session(p), zone: p.Zone, lost: p.Warnings, nodes: p.Nodes, drops: p.DroppedKeys, latin1: p.Latin1}
	st.tables = namesIn(p.Nodes)
	if len(st.tables) == 0 && d.Table != "" {
		st.tables = []tableName{{d.Schema, d.Table}}
	}
	st.swaps = swaps(p.Nodes)
	return st, nil
}

// session is what a statement's session is told first.
func session(p *rewrite.Plan) string {
	text := fmt.Sprintf("SET sql_mode='%s', time_zone='%s'", p.Mode, p.Zone)
	if p.Time != "" {
		text += ", timestamp=" + p.Time
	}
	if p.Database != "" {
		text += ";USE " + schema.QuoteName(p.Database)
	}
	return text
}

// swaps reports statements after which the definitions can be just what they were before,
// and which the server runs a second time without an error.
func swaps(nodes []ast.StmtNode) bool {
	for _, n := range nodes {
		switch n := n.(type) {
		case *ast.RenameTableStmt:
			return true
		case *ast.AlterTableStmt:
			for _, s := range n.Specs {
				switch s.Tp {
				case ast.AlterTableExchangePartition, ast.AlterTableRenameTable:
					return true
				}
			}
		}
	}
	return len(nodes) == 0 // nobody has read it
}

// namesIn are the tables statements name.
func namesIn(nodes []ast.StmtNode) []tableName {
	v := &tableNames{}
	for _, n := range nodes {
		n.Accept(v)
	}
	return v.found
}

type tableNames struct{ found []tableName }

// Enter implements ast.Visitor.
func (v *tableNames) Enter(n ast.Node) (ast.Node, bool) {
	if t, ok := n.(*ast.TableName); ok && t.Schema.O != "" {
		v.found = append(v.found, tableName{t.Schema.O, t.Name.O})
	}
	return n, false
}

// Leave implements ast.Visitor.
func (v *tableNames) Leave(n ast.Node) (ast.Node, bool) { return n, true }
