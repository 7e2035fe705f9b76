package server

import (
	"context"
	"errors"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/sirupsen/logrus"

	"pumphouse/server/engine"
	"pumphouse/server/session/privilege"
	"pumphouse/server/wire"
)

// lookForClient is how often a login that waits looks whether its client is still there.
const lookForClient = 250 * time.Millisecond

// errClientGone ends the login of a client that has hung up.
var errClientGone = errors.New("the client has gone")

// preLoginBytes is all a client may send before it is let in.
const preLoginBytes = 64 << 10

// logIn takes the client through handshake and authentication. False: it is out, and
// has been told why as far as it could be.
func (c *conn) logIn() bool {
	c.wire.SetQuota(preLoginBytes)
	c.mu.Lock()
	ended := c.ended
	if !ended {
		_ = c.wire.SetDeadline(time.Now().Add(c.srv.opts.HandshakeTimeout))
	}
	c.mu.Unlock()
	if ended {
		return false
	}
	login, err := c.wire.Handshake(wire.Greeting{
		Version: c.srv.opts.Session.Version, ConnID: c.id, Plugin: c.srv.users().defaultPlugin(), TLS: c.srv.tls,
	})
	if err == nil {
		err = c.enter(login)
	}
	if err != nil {
		c.srv.counters.abortedConnects.Add(1)
		c.refuse(login, err)
		return false
	}
	c.wire.SetQuota(-1)
	c.wire.SetReserve(c.takePacket, func(bytes int64) error { return c.share.Take(bytes) })
	c.wire.SetLimit(int(c.srv.opts.Session.MaxPacket))
	if c.wire.Flush() != nil {
		return false
	}
	c.wire.StartCompression()
	return true
}

// refuse tells a client why it does not get in, if there is a way to tell it, and the log; l is what
// the client wants to log in as, nil if it has not come that far.
func (c *conn) refuse(l *wire.Login, err error) {
	var e *engine.Error
	if !errors.As(err, &e) {
		c.log.WithError(err).Debug("a client did not finish its login")
		return
	}
	if l != nil && e.Code != mysql.ER_SERVER_SHUTDOWN {
		c.logRefusal(l.User, e, err)
	}
	c.wire.WriteError(e)
	_ = c.wire.Flush()
}

// logRefusal says who was not let in, from where and why: more than the client is told, which must not
// learn what users there are. A flood of refusals is counted, not logged.
func (c *conn) logRefusal(user string, e *engine.Error, err error) {
	ok, more := c.srv.refusals.Next(network(c.peer.ip).String(), time.Now())
	if !ok {
		return
	}
	reason := e.Message
	var r *refusal
	if errors.As(err, &r) {
		reason = r.reason
	}
	log := c.log.WithFields(logrus.Fields{"user": user[:min(len(user), maxNameShown)], "reason": reason})
	if more > 0 {
		log = log.WithField("not_logged", more)
	}
	log.Warn("login refused")
}

// refusal is the error of a login of which the log says more than the client is told.
type refusal struct {
	answer *engine.Error // for the client
	reason string        // for the log
}

func (r *refusal) Error() string { return r.reason }

// Unwrap gives what the client is told.
func (r *refusal) Unwrap() error { return r.answer }

// enter authenticates a client and gives it a session; it serves the first login and
// COM_CHANGE_USER. The OK packet is written, not flushed.
func (c *conn) enter(l *wire.Login) error {
	acc, err := c.authenticate(l)
	if err != nil {
		return err
	}
	if err := c.srv.loggedIn(c); err != nil {
		return err
	}
	// COM_CHANGE_USER: what the session before had goes back first.
	c.dropStatements()
	c.share.Leave()
	c.packet = 0
	if c.share, err = c.srv.governor.Enter(acc.Name, acc.Role == privilege.Admin); err != nil {
		return err
	}
	opts := c.srv.opts.Session
	opts.Share = c.share
	sess := c.srv.newSession(opts, c.id, acc)
	sess.SetCollation(l.Collation)
	sess.SetMultiStatements(c.wire.Capabilities()&mysql.CLIENT_MULTI_STATEMENTS != 0)
	if l.Database != "" {
		if err := sess.UseDB(context.Background(), l.Database); err != nil {
			return asClientError(context.Background(), err)
		}
	}
	c.login, c.account, c.sess = l, acc, sess
	c.useCharsets()
	c.mu.Lock()
	c.user, c.db = acc.Name, sess.DB()
	c.mu.Unlock()
	c.wire.WriteOK(wire.OK{Status: sess.Status()})
	return nil
}

// authenticate finds out whether the client is who it says. For all who are not, the
// answer and the way to it are the same.
func (c *conn) authenticate(l *wire.Login) (privilege.Account, error) {
	var none privilege.Account
	if c.srv.opts.RequireSecureTransport && !l.TLS && !c.peer.unix {
		return none, &refusal{errInsecure(), "it is not over TLS, and require-secure-transport is on"}
	}
	attempt, err := c.waitTurn(l.User)
	if err != nil {
		return none, err
	}
	ok := false
	defer func() { attempt.end(ok) }()
	acc, known := c.srv.users().find(l.User, c.peer)
	verdict, err := c.wire.Authenticate(l, acc.cred, wire.AuthOptions{Clear: c.peer.unix, Key: c.srv.rsaKey})
	if err != nil {
		return none, err
	}
	c.srv.counters.hashing.Add(int64(verdict.Rounds))
	if !verdict.OK || !known {
		c.srv.counters.denied.Add(1)
		return none, &refusal{errDenied(l.User, c.peer.host, verdict.Password), c.srv.users().denial(l.User, known, verdict.Password)}
	}
	ok = true
	version, cipher := c.wire.TLS()
	return privilege.Account{
		Name: acc.name, Host: c.peer.host, Role: acc.role,
		Secure: l.TLS, TLSVersion: version, Cipher: cipher,
	}, nil
}

// waitTurn holds a login back while there are failed ones for the same user from the same
// network.
func (c *conn) waitTurn(user string) (*attempt, error) {
	a := c.srv.throttle.begin(keyOf(user, c.peer))
	if a == nil {
		return nil, errTooManyLogins(user, c.peer.host)
	}
	if !a.waits() {
		return a, nil
	}
	c.srv.stepAside(c)
	defer c.srv.comeBack(c)
	if err := c.waitFor(a); err != nil && !a.leave() {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		_ = c.wire.SetDeadline(time.Now().Add(c.srv.opts.HandshakeTimeout))
	}
	return a, nil
}

// waitFor waits until it is the attempt's turn. It fails when that takes too long, the server
// stops, or the client has gone: many who have would keep those after them waiting.
func (c *conn) waitFor(a *attempt) error {
	limit, look := time.NewTimer(longestWait), time.NewTicker(lookForClient)
	defer limit.Stop()
	defer look.Stop()
	for {
		select {
		case <-a.turn:
			return nil
		case <-limit.C:
			return errTooManyLogins(a.key.user, c.peer.host)
		case <-c.done:
			return errShutdown()
		case <-look.C:
			if c.wire.Gone() {
				return errClientGone
			}
		}
	}
}

// changeUser carries out COM_CHANGE_USER. A client that fails is disconnected, as MySQL
// does.
func (c *conn) changeUser(payload []byte) bool {
	c.mu.Lock()
	if !c.ended {
		_ = c.wire.SetDeadline(time.Now().Add(c.srv.opts.HandshakeTimeout))
	}
	c.mu.Unlock()
	l, err := c.wire.ParseChangeUser(payload, c.login)
	if err == nil {
		err = c.enter(l)
	}
	if err != nil {
		c.refuse(l, err)
		return false
	}
	return true
}
