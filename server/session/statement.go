package session

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/sqlext"
)

// statement is one that a session can carry out: parsed, or one that TiDB's grammar does not have.
type statement struct {
	sqlext.Statement
	fallback *fallback // nil = parsed
	rest     string    // of the text, after the words of the fallback
}

// looks reports whether it only looks at the diagnostics area.
func (st *statement) looks() bool {
	if st.fallback != nil {
		return strings.HasPrefix(st.fallback.words, "SHOW WARNINGS") || strings.HasPrefix(st.fallback.words, "SHOW ERRORS")
	}
	show, ok := st.Node.(*ast.ShowStmt)
	return ok && (show.Tp == ast.ShowWarnings || show.Tp == ast.ShowErrors)
}

// onlyReads reports whether max_execution_time may end a statement. Never a CHANGE: cut short it
// would leave behind the question whether it was written. PAUSE and its like have a limit of
// their own. EXECUTE goes by the statement it runs.
func (s *Session) onlyReads(st *statement) bool {
	if st.fallback != nil || st.Show != nil {
		return true
	}
	switch n := st.Node.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt, *ast.ShowStmt, *ast.DoStmt, *ast.SetStmt, *ast.ExplainStmt, *ast.PrepareStmt:
		return true
	case *ast.ExecuteStmt:
		p := s.prepared.byName[strings.ToLower(n.Name)]
		return p != nil && s.onlyReads(&p.stmt)
	}
	return false
}
