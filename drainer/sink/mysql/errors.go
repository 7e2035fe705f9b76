package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"

	"pumphouse/drainer/sink/mysql/definition"
	"pumphouse/nodes"
)

var (
	// ErrTakenOver means: another drainer, or reparo, has begun to write with the same checkpoint, or this
	// one does twice.
	ErrTakenOver = errors.New("another process writes to this downstream with the same checkpoint: " +
		"stop one of them, or give a drainer a checkpoint schema or table of its own ([syncer.to.checkpoint])")
	// ErrAmbiguousDDL means: nobody can tell whether a statement was run before a crash.
	ErrAmbiguousDDL = errors.New("the process before ended while this statement was run, and it cannot be told whether it took effect " +
		"(the downstream user lacks the privilege PROCESS): look at the tables, run it by hand if it did not, and skip it")
)

// StatementError says that the downstream refuses a statement for a reason that does not
// pass. Its text names the ways out.
type StatementError struct {
	CommitTS  nodes.TSO
	Table     string // empty: not known
	Statement string // the beginning of it
	Err       error

	latin1  bool // a row of a table with latin1 columns, which hold more upstream
	program Program
}

func (e *StatementError) Error() string {
	of := ""
	if e.Table != "" {
		of = " of " + e.Table
	}
	return fmt.Sprintf("the downstream refuses a statement%s in the transaction with commit TS %s: %v; the statement: %s; %s", of, e.CommitTS, e.Err, e.Statement, e.cure())
}

func (e *StatementError) cure() string {
	first := ""
	switch c := code(e.Err); {
	case denied(c):
		first = "give the user of " + e.program.Name + " the right that the server asks for (docs/downstream-user.md has all); or "
	case e.latin1 && c == errWrongValue:
		first = "TiDB's latin1 holds any UTF-8: make the column utf8mb4 downstream (ALTER TABLE ... MODIFY ... CHARACTER SET utf8mb4 COLLATE utf8mb4_bin), which stays so; or "
	}
	return fmt.Sprintf("%seither correct the downstream by hand so that it takes it, or skip this transaction with ignore-txn-commit-ts = [%s] %s; then %s", first, e.CommitTS, e.program.Keys, e.program.Resume)
}

// Problem implements [nodes.Problematic].
func (e *StatementError) Problem() nodes.Problem {
	text := strings.TrimSuffix(e.Error(), "; "+e.cure())
	return nodes.Problem{Code: nodes.ProblemStatementRefused, Text: text, CommitTS: e.CommitTS, Cure: e.cure()}
}

// Unwrap gives the downstream's error.
func (e *StatementError) Unwrap() error { return e.Err }

// DivergenceError says that an UPDATE or DELETE did not find its rows downstream
// ([Options.StopAtDivergence]). Its transaction has been rolled back; those before it are downstream.
type DivergenceError struct {
	Table string // schema.table
	nodes.Divergence

	program Program
}

func newDivergenceError(t nodes.TableDivergences, p Program) *DivergenceError {
	return &DivergenceError{Table: t.Table, Divergence: t.First, program: p}
}

func (e *DivergenceError) Error() string {
	return fmt.Sprintf("the downstream differs from the upstream in %s: %s; the transaction is rolled back, as on-divergence = \"stop\" says; "+
		"make the row downstream as it was upstream before this transaction, or leave the transaction out with ignore-txn-commit-ts = [%s], "+
		"or set on-divergence = \"warn\" %s, which applies what finds its rows; then %s",
		e.Table, e.Divergence, e.CommitTS, e.program.Keys, e.program.Resume)
}

// Problem implements [nodes.Problematic].
func (e *DivergenceError) Problem() nodes.Problem {
	return nodes.Problem{Code: nodes.ProblemDivergence, CommitTS: e.CommitTS}
}

// Problem implements [nodes.Problematic].
func (e *DefinitionError) Problem() nodes.Problem {
	return nodes.Problem{Code: nodes.ProblemDivergence, CommitTS: e.CommitTS}
}

// DefinitionError says that a statement of DDL has been run, and that its tables are not downstream as
// they are upstream. Its text names the differences, both definitions and the ways out.
type DefinitionError struct {
	CommitTS  nodes.TSO
	Statement string // the beginning of it
	Tables    []TableDifference

	rows    bool // the transaction has rows after it
	program Program
}

// TableDifference is a table that is not as it should be.
type TableDifference struct {
	Table                string
	Differences          []definition.Difference
	Upstream, Downstream string // the definitions, in one line each
}

func (e *DefinitionError) Error() string {
	var b strings.Builder
	for _, t := range e.Tables {
		fmt.Fprintf(&b, "; %s: %s; upstream: %s; downstream: %s", t.Table, strings.Join(phrases(t.Differences), "; "), t.Upstream, t.Downstream)
	}
	accept := fmt.Sprintf("accept those of this statement with ignore-txn-commit-ts = [%s], or ", e.CommitTS)
	if e.rows {
		accept = "" // it would leave the rows out, too
	}
	return fmt.Sprintf("after a statement with commit TS %s the downstream's definitions differ from the upstream's%s; the statement, which has been run: %s; "+
		"alter the downstream by hand so that it is as the upstream and %s, which looks again and does not run the statement a second time; "+
		"if the differences do not matter, %shave all of them only logged with ddl-check = \"warn\" %s",
		e.CommitTS, b.String(), e.Statement, e.program.Resume, accept, e.program.Keys)
}

// known gives an error, which may be nil, the problem that it is. at names the downstream.
func known(err error, at Server) error {
	if err == nil {
		return nil
	}
	where := "of " + at.addr()
	switch c := code(err); {
	case errors.Is(err, ErrTakenOver):
		return nodes.WithProblem(err, nodes.ProblemTakeover, "")
	case errors.Is(err, ErrAmbiguousDDL):
		return nodes.WithProblem(err, nodes.ProblemStatementRefused, "")
	case c == errOptionPrevents || c == errReadOnlyTransaction || c == errReadOnlyMode:
		return nodes.WithProblem(err, nodes.ProblemDownstreamReadOnly, "let the server "+where+" take writes (SET GLOBAL read_only = OFF), or point the drainer to the one that does")
	case c == errLockWait || c == errDeadlock:
		return nodes.WithProblem(err, nodes.ProblemDownstreamSlow, "look for what else writes to the server "+where+" (SHOW PROCESSLIST)")
	case c == 1045 || denied(c):
		return nodes.WithProblem(err, nodes.ProblemDownstreamDown, "check the user and password of [syncer.to], and its privileges on the server "+where)
	case transient(err):
		return nodes.WithProblem(err, nodes.ProblemDownstreamDown, "check that the server "+where+" runs and that this machine reaches it; what is in flight is retried")
	}
	return err
}

// denied reports whether a server's error says that the user lacks a right.
func denied(code uint16) bool { return code == 1044 || code == 1142 || code == 1227 }

// shownBytes is how much of a statement is in errors and logs.
const shownBytes = 512

func shorten(statement []byte) string {
	if len(statement) <= shownBytes {
		return string(statement)
	}
	return fmt.Sprintf("%s… (%d bytes)", statement[:shownBytes], len(statement))
}

// code is a server's error number, 0 when the error is none of a server.
func code(err error) uint16 {
	var e *mysqldriver.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// Error numbers of MySQL, MariaDB and TiDB.
const (
	errDupEntry        = 1062
	errNotNull         = 1048
	errLockWait        = 1205
	errDeadlock        = 1213
	errUnknownTable    = 1146
	errUnknownZone     = 1298
	errUnknownColumn   = 1054
	errUnknownDatabase = 1049
	errWrongValue      = 1366 // of a column: also text that its character set does not have

	errOptionPrevents      = 1290 // read_only, super_read_only
	errReadOnlyTransaction = 1792
	errReadOnlyMode        = 1836
)

// transient reports whether an error is about the moment, not about the statement.
func transient(err error) bool {
	switch code(err) {
	case 0:
		return lost(err)
	case errLockWait, errDeadlock,
		1040,       // too many connections
		1043, 1045, // handshake; access denied: also while a server starts or its users are restored
		1053,                   // server shutdown in progress
		1105,                   // TiDB: mostly of its storage
		1158, 1159, 1160, 1161, // network
		1189, 1218, // network
		1020,       // MariaDB: record has changed since the snapshot
		1203, 1226, // user's connections or resources
		1290, 1792, 1836, // read-only: a fail-over
		1317, 1927, 3024, // killed
		1412, // table definition has changed
		2006, 2013,
		8002, 8022, 8027, 8028, // TiDB: conflicts with DDL and other transactions
		9001, 9002, 9003, 9004, 9005, 9006, 9007, 9010, 9012, 9013: // TiDB: PD, TiKV
		return true
	}
	return false
}

// lost reports whether an error is that of a connection that has gone, so that nobody knows
// what the statement did.
func lost(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysqldriver.ErrInvalidConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, mysqldriver.ErrMalformPkt) || errors.Is(err, mysqldriver.ErrPktSync) || errors.Is(err, mysqldriver.ErrBusyBuffer)
}
