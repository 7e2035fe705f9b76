package sqlext

import (
	"errors"
	"fmt"
	"strings"

	perrors "github.com/pingcap/errors"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/terror"
)

// ErrTooComplex is found with errors.Is in the error of a text that is over a limit:
// [MaxStatementTokens] or [MaxTextTokens].
var ErrTooComplex = errors.New("too many words and signs")

// Error is why a text was refused, or a warning, as a MySQL client gets it.
type Error struct {
	Code    uint16 // MySQL's number, 1064 for every mistake in the grammar
	State   string // SQLSTATE
	Message string

	cause error
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives what lies behind the error: the error of TiDB's parser, or
// [ErrTooComplex].
func (e *Error) Unwrap() error { return e.cause }

// syntaxErrorPrefix is how a TiDB server introduces what its parser says.
const syntaxErrorPrefix = "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version for the right syntax to use "

// asError gives an error of TiDB's parser the form in which a TiDB server reports it:
// what has a number of its own keeps it, everything else is a syntax error.
func asError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var te *terror.Error
	if errors.As(perrors.Cause(err), &te) {
		se := terror.ToSQLError(te)
		return &Error{Code: se.Code, State: se.State, Message: se.Message, cause: err}
	}
	e := coded(mysql.ErrParse, syntaxErrorPrefix+err.Error())
	e.cause = err
	return e
}

func asErrors(errs []error) []error {
	if len(errs) == 0 {
		return nil
	}
	out := make([]error, len(errs))
	for i, err := range errs {
		out[i] = asError(err)
	}
	return out
}

// tooComplex says that there are more than limit tokens in what.
func tooComplex(what string, limit int) *Error {
	e := coded(mysql.ErrStackOverrunNeedMore, fmt.Sprintf("The %s has more than %d words and signs: split it up", what, limit))
	e.cause = ErrTooComplex
	return e
}

// maxDecimalDigits is how many digits a decimal literal may always have. The literals of
// TiDB's parser hold nine groups of nine digits, counted from the point to both sides,
// and panic where TiDB's own report an overflow.
const maxDecimalDigits = 73

// panicked gives the error for a text at which TiDB's parser panicked.
func panicked(text string, mode mysql.SQLMode, cause any) *Error {
	l := newLexer(text, mode)
	from, end := 0, 0 // a number so far, its parts side by side
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		if t.start != end {
			from = t.start
		}
		if end = t.end; strings.Trim(text[from:end], "0123456789.") != "" {
			from = end
		}
		if end-from > maxDecimalDigits {
			return coded(mysql.ErrIllegalValueForType,
				fmt.Sprintf("Illegal decimal '%s...' value found during parsing", text[from:from+maxDecimalDigits]))
		}
	}
	return coded(mysql.ErrUnknown, fmt.Sprintf("TiDB's parser failed: %v", cause))
}

// coded makes an error with MySQL's number; the SQLSTATE follows from it.
func coded(code uint16, message string) *Error {
	state, ok := mysql.MySQLState[code]
	if !ok {
		state = mysql.DefaultMySQLState
	}
	return &Error{Code: code, State: state, Message: message}
}
