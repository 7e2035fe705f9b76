package server

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/server/engine"
	"pumphouse/server/governor"
	"pumphouse/server/session"
	"pumphouse/server/session/infoschema"
	"pumphouse/server/session/privilege"
	"pumphouse/server/wire"
)

// conn is one client. Its goroutine owns everything but the fields behind mu.
type conn struct {
	srv   *Server
	id    uint32
	peer  peer
	wire  *wire.Conn
	log   logrus.FieldLogger
	since time.Time // when it came

	login    *wire.Login
	account  privilege.Account
	share    *governor.Share // nil until it is logged in
	packet   int64           // bytes taken of share for the command's packet
	sess     clientSession
	charset  string                             // what the session's results go out in
	decode   *wire.Charset                      // what the client's texts come in
	emitText func(*session.Outcome, bool) error // made once, to save an allocation a command
	answered bool                               // the command's last result has been written

	stmts    map[uint32]*statement
	lastStmt uint32

	done chan struct{} // closed by end

	mu      sync.Mutex
	ended   bool // no further command is to be run
	running bool
	command string // Sleep, Query …
	info    string // the running statement
	db      string
	user    string
	changed time.Time // when command was set
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		srv: s, peer: newPeer(nc), since: time.Now(),
		wire: wire.NewConn(nc, preLoginBytes, s.opts.WriteTimeout, &s.shared),
		done: make(chan struct{}),
		user: "unauthenticated user", command: "Connect",
	}
	c.changed = c.since
	c.emitText = c.emit
	return c
}

// run is the connection's goroutine.
func (c *conn) run() {
	defer c.srv.wg.Done()
	defer c.close()
	defer c.recoverPanic()
	c.log = c.srv.opts.Logger.WithFields(logrus.Fields{"conn": c.id, "addr": c.peer.addr})
	if c.logIn() {
		c.serve()
	}
}

// recoverPanic keeps a panic from ending the process.
func (c *conn) recoverPanic() {
	r := recover()
	if r == nil {
		return
	}
	c.srv.counters.panics.Add(1)
	c.log.WithField("panic", r).WithField("stack", string(debug.Stack())).Error("a command panicked; its connection ends")
	c.wire.Abandon()
	c.wire.WriteError(errPanic())
	_ = c.wire.Flush()
}

func (c *conn) close() {
	_ = c.wire.Close()
	c.dropStatements()
	c.share.Leave()
	c.srv.forget(c)
	c.mu.Lock()
	if c.cancel != nil {
		c.cancel(nil)
	}
	if c.running {
		c.running = false
		c.srv.counters.running.Add(-1)
	}
	c.mu.Unlock()
}

// serve reads commands and runs them until the client quits or is made to.
func (c *conn) serve() {
	for c.becomeIdle() {
		c.wire.StartCommand()
		payload, err := c.wire.ReadPacket()
		if err == nil {
			err = c.takePacket(int64(len(payload)))
		}
		if err != nil {
			c.readFailed(err)
			return
		}
		if len(payload) == 0 {
			payload = []byte{0} // MySQL takes it for COM_SLEEP, an unknown command
		}
		ctx, ok := c.begin(payload)
		if !ok {
			return
		}
		goOn := c.dispatch(ctx, payload[0], payload[1:])
		if err := c.wire.Flush(); err != nil {
			c.srv.counters.abortedClients.Add(1)
			c.log.WithError(err).Debug("the client does not take its answer")
			return
		}
		c.share.Give(c.packet)
		c.packet = 0
		if !goOn {
			return
		}
	}
}

// takePacket takes bytes for the packet of a command: for itself, before memory is taken for it, and
// once more for what it is decoded to. Short ones are part of what a connection takes.
func (c *conn) takePacket(bytes int64) error {
	if bytes < shortPacket {
		return nil
	}
	if err := c.share.Take(bytes); err != nil {
		return err
	}
	c.packet += bytes
	return nil
}

const shortPacket = 4 << 10

// becomeIdle marks the connection idle and bounds how long it may be. False: it is to end.
func (c *conn) becomeIdle() bool {
	now := time.Now()
	idle := c.sess.IdleTimeout()
	if idle <= 0 {
		idle = defaultIdleTimeout
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		c.running = false
		c.srv.counters.running.Add(-1)
	}
	c.command, c.info, c.changed = "Sleep", "", now
	c.db = c.sess.DB()
	if c.ended {
		return false
	}
	return c.wire.ArmRead(now, idle) == nil
}

// begin marks the connection busy and gives the statement's context. It is made anew
// only after it has been cancelled: most statements never are.
func (c *conn) begin(payload []byte) (context.Context, bool) {
	c.srv.counters.questions.Add(1)
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, false
	}
	if c.ctx == nil || c.ctx.Err() != nil {
		c.ctx, c.cancel = context.WithCancelCause(context.Background())
	}
	c.running = true
	c.srv.counters.running.Add(1)
	c.command, c.changed = commandName(payload[0]), now
	return c.ctx, true
}

// setInfo sets the text the process list shows for the running command.
func (c *conn) setInfo(text string) {
	c.mu.Lock()
	c.info = text
	c.mu.Unlock()
}

// interrupt cancels the running statement, if there is one.
func (c *conn) interrupt(why *engine.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running && c.cancel != nil {
		c.cancel(why)
	}
}

// end cancels the running statement and ends the connection after it, or at once when
// it is idle.
func (c *conn) end(why *engine.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retireLocked()
	if c.running && c.cancel != nil {
		c.cancel(why)
		c.wire.Hurry(cutOff)
	}
}

// retire ends the connection as soon as it is idle.
func (c *conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retireLocked()
}

func (c *conn) retireLocked() {
	if !c.ended {
		c.ended = true
		close(c.done)
	}
	if !c.running {
		c.wire.Wake()
	}
}

// runsSince reports whether one command has been running since then or longer.
func (c *conn) runsSince(then time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running && c.changed.Before(then)
}

// readFailed ends the connection after a read that did not give a packet.
func (c *conn) readFailed(err error) {
	var e *engine.Error
	switch {
	case errors.As(err, &e):
		c.log.WithError(err).Info("the client broke the protocol")
		c.srv.counters.abortedClients.Add(1)
		c.wire.WriteError(e)
		if c.wire.Flush() == nil {
			c.drain()
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.log.Debug("idle for too long, or told to end")
	case errors.Is(err, io.EOF):
		c.srv.counters.abortedClients.Add(1)
	default:
		c.srv.counters.abortedClients.Add(1)
		c.log.WithError(err).Debug("the client has gone")
	}
}

// How much of what a client is still sending is taken after an error, and for how long.
const (
	drainBytes = 64 << 20
	drainTime  = time.Second
)

// drain lets a client that is sending too much see why it is disconnected.
func (c *conn) drain() {
	c.mu.Lock()
	ended := c.ended
	if !ended {
		_ = c.wire.SetDeadline(time.Now().Add(drainTime))
	}
	c.mu.Unlock()
	if !ended {
		c.wire.Drain(drainBytes)
	}
}

// process is the connection as the process list shows it.
func (c *conn) process() infoschema.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := infoschema.Process{
		ID: c.id, User: c.user, Host: c.peer.addr, DB: c.db,
		Command: c.command, Since: c.changed, Info: c.info,
	}
	if c.running {
		p.State = "executing"
	}
	return p
}
