package session

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// runTransaction carries out BEGIN, COMMIT, ROLLBACK and savepoints. A CHANGE is never
// part of a transaction: it is done when its OK arrives. What is kept is the status bit
// that clients and pools look at, and the names of savepoints.
func (s *Session) runTransaction(n ast.StmtNode) error {
	switch n := n.(type) {
	case *ast.BeginStmt:
		s.inTrans, s.savings = true, nil
	case *ast.CommitStmt:
		s.inTrans, s.savings = n.CompletionType == ast.CompletionTypeChain, nil
	case *ast.RollbackStmt:
		if n.SavepointName != "" {
			return s.toSavepoint(n.SavepointName, true)
		}
		s.inTrans, s.savings = n.CompletionType == ast.CompletionTypeChain, nil
	case *ast.SavepointStmt:
		if i := s.savepoint(n.Name); i >= 0 {
			s.savings = append(s.savings[:i], s.savings[i+1:]...)
		}
		if s.inTrans || !s.autocommit {
			s.savings = append(s.savings, n.Name)
		}
	case *ast.ReleaseSavepointStmt:
		return s.toSavepoint(n.Name, false)
	}
	return nil
}

func (s *Session) savepoint(name string) int {
	for i, have := range s.savings {
		if strings.EqualFold(have, name) {
			return i
		}
	}
	return -1
}

// toSavepoint drops the savepoints behind one, and with RELEASE that one too.
func (s *Session) toSavepoint(name string, keep bool) error {
	i := s.savepoint(name)
	if i < 0 {
		return errf(errNoSavepoint, "SAVEPOINT %s does not exist", name)
	}
	if keep {
		i++
	}
	s.savings = s.savings[:i]
	return nil
}
