package session

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/session/result"
	"pumphouse/sqlext"
)

// runTransaction carries out BEGIN, COMMIT, ROLLBACK and savepoints. A CHANGE is never
// part of a transaction: it is done when its OK arrives. What is kept is the status bit
// that clients and pools look at, and the names of savepoints.
func (s *Session) runTransaction(n ast.StmtNode, text string) error {
	switch n := n.(type) {
	case *ast.BeginStmt:
		s.transReadOnly = n.ReadOnly || s.takeNextReadOnly() && !s.saysReadWrite(text)
		s.inTrans = true
		s.dropSavepoints(0)
	case *ast.CommitStmt:
		s.ended(n.CompletionType)
	case *ast.RollbackStmt:
		if n.SavepointName != "" {
			return s.toSavepoint(n.SavepointName, true)
		}
		s.ended(n.CompletionType)
	case *ast.SavepointStmt:
		if i := s.savepoint(n.Name); i >= 0 {
			s.letGo(savepointBytes(s.savings[i]))
			s.savings = slices.Delete(s.savings, i, i+1)
		}
		if s.inTrans || !s.vars.Autocommit {
			if err := s.keep(savepointBytes(n.Name)); err != nil {
				return err
			}
			s.savings = append(s.savings, strings.Clone(n.Name))
		}
	case *ast.ReleaseSavepointStmt:
		return s.toSavepoint(n.Name, false)
	}
	return nil
}

// ended notes the end of a transaction; one that is chained to it is READ ONLY as it was.
func (s *Session) ended(completion ast.CompletionType) {
	s.inTrans = completion == ast.CompletionTypeChain
	s.dropSavepoints(0)
	s.transReadOnly = s.transReadOnly && s.inTrans
	s.nextReadOnly = nil
}

// takeReadOnly reports whether the statement stands in a transaction that is READ ONLY. Without
// BEGIN a statement is a transaction of its own.
func (s *Session) takeReadOnly() bool {
	if s.inTrans {
		return s.transReadOnly
	}
	return s.takeNextReadOnly()
}

// takeNextReadOnly reports whether the transaction that begins now is READ ONLY.
func (s *Session) takeNextReadOnly() bool {
	if next := s.nextReadOnly; next != nil {
		s.nextReadOnly = nil
		return *next
	}
	return s.vars.Own("transaction_read_only") == "ON"
}

// saysReadWrite reports whether a BeginStmt is START TRANSACTION … READ WRITE.
func (s *Session) saysReadWrite(text string) bool {
	words := sqlext.Words(text, s.vars.Mode)
	at := slices.Index(words, "READ")
	return at >= 0 && at+1 < len(words) && words[at+1] == "WRITE"
}

// isSetTransaction reports whether a SetStmt is SET TRANSACTION, which goes for the next
// transaction, and not SET SESSION TRANSACTION.
func (s *Session) isSetTransaction(text string) bool {
	words := sqlext.Words(text, s.vars.Mode)
	return len(words) > 1 && words[1] == "TRANSACTION"
}

func (s *Session) savepoint(name string) int {
	for i, have := range s.savings {
		if strings.EqualFold(have, name) {
			return i
		}
	}
	return -1
}

// toSavepoint drops the savepoints after one, and with RELEASE that one too.
func (s *Session) toSavepoint(name string, keep bool) error {
	i := s.savepoint(name)
	if i < 0 {
		return result.Errorf(result.ErrNoSavepoint, "SAVEPOINT %s does not exist", name)
	}
	if keep {
		i++
	}
	s.dropSavepoints(i)
	return nil
}

// dropSavepoints forgets the savepoints from one on.
func (s *Session) dropSavepoints(from int) {
	for _, name := range s.savings[from:] {
		s.letGo(savepointBytes(name))
	}
	clear(s.savings[from:])
	s.savings = s.savings[:from]
}

func savepointBytes(name string) int64 { return int64(len(name)) + itemBytes }
