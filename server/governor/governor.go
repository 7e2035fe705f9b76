// Package governor says how much of a process its clients may use: connections, memory, and the
// time of its processors. Package server has one governor for all clients and takes a [Share] for
// each session; sessions and the engine take from that share what they keep and what they compute.
//
// # Memory
//
// What is counted is what a client decides the size of: packets, texts and their parsed form,
// prepared statements and their long data, variables, savepoints, results until they are sent.
// Counts are estimates, rather too high. Three rules decide whether a session gets more:
//
//   - all sessions together hold no more than Limits.Memory;
//   - one session holds no more than Limits.SessionMemory;
//   - a user may hold no more than what is left for all, after a reserve of an eighth: so one user
//     holds less than half, and whoever comes next finds something, whatever the number
//     of users is. The first [base] of a session may come out of the reserve, up to three times
//     what is left: a user who has used up his share can still log in and look.
//
// Nothing waits for memory: a refusal is error 1038, which names the setting.
//
// # Connections
//
// A user has at most Limits.UserConnections of Limits.Connections (error 1226, then 1040), so
// that one does not keep out the others; [AdminConnections] more are for admins.
//
// # Processors
//
// A statement that has run for a while needs one of Limits.Running places to go on. Places
// go round between users, then between a user's sessions, every [quantum]. Short statements
// need none and find the other processors free.
package governor

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
)

// Limits are what a [Governor] holds to. The zero value of a field means the default.
type Limits struct {
	Memory          int64 // bytes that all sessions may hold; default [DefaultMemory]
	SessionMemory   int64 // bytes that one session may hold; default [DefaultSessionMemory]
	Connections     int   // of all users, default [DefaultConnections]; admins have [AdminConnections] more
	UserConnections int   // of one user; default three quarters of Connections
	Running         int   // expensive statements that run at once; default half of the processors
}

// The defaults. A session may send a packet of 16 MiB, which counts twice: as it came, and as text.
const (
	DefaultMemory        = 80 << 20
	DefaultSessionMemory = 34 << 20
	DefaultConnections   = 1024
)

// AdminConnections are the connections beyond Limits.Connections that only admins get.
const AdminConnections = 16

const (
	connectionBytes = 16 << 10  // what a connection itself takes
	base            = 256 << 10 // of a session, which may come out of the reserve
)

// Governor shares a process out. Its methods are safe for concurrent use.
type Governor struct {
	limits Limits
	turns  turns

	mu     sync.Mutex
	held   int64 // bytes
	conns  int
	most   int // conns at the highest
	byName map[string]*user
}

// user is what the sessions of one user have together. Guarded by Governor.mu.
type user struct {
	held  int64
	conns int
}

// New makes a governor.
func New(l Limits) *Governor {
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	if l.SessionMemory <= 0 {
		l.SessionMemory = DefaultSessionMemory
	}
	if l.Connections <= 0 {
		l.Connections = DefaultConnections
	}
	if l.UserConnections <= 0 {
		l.UserConnections = max(l.Connections*3/4, 1)
	}
	if l.Running <= 0 {
		l.Running = max(runtime.GOMAXPROCS(0)/2, 1)
	}
	return &Governor{limits: l, turns: turns{free: l.Running, queues: make(map[*user][]*waiter)}, byName: make(map[string]*user)}
}

// Limits are those that hold, defaults filled in.
func (g *Governor) Limits() Limits { return g.limits }

// Usage is how much is in use.
type Usage struct {
	Bytes           int64
	Connections     int
	MostConnections int // at once since the start
	Waiting         int // statements that wait for a processor
}

// Usage tells how much is in use.
func (g *Governor) Usage() Usage {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Usage{g.held, g.conns, g.most, g.turns.waiting()}
}

// Enter counts a session of a user in, or fails with an *engine.Error: 1040, 1226 or 1038.
func (g *Governor) Enter(name string, admin bool) (*Share, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.byName[name]
	if u == nil {
		u = new(user)
	}
	extra := 0
	if admin {
		extra = AdminConnections
	}
	switch {
	case g.conns >= g.limits.Connections+extra:
		return nil, fail(mysql.ER_CON_COUNT_ERROR, "08004", "Too many connections: max-connections (%d) are in use. "+
			"Close some, or raise max-connections of the console", g.limits.Connections)
	case u.conns >= g.limits.UserConnections+extra:
		return nil, fail(mysql.ER_USER_LIMIT_REACHED, "42000", "User '%.64s' has exceeded the 'max_user_connections' resource (current value: %d). "+
			"Close some of the user's connections, or raise max-user-connections of the console", name, g.limits.UserConnections)
	}
	s := &Share{g: g, user: u, name: name, admin: admin}
	if err := s.takeLocked(connectionBytes); err != nil {
		return nil, err
	}
	g.byName[name] = u
	u.conns++
	g.conns++
	g.most = max(g.most, g.conns)
	return s, nil
}

// Share is what one session has, for use by its goroutine. A nil Share has no limits.
type Share struct {
	g     *Governor
	user  *user
	name  string
	admin bool
	place

	held int64 // guarded by g.mu
	left bool
}

// Leave gives everything back. It may be called more than once; nothing is granted afterwards.
func (s *Share) Leave() {
	if s == nil {
		return
	}
	s.Yield()
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.left {
		return
	}
	s.left = true
	s.giveLocked(s.held)
	g.conns--
	if s.user.conns--; s.user.conns == 0 {
		delete(g.byName, s.name)
	}
}

// Take asks for n more bytes (fewer than 0 gives back); the error is an *engine.Error 1038.
func (s *Share) Take(n int64) error {
	if s == nil || n == 0 {
		return nil
	}
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	if n < 0 {
		s.giveLocked(-n)
		return nil
	}
	return s.takeLocked(n)
}

// Give gives n bytes back.
func (s *Share) Give(n int64) { _ = s.Take(-n) }

func (s *Share) takeLocked(n int64) error {
	g, l := s.g, s.g.limits
	has, left := s.held+n, l.Memory-g.held-n
	switch {
	case has > l.SessionMemory:
		return fail(mysql.ER_OUT_OF_SORTMEMORY, "HY001", "Out of memory: the session holds %d bytes and asks for %d more, beyond max-session-memory (%d). "+
			"Select less, close prepared statements, reset the connection, or raise max-session-memory of the console", s.held, n, l.SessionMemory)
	case left < 0, has > base && s.user.held+n > left-l.Memory/8, has <= base && !s.admin && s.user.held+n > 3*left:
		return fail(mysql.ER_OUT_OF_SORTMEMORY, "HY001", "Out of memory: user '%.64s' holds %d bytes and asks for %d more, beyond its share of max-memory (%d, of which %d are in use). "+
			"Select less, close sessions of the user, or raise max-memory of the console", s.name, s.user.held, n, l.Memory, g.held)
	}
	s.held += n
	s.user.held += n
	g.held += n
	return nil
}

func (s *Share) giveLocked(n int64) {
	n = min(n, s.held)
	s.held -= n
	s.user.held -= n
	s.g.held -= n
}

func fail(code uint16, state, format string, args ...any) *engine.Error {
	return &engine.Error{Code: code, State: state, Message: fmt.Sprintf(format, args...)}
}
