package session

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
	"pumphouse/sqlext"
)

// transaction is the one a session is in, or is not. A CHANGE is never part of a transaction: it is done
// when its OK arrives. What is kept is the status bit that clients and pools look at, whether it is
// READ ONLY, and the names of savepoints.
type transaction struct {
	mem  *memory
	vars *sysvar.Vars

	active     bool     // between BEGIN and COMMIT
	readOnly   bool     // and it is READ ONLY
	next       *bool    // SET TRANSACTION READ ONLY or READ WRITE, for the next one; nil = as the variable says
	savepoints []string // their names, oldest first
	autocommit bool     // @@autocommit before the last SET
}

// run carries out BEGIN, COMMIT, ROLLBACK and savepoints.
func (t *transaction) run(n ast.StmtNode, text string) error {
	switch n := n.(type) {
	case *ast.BeginStmt:
		t.readOnly = n.ReadOnly || t.takeNext() && !t.saysReadWrite(text)
		t.active = true
		t.dropFrom(0)
	case *ast.CommitStmt:
		t.end(n.CompletionType)
	case *ast.RollbackStmt:
		if n.SavepointName != "" {
			return t.toSavepoint(n.SavepointName, true)
		}
		t.end(n.CompletionType)
	case *ast.SavepointStmt:
		if i := t.savepoint(n.Name); i >= 0 {
			t.mem.free(savepointBytes(t.savepoints[i]))
			t.savepoints = slices.Delete(t.savepoints, i, i+1)
		}
		if t.active || !t.vars.Autocommit {
			if err := t.mem.keep(savepointBytes(n.Name)); err != nil {
				return err
			}
			t.savepoints = append(t.savepoints, strings.Clone(n.Name))
		}
	case *ast.ReleaseSavepointStmt:
		return t.toSavepoint(n.Name, false)
	}
	return nil
}

// end notes the end of a transaction; one that is chained to it is READ ONLY as it was.
func (t *transaction) end(completion ast.CompletionType) {
	t.active = completion == ast.CompletionTypeChain
	t.dropFrom(0)
	t.readOnly = t.readOnly && t.active
	t.next = nil
}

// obey follows a SET: autocommit that is switched on commits, as in MySQL.
func (t *transaction) obey() {
	if t.vars.Autocommit && !t.autocommit {
		t.active = false
		t.dropFrom(0)
	}
	t.autocommit = t.vars.Autocommit
}

// takeReadOnly reports whether the statement stands in a transaction that is READ ONLY. Without
// BEGIN a statement is a transaction of its own.
func (t *transaction) takeReadOnly() bool {
	if t.active {
		return t.readOnly
	}
	return t.takeNext()
}

// takeNext reports whether the transaction that begins now is READ ONLY.
func (t *transaction) takeNext() bool {
	if next := t.next; next != nil {
		t.next = nil
		return *next
	}
	return t.vars.Own("transaction_read_only") == "ON"
}

// saysReadWrite reports whether a BeginStmt is START TRANSACTION … READ WRITE.
func (t *transaction) saysReadWrite(text string) bool {
	words := sqlext.Words(text, t.vars.Mode)
	at := slices.Index(words, "READ")
	return at >= 0 && at+1 < len(words) && words[at+1] == "WRITE"
}

// isSetTransaction reports whether a SetStmt is SET TRANSACTION, which goes for the next
// transaction, and not SET SESSION TRANSACTION.
func (t *transaction) isSetTransaction(text string) bool {
	words := sqlext.Words(text, t.vars.Mode)
	return len(words) > 1 && words[1] == "TRANSACTION"
}

func (t *transaction) savepoint(name string) int {
	for i, have := range t.savepoints {
		if strings.EqualFold(have, name) {
			return i
		}
	}
	return -1
}

// toSavepoint drops the savepoints after one, and with RELEASE that one too.
func (t *transaction) toSavepoint(name string, keep bool) error {
	i := t.savepoint(name)
	if i < 0 {
		return result.Errorf(result.ErrNoSavepoint, "SAVEPOINT %s does not exist", name)
	}
	if keep {
		i++
	}
	t.dropFrom(i)
	return nil
}

// dropFrom forgets the savepoints from one on.
func (t *transaction) dropFrom(from int) {
	for _, name := range t.savepoints[from:] {
		t.mem.free(savepointBytes(name))
	}
	clear(t.savepoints[from:])
	t.savepoints = t.savepoints[:from]
}

func savepointBytes(name string) int64 { return int64(len(name)) + itemBytes }
