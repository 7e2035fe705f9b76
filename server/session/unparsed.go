package session

import (
	"errors"
	"strings"

	"pumphouse/server/engine"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/result"
	"pumphouse/sqlext"
)

// parseError gives what the parser says of a text in the form in which clients get it.
func parseError(err error) *engine.Error {
	var known *sqlext.Error
	if errors.As(err, &known) {
		return &engine.Error{Code: known.Code, State: known.State, Message: known.Message}
	}
	return result.Errorf(result.ErrParse, "%s", err)
}

// unparsed is the answer to a text that cannot be parsed: what TiDB servers say and, where
// somebody tries to manage nodes, where the statements for that are.
func (s *Session) unparsed(sql string, err error) *engine.Error {
	e := parseError(err)
	if e.Code == result.ErrParse && s.opts.Compat != nodestmt.CompatTiDB && aboutNodes(sqlext.Words(result.Clip(sql, maxHinted), s.vars.Mode)) {
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
