package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pumphouse/nodes"
	"pumphouse/server/engine"
	"pumphouse/sqlext"
)

// The numbers of MySQL's error messages that the session itself gives.
const (
	errNoDB                = 1046
	errUnknownDB           = 1049
	errUnknownTable        = 1146
	errParse               = 1064
	errEmptyQuery          = 1065
	errNoSuchThread        = 1094
	errUnknown             = 1105
	errUnknownCharset      = 1115
	errNoSuchGrant         = 1141
	errUnknownSysVar       = 1193
	errWrongArguments      = 1210
	errSpecificAccess      = 1227
	errGlobalVariable      = 1229
	errWrongValue          = 1231
	errWrongType           = 1232
	errNotSupported        = 1235
	errReadOnlyVariable    = 1238
	errUnknownStatement    = 1243
	errUnknownCollation    = 1273
	errCollationCharset    = 1253
	errBadTimeZone         = 1298
	errNoSavepoint         = 1305
	errInterrupted         = 1317
	errReadOnlyTransaction = 1792
	errNoBinlog            = 1381
	errTimeout             = 3024
)

// sqlStates are the SQLSTATEs of these numbers; every other one has HY000.
var sqlStates = map[uint16]string{
	errNoDB: "3D000", errUnknownDB: "42000", errUnknownTable: "42S02", 1109: "42S02", errParse: "42000",
	errEmptyQuery: "42000", errUnknownCharset: "42000", errNoSuchGrant: "42000",
	errSpecificAccess: "42000", errWrongValue: "42000", errWrongType: "42000",
	errNotSupported: "42000", errCollationCharset: "42000", errNoSavepoint: "42000",
	errInterrupted: "70100", errReadOnlyTransaction: "25006",
}

// errf makes an error with MySQL's number; the SQLSTATE follows from it.
func errf(code uint16, format string, args ...any) *engine.Error {
	state, ok := sqlStates[code]
	if !ok {
		state = "HY000"
	}
	return &engine.Error{Code: code, State: state, Message: fmt.Sprintf(format, args...)}
}

// theConsole says what this server is where a client takes it for a database.
const theConsole = "this is the Pumphouse console of TiDB Binlog: it takes SHOW PUMP|DRAINER STATUS, " +
	"CHANGE PUMP|DRAINER TO NODE_STATE = '...' FOR NODE_ID '...', PAUSE, OFFLINE and DROP PUMP|DRAINER '...', " +
	"RESOLVE TRANSACTION (HELP 'binlog') and SELECT, and is read-only otherwise"

// notSupported is the answer to what only a database can do.
func notSupported(what string) *engine.Error {
	return errf(errNotSupported, "%s is not supported: %s", what, theConsole)
}

// denied refuses what only an admin may do, with the number that MySQL has for a missing privilege.
func (s *Session) denied(what string) *engine.Error {
	return errf(errSpecificAccess, "Access denied; %s needs the role admin, and user '%s' has the role %s: log in as an admin, "+
		"or have its role in [[users]] of the console's configuration changed", what, s.acc.Name, s.acc.Role)
}

// sqlError turns any error into one the client can be sent.
func sqlError(ctx context.Context, err error) *engine.Error {
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
		return errf(errTimeout, "Query execution was interrupted, maximum statement execution time exceeded")
	case ctx.Err() != nil:
		return errf(errInterrupted, "Query execution was interrupted")
	}
	if noPD != nil {
		return errf(errUnknown, "%s; HELP '%s' says more", err, nodes.ProblemPDAway)
	}
	return errf(errUnknown, "%s", err)
}

// parseError gives what the parser says of a text in the form in which clients get it.
func parseError(err error) *engine.Error {
	var known *sqlext.Error
	if errors.As(err, &known) {
		return &engine.Error{Code: known.Code, State: known.State, Message: known.Message}
	}
	return errf(errParse, "%s", err)
}

// unparsed is the answer to a text that cannot be parsed: what TiDB servers say and, where
// somebody tries to manage nodes, where the statements for that are.
func (s *Session) unparsed(sql string, err error) *engine.Error {
	e := parseError(err)
	if e.Code == errParse && s.opts.Compat != CompatTiDB && aboutNodes(sqlext.Words(clip(sql, maxHinted), s.mode)) {
		e.Message = strings.TrimRight(e.Message, " ") + "; for the statements on pumps and drainers see HELP 'binlog'"
	}
	return e
}

// maxHinted is how much of a text is looked at for a hint, in bytes.
const maxHinted = 4 << 10

// aboutNodes reports whether the words of a text are of somebody who tries to manage nodes.
func aboutNodes(words []string) bool {
	for i, w := range words {
		switch w {
		case "PUMP", "PUMPS", "DRAINER", "DRAINERS", "NODE_STATE", "NODE_ID":
			return true
		case "CHANGE", "PAUSE", "OFFLINE", "RESOLVE", "HELP":
			if i == 0 {
				return true
			}
		}
	}
	return false
}
