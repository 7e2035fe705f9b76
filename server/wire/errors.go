package wire

import (
	"errors"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
)

// Errors that end a connection without an answer of their own. Others are
// [*engine.Error] values, which [Conn.WriteError] can tell the client.
var (
	// ErrQuota says that the client sent more bytes than [Conn.SetQuota] allowed.
	ErrQuota = errors.New("more bytes than a client may send before it has logged in")
	// ErrAuthAborted says that the client went away or sent nonsense in the middle of
	// an authentication exchange.
	ErrAuthAborted = errors.New("the client broke off the authentication")
)

// Fail makes the error MySQL gives that number, with MySQL's SQLSTATE and wording;
// args fill the wording's verbs.
func Fail(code uint16, args ...any) *engine.Error {
	state, ok := mysql.MySQLState[code]
	if !ok {
		state = mysql.DEFAULT_MYSQL_STATE
	}
	message := mysql.MySQLErrName[code]
	if len(args) > 0 {
		message = fmt.Sprintf(message, args...)
	}
	return &engine.Error{Code: code, State: state, Message: message}
}

func errTooLarge() error   { return Fail(mysql.ER_NET_PACKET_TOO_LARGE) }
func errOutOfOrder() error { return Fail(mysql.ER_NET_PACKETS_OUT_OF_ORDER) }
func errHandshake() error  { return Fail(mysql.ER_HANDSHAKE_ERROR) }
func errMalformed() error  { return Fail(mysql.ER_MALFORMED_PACKET) }

// errOldClient is for clients that cannot take part in the authentication at all.
func errOldClient() error { return Fail(mysql.ER_NOT_SUPPORTED_AUTH_MODE) }

func errArguments() error {
	return Fail(mysql.ER_WRONG_ARGUMENTS, "mysqld_stmt_execute")
}
