package result

import (
	"context"
	"errors"
	"fmt"

	"pumphouse/nodes"
	"pumphouse/server/engine"
)

// The numbers of MySQL's error messages that a session itself gives.
const (
	ErrNoDB                = 1046
	ErrUnknownDB           = 1049
	ErrUnknownTable        = 1146
	ErrParse               = 1064
	ErrEmptyQuery          = 1065
	ErrNoSuchThread        = 1094
	ErrUnknown             = 1105
	ErrUnknownCharset      = 1115
	ErrNoSuchGrant         = 1141
	ErrUnknownSysVar       = 1193
	ErrWrongArguments      = 1210
	ErrSpecificAccess      = 1227
	ErrGlobalVariable      = 1229
	ErrWrongValue          = 1231
	ErrWrongType           = 1232
	ErrNotSupported        = 1235
	ErrReadOnlyVariable    = 1238
	ErrUnknownStatement    = 1243
	ErrUnknownCollation    = 1273
	ErrCollationCharset    = 1253
	ErrBadTimeZone         = 1298
	ErrNoSavepoint         = 1305
	ErrInterrupted         = 1317
	ErrReadOnlyTransaction = 1792
	ErrNoBinlog            = 1381
	ErrTimeout             = 3024
)

// sqlStates are the SQLSTATEs of these numbers; every other one has HY000.
var sqlStates = map[uint16]string{
	ErrNoDB: "3D000", ErrUnknownDB: "42000", ErrUnknownTable: "42S02", 1109: "42S02", ErrParse: "42000",
	ErrEmptyQuery: "42000", ErrUnknownCharset: "42000", ErrNoSuchGrant: "42000",
	ErrSpecificAccess: "42000", ErrWrongValue: "42000", ErrWrongType: "42000",
	ErrNotSupported: "42000", ErrCollationCharset: "42000", ErrNoSavepoint: "42000",
	ErrInterrupted: "70100", ErrReadOnlyTransaction: "25006",
}

// Errorf makes an error with MySQL's number; the SQLSTATE follows from it.
func Errorf(code uint16, format string, args ...any) *engine.Error {
	state, ok := sqlStates[code]
	if !ok {
		state = "HY000"
	}
	return &engine.Error{Code: code, State: state, Message: fmt.Sprintf(format, args...)}
}

// TheConsole says what this server is where a client takes it for a database.
const TheConsole = "this is the Pumphouse console of TiDB Binlog: it takes SHOW PUMP|DRAINER STATUS, " +
	"CHANGE PUMP|DRAINER TO NODE_STATE = '...' FOR NODE_ID '...', PAUSE, OFFLINE and DROP PUMP|DRAINER '...', " +
	"RESOLVE TRANSACTION (HELP 'binlog') and SELECT, and is read-only otherwise"

// NotSupported is the answer to what only a database can do.
func NotSupported(what string) *engine.Error {
	return Errorf(ErrNotSupported, "%s is not supported: %s", what, TheConsole)
}

// FromError turns any error into one the client can be sent. ctx is the statement's.
func FromError(ctx context.Context, err error) *engine.Error {
	var known *engine.Error
	if errors.As(err, &known) {
		return known
	}
	var noPD *nodes.PDError
	switch {
	case errors.As(err, &noPD) && noPD.Unknown: // says that it may have been written
	case ctx.Err() != nil && errors.As(context.Cause(ctx), &known):
		return known // whoever ended the statement says why
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Errorf(ErrTimeout, "Query execution was interrupted, maximum statement execution time exceeded")
	case ctx.Err() != nil:
		return Errorf(ErrInterrupted, "Query execution was interrupted")
	}
	if noPD != nil {
		return Errorf(ErrUnknown, "%s; HELP '%s' says more", err, nodes.ProblemPDAway)
	}
	return Errorf(ErrUnknown, "%s", err)
}
