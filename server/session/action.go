package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/server/engine"
	"pumphouse/server/session/result"
	"pumphouse/sqlext"
)

// Control is what a session needs to act on live nodes: a *nodes.Control.
type Control interface {
	// Ask asks a node to pause or to go offline; nil error = it has begun.
	Ask(ctx context.Context, kind nodes.Kind, rec nodes.Record, action nodes.Action) (message string, err error)
	// Unresolved asks a pump for transactions whose outcome it does not know.
	Unresolved(ctx context.Context, rec nodes.Record, older time.Duration, limit int) (nodes.UnresolvedList, error)
	// Resolve has a pump store an operator's decision; commitTS 0 = rolled back.
	Resolve(ctx context.Context, rec nodes.Record, startTS, commitTS nodes.TSO, by string) (message string, err error)
	// HoldUp asks a node what it waits for and gives its answer as a clause.
	HoldUp(ctx context.Context, kind nodes.Kind, rec nodes.Record) string
}

// actOnNode carries out PAUSE, OFFLINE and DROP PUMP|DRAINER, and logs who did it,
// whatever came of it.
func (s *Session) actOnNode(ctx context.Context, n *sqlext.ActOnNode) error {
	kind, id := nodeKind(n.Kind), s.literal(n.NodeID)
	log := s.log.WithFields(logrus.Fields{"kind": kind.String(), "node": logged(id, maxLoggedName)})
	if err := s.mayOrder(log, n.Act.String()); err != nil {
		return err
	}
	var err error
	if n.Act == sqlext.Drop {
		err = s.dropNode(ctx, kind, id)
	} else {
		err = s.askNode(ctx, n, kind, id)
	}
	if err != nil {
		failedOrder(log, n.Act.String(), err)
		return err
	}
	log.WithField("result", "done").Infof("%s done", n.Act)
	return nil
}

// event is what the audit says of a statement of this session.
func (s *Session) event(statement string, to nodes.State, result string) audit.Event {
	return audit.Event{New: to, Source: audit.Console, Statement: statement, User: s.acc.Name, From: s.acc.Host, Result: result}
}

// dropNode removes an offline node's record.
func (s *Session) dropNode(ctx context.Context, kind nodes.Kind, id string) error {
	_, revision, err := s.opts.Cluster.Drop(ctx, kind, id, s.opts.Audit.Note(s.event("DROP", "", audit.Done)))
	if err != nil {
		return s.changeError(err)
	}
	s.wrote = max(s.wrote, revision)
	if snap, err := s.view(ctx); err == nil && kind == nodes.Pump && len(snap.Pumps) == 0 {
		s.diag.Warn("PD has no pump record any more: TiDB servers that are to write binlog do not start until a pump has")
	}
	return nil
}

// actions are what PAUSE and OFFLINE ask a node for.
var actions = map[sqlext.Act]nodes.Action{sqlext.Pause: nodes.ActPause, sqlext.Offline: nodes.ActClose}

// askNode asks a live node to pause or to go offline, and waits for it if told so.
func (s *Session) askNode(ctx context.Context, n *sqlext.ActOnNode, kind nodes.Kind, id string) error {
	wait, err := s.waitTime(n)
	if err != nil {
		return err
	}
	if s.opts.Control == nil {
		return result.Errorf(result.ErrNotSupported, "%s needs a way to the nodes, which this console was not given", n.Act)
	}
	e, err := s.opts.Cluster.Find(ctx, kind, id)
	if err != nil {
		return s.changeError(err)
	}
	action := actions[n.Act]
	if e.Record.State == action.Final() && !e.Record.Reporting(s.opts.NodeClock(), s.opts.Heartbeat) {
		return s.noteAlready(e) // it has no process that could be asked
	}
	event := s.asked(n.Act, e, action)
	_, err = s.opts.Control.Ask(ctx, kind, e.Record, action)
	var away *nodes.UnreachableError
	if errors.As(err, &away) && !away.Sent && e.Record.State == action.Final() {
		return s.noteAlready(e)
	}
	if err != nil {
		event.Result = audit.Failure(err)
	}
	s.opts.Audit.Record(ctx, event)
	switch {
	case err != nil && ctx.Err() != nil:
		return interrupted(ctx, err, "whether %s %q has accepted to %s is not known: look at its state", kind, id, doing(action))
	case err != nil:
		return err
	case !n.HasWait:
		return nil
	}
	return s.awaitState(ctx, e, action, wait)
}

// noteAlready says that a node is where it was to go.
func (s *Session) noteAlready(e nodes.Entry) error {
	s.diag.Note("%s %q is %s already", e.Kind, e.Record.NodeID, e.Record.State)
	return nil
}

// asked is the audit's event of a node that is asked now and accepts.
func (s *Session) asked(act sqlext.Act, e nodes.Entry, action nodes.Action) audit.Event {
	ev := s.event(act.String(), action.Final(), audit.Accepted)
	ev.At = s.opts.NodeClock()
	ev.Kind, ev.NodeID, ev.Host, ev.Old = e.Kind, e.Record.NodeID, e.Record.Host, e.Record.State
	return ev
}

// maxWait is the longest WAIT, in seconds: a year.
const maxWait = 365 * 24 * 60 * 60

// waitTime gives how long a statement waits.
func (s *Session) waitTime(n *sqlext.ActOnNode) (time.Duration, error) {
	if !n.HasWait {
		return 0, nil
	}
	text := s.literal(n.Wait)
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err != nil || seconds > maxWait {
		return 0, result.Errorf(result.ErrWrongArguments, "Incorrect arguments to WAIT: '%s' is not a number of seconds from 0 to %d", result.Clip(text, 80), maxWait)
	}
	return time.Duration(seconds) * time.Second, nil
}

// awaitState waits until a node that has accepted an action is where that leads to. The
// action goes on if the waiting ends before.
func (s *Session) awaitState(ctx context.Context, e nodes.Entry, action nodes.Action, wait time.Duration) error {
	kind, id := e.Kind, e.Record.NodeID
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	reached, err := s.opts.Cluster.WaitState(bounded, kind, id, action.Final())
	if err == nil {
		s.wrote = max(s.wrote, reached.ModRevision)
		return nil
	}
	var late *nodes.WaitError
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, err, "%s %q has accepted to %s and goes on", kind, id, doing(action))
	case !errors.As(err, &late):
		return s.changeError(err)
	}
	if late.Last.ModRevision != 0 {
		e = late.Last
	}
	ctx, cancel = context.WithTimeout(ctx, askAgain)
	defer cancel()
	return result.Errorf(result.ErrUnknown, "%s %q has accepted to %s and is %s after %s; %s; it goes on: SHOW %s STATUS shows how far it is",
		kind, id, doing(action), e.Record.State, wait, s.opts.Control.HoldUp(ctx, kind, e.Record), kind.Keyword())
}

// interrupted is the error of a statement whose ctx ended, with what that leaves behind.
func interrupted(ctx context.Context, err error, format string, args ...any) error {
	why := result.FromError(ctx, err)
	return &engine.Error{Code: why.Code, State: why.State, Message: why.Message + "; " + fmt.Sprintf(format, args...)}
}

// doing is an action in words.
func doing(action nodes.Action) string {
	if action == nodes.ActClose {
		return "go offline"
	}
	return "pause"
}

// askAgain bounds the question to a node that is late what it waits for.
const askAgain = 2 * time.Second
