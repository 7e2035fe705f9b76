package nodestmt

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

// actOnNode carries out PAUSE, OFFLINE and DROP PUMP|DRAINER, and logs who did it,
// whatever came of it.
func (n *Nodes) actOnNode(ctx context.Context, st *sqlext.ActOnNode) error {
	kind, id := nodeKind(st.Kind), n.Literal(st.NodeID)
	log := n.own.Log.WithFields(logrus.Fields{"kind": kind.String(), "node": logged(id, maxLoggedName)})
	if err := n.mayOrder(log, st.Act.String()); err != nil {
		return err
	}
	var err error
	if st.Act == sqlext.Drop {
		err = n.dropNode(ctx, kind, id)
	} else {
		err = n.askNode(ctx, st, kind, id)
	}
	if err != nil {
		failedOrder(log, st.Act.String(), err)
		return err
	}
	log.WithField("result", "done").Infof("%s done", st.Act)
	return nil
}

// event is what the audit says of a statement of this session.
func (n *Nodes) event(statement string, to nodes.State, result string) audit.Event {
	return audit.Event{New: to, Source: audit.Console, Statement: statement, User: n.own.Account.Name, From: n.own.Account.Host, Result: result}
}

// dropNode removes an offline node's record.
func (n *Nodes) dropNode(ctx context.Context, kind nodes.Kind, id string) error {
	_, revision, err := n.cfg.Cluster.Drop(ctx, kind, id, n.cfg.Audit.Note(n.event("DROP", "", audit.Done)))
	if err != nil {
		return n.changeError(err)
	}
	n.Wrote = max(n.Wrote, revision)
	if snap, err := n.read(ctx); err == nil && kind == nodes.Pump && len(snap.Pumps) == 0 {
		n.own.Diag.Warn("PD has no pump record any more: TiDB servers that are to write binlog do not start until a pump has")
	}
	return nil
}

// actions are what PAUSE and OFFLINE ask a node for.
var actions = map[sqlext.Act]nodes.Action{sqlext.Pause: nodes.ActPause, sqlext.Offline: nodes.ActClose}

// askNode asks a live node to pause or to go offline, and waits for it if told so.
func (n *Nodes) askNode(ctx context.Context, st *sqlext.ActOnNode, kind nodes.Kind, id string) error {
	wait, err := n.waitTime(st)
	if err != nil {
		return err
	}
	if n.cfg.Control == nil {
		return result.Errorf(result.ErrNotSupported, "%s needs a way to the nodes, which this console was not given", st.Act)
	}
	e, err := n.cfg.Cluster.Find(ctx, kind, id)
	if err != nil {
		return n.changeError(err)
	}
	action := actions[st.Act]
	if e.Record.State == action.Final() && !e.Record.Reporting(n.cfg.NodeClock(), n.cfg.Heartbeat) {
		return n.noteAlready(e) // it has no process that could be asked
	}
	event := n.asked(st.Act, e, action)
	_, err = n.cfg.Control.Ask(ctx, kind, e.Record, action)
	var away *nodes.UnreachableError
	if errors.As(err, &away) && !away.Sent && e.Record.State == action.Final() {
		return n.noteAlready(e)
	}
	if err != nil {
		event.Result = audit.Failure(err)
	}
	n.cfg.Audit.Record(ctx, event)
	switch {
	case err != nil && ctx.Err() != nil:
		return interrupted(ctx, err, "whether %s %q has accepted to %s is not known: look at its state", kind, id, doing(action))
	case err != nil:
		return err
	case !st.HasWait:
		return nil
	}
	return n.awaitState(ctx, e, action, wait)
}

// noteAlready says that a node is where it was to go.
func (n *Nodes) noteAlready(e nodes.Entry) error {
	n.own.Diag.Note("%s %q is %s already", e.Kind, e.Record.NodeID, e.Record.State)
	return nil
}

// asked is the audit's event of a node that is asked now and accepts.
func (n *Nodes) asked(act sqlext.Act, e nodes.Entry, action nodes.Action) audit.Event {
	ev := n.event(act.String(), action.Final(), audit.Accepted)
	ev.At = n.cfg.NodeClock()
	ev.Kind, ev.NodeID, ev.Host, ev.Old = e.Kind, e.Record.NodeID, e.Record.Host, e.Record.State
	return ev
}

// maxWait is the longest WAIT, in seconds: a year.
const maxWait = 365 * 24 * 60 * 60

// waitTime gives how long a statement waits.
func (n *Nodes) waitTime(st *sqlext.ActOnNode) (time.Duration, error) {
	if !st.HasWait {
		return 0, nil
	}
	text := n.Literal(st.Wait)
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err != nil || seconds > maxWait {
		return 0, result.Errorf(result.ErrWrongArguments, "Incorrect arguments to WAIT: '%s' is not a number of seconds from 0 to %d", result.Clip(text, 80), maxWait)
	}
	return time.Duration(seconds) * time.Second, nil
}

// awaitState waits until a node that has accepted an action is where that leads to. The
// action goes on if the waiting ends before.
func (n *Nodes) awaitState(ctx context.Context, e nodes.Entry, action nodes.Action, wait time.Duration) error {
	kind, id := e.Kind, e.Record.NodeID
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	reached, err := n.cfg.Cluster.WaitState(bounded, kind, id, action.Final())
	if err == nil {
		n.Wrote = max(n.Wrote, reached.ModRevision)
		return nil
	}
	var late *nodes.WaitError
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, err, "%s %q has accepted to %s and goes on", kind, id, doing(action))
	case !errors.As(err, &late):
		return n.changeError(err)
	}
	if late.Last.ModRevision != 0 {
		e = late.Last
	}
	ctx, cancel = context.WithTimeout(ctx, askAgain)
	defer cancel()
	return result.Errorf(result.ErrUnknown, "%s %q has accepted to %s and is %s after %s; %s; it goes on: SHOW %s STATUS shows how far it is",
		kind, id, doing(action), e.Record.State, wait, n.cfg.Control.HoldUp(ctx, kind, e.Record), kind.Keyword())
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
