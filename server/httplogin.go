package server

import (
	"context"
	"net"
	"time"
)

// CheckLogin checks a user's name and password for the page, under the rules of logins: where the
// user may come from, and the pauses after failures. An error is that of too many logins, or ctx's.
func (s *Server) CheckLogin(ctx context.Context, user, password string, from net.Addr) (ok bool, err error) {
	where := peerAt(from)
	a := s.throttle.begin(keyOf(user, where))
	if a == nil {
		return false, errTooManyLogins(user, where.host)
	}
	wait := time.NewTimer(longestWait)
	defer wait.Stop()
	select {
	case <-a.turn:
	case <-wait.C:
		if !a.leave() {
			return false, errTooManyLogins(user, where.host)
		}
	case <-ctx.Done():
		if !a.leave() {
			return false, ctx.Err()
		}
	}
	defer func() { a.end(ok) }()
	acc, known := s.users().find(user, where)
	right, rounds := acc.cred.CheckPassword(password)
	s.counters.hashing.Add(int64(rounds))
	ok = right && known
	if !ok {
		s.counters.denied.Add(1)
		s.opts.Logger.WithField("user", user[:min(len(user), maxNameShown)]).WithField("addr", where.addr).Warn("access to the page denied")
	}
	return ok, nil
}
