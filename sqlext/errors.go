package sqlext

import (
	perrors "github.com/pingcap/errors"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/terror"
)

// Error is why a text was refused, or a warning, as a MySQL client gets it.
type Error struct {
	Code    uint16 // MySQL's number, 1064 for every mistake in the grammar
	State   string // SQLSTATE
	Message string
}

func (e *Error) Error() string { return e.Message }

// syntaxErrorPrefix is how a TiDB server introduces what its parser says.
const syntaxErrorPrefix = "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version for the right syntax to use "

// asError gives an error of TiDB's parser the form in which a TiDB server reports it:
// what has a number of its own keeps it, everything else is a syntax error.
func asError(err error) *Error {
	if te, ok := perrors.Cause(err).(*terror.Error); ok {
		se := terror.ToSQLError(te)
		return &Error{Code: se.Code, State: se.State, Message: se.Message}
	}
	return syntaxError(err.Error())
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

func syntaxError(detail string) *Error {
	return &Error{
		Code:    mysql.ErrParse,
		State:   mysql.MySQLState[mysql.ErrParse],
		Message: syntaxErrorPrefix + detail,
	}
}
