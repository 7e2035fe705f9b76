package session

import (
	"errors"

	"pumphouse/server/engine"
	"pumphouse/server/governor"
	"pumphouse/server/session/result"
	"pumphouse/sqlext"
)

// What a session keeps between statements is taken of its share of the process (package
// governor): texts and parsed statements, variables, savepoints. What a statement
// holds until its result is sent the engine takes, and Release gives back.

// itemBytes is what an entry of a list or map takes besides its text.
const itemBytes = 128

// memory is the account of what a session keeps.
type memory struct {
	share *governor.Share
	kept  int64 // bytes
}

// keep takes n more bytes; fewer than 0 gives back.
func (m *memory) keep(n int64) error {
	if err := m.share.Take(n); err != nil {
		return err
	}
	m.kept += n
	return nil
}

// free gives n bytes back.
func (m *memory) free(n int64) {
	n = min(n, m.kept)
	m.share.Give(n)
	m.kept -= n
}

// parsedSize is what the statements of a text take, in bytes, rather too much.
func (s *Session) parsedSize(sql string) int64 {
	return int64(len(sql)) + tokenBytes*int64(sqlext.Tokens(sql, s.vars.Mode))
}

// tokenBytes is what a token becomes in a parsed and compiled statement.
const tokenBytes = 1 << 10

// Size is what the statement takes, in bytes: its text twice, as it is and in its literals.
func (p *Prepared) Size() int64 { return p.bytes + int64(len(p.SQL)) + itemBytes }

// outOfMemory is the error of a budget, which is always the client's to see.
func outOfMemory(err error) *engine.Error {
	var e *engine.Error
	if errors.As(err, &e) {
		return e
	}
	return result.Errorf(result.ErrUnknown, "%v", err)
}
