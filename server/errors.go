package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
	"pumphouse/server/wire"
)

// erSecureTransport has no name in go-mysql.
const erSecureTransport = 3159

func errShutdown() *engine.Error       { return wire.Fail(mysql.ER_SERVER_SHUTDOWN) }
func errInterrupted() *engine.Error    { return wire.Fail(mysql.ER_QUERY_INTERRUPTED) }
func errUnknownCommand() *engine.Error { return wire.Fail(mysql.ER_UNKNOWN_COM_ERROR) }
func errMalformed() *engine.Error      { return wire.Fail(mysql.ER_MALFORMED_PACKET) }

func errInsecure() *engine.Error {
	return &engine.Error{Code: erSecureTransport, State: "HY000",
		Message: "Connections using insecure transport are prohibited while --require_secure_transport=ON."}
}

func errPanic() *engine.Error {
	return &engine.Error{Code: mysql.ER_UNKNOWN_ERROR, State: mysql.DEFAULT_MYSQL_STATE,
		Message: "internal error: the server's log has the details; this connection is closed"}
}

func errUnknownStatement(id uint32, command string) *engine.Error {
	return &engine.Error{Code: mysql.ER_UNKNOWN_STMT_HANDLER, State: mysql.DEFAULT_MYSQL_STATE,
		Message: fmt.Sprintf("Unknown prepared statement handler (%d) given to %s", id, command)}
}

func errNoCursor(id uint32) *engine.Error {
	return wire.Fail(mysql.ER_STMT_HAS_NO_OPEN_CURSOR, id)
}

func errTooManyPrepared(limit int) *engine.Error {
	return wire.Fail(mysql.ER_MAX_PREPARED_STMT_COUNT_REACHED, limit)
}

// maxNameShown bounds what of a client's own words comes back in an error.
const maxNameShown = 80

func errDenied(user, host string, password bool) *engine.Error {
	if len(user) > maxNameShown {
		user = user[:maxNameShown]
	}
	using := "NO"
	if password {
		using = "YES"
	}
	return &engine.Error{Code: mysql.ER_ACCESS_DENIED_ERROR, State: "28000",
		Message: fmt.Sprintf("Access denied for user '%s'@'%s' (using password: %s)", user, host, using)}
}

// errTooManyLogins refuses a login unseen. It is the same whether the user exists or not.
func errTooManyLogins(user, host string) *engine.Error {
	if len(user) > maxNameShown {
		user = user[:maxNameShown]
	}
	return &engine.Error{Code: mysql.ER_USER_LIMIT_REACHED, State: "42000",
		Message: fmt.Sprintf("log in as '%s'@'%s': too many logins of this user have failed from there or wait for their turn. "+
			"Find out which program tries wrong passwords, and try again, or from another network or the Unix socket", user, host)}
}

// asClientError gives the error as the client is to see it. When the statement's
// context was ended, why it was is what counts; the statement may have added to that what
// it leaves behind.
func asClientError(ctx context.Context, err error) *engine.Error {
	var e, why *engine.Error
	known := errors.As(err, &e)
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &why) && !(known && e.Code == why.Code) {
		return why
	}
	if known {
		return e
	}
	return &engine.Error{Code: mysql.ER_UNKNOWN_ERROR, State: mysql.DEFAULT_MYSQL_STATE, Message: err.Error()}
}
