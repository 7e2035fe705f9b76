package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// exitTimeout bounds what the last exit may take of a node's end.
const exitTimeout = 2 * time.Second

// Exit is what a node needs to leave its last exit in PD.
type Exit struct {
	Registry *nodes.Registry
	Kind     nodes.Kind
	NodeID   string
	Problems *nodes.Problems // its secrets stay out
	Log      logrus.FieldLogger
	Now      func() time.Time
}

// Write leaves why the node ends: cause, nil if it was ordered to; then what says which order.
func (x Exit) Write(l *Life, cause error, starting bool, what string) {
	if x.NodeID == "" {
		return // nobody knows who it is: it was to have the ID of a port that it did not get
	}
	e := nodes.LastExit{Kind: nodes.ExitOrderly, Text: what, Time: x.Now(), Version: Version, Starting: starting}
	var sig *signalError
	switch {
	case errors.As(cause, &sig):
		e.Kind, e.Text = nodes.ExitSignal, sig.Error()
	case errors.Is(cause, errOrdered):
		e.Text = cause.Error()
	case cause != nil:
		p := nodes.ProblemOf(cause)
		if p.Code == nodes.ProblemPDAway && starting {
			return // it would only take time
		}
		e.Kind, e.Code, e.Text, e.Cure, e.CommitTS = nodes.ExitError, p.Code, p.Text, p.Cure, p.CommitTS
	case l.Signalled.Load():
		e.Kind = nodes.ExitSignal
	}
	ctx, cancel := context.WithTimeout(l.Hurried, exitTimeout)
	defer cancel()
	if err := x.Registry.PutExit(ctx, x.Kind, x.NodeID, e, x.Problems.Secrets()...); err != nil {
		x.Log.WithError(err).Debug("PD does not have the reason for the end")
	}
}

// Remove removes the last exit when the node has started. What remains, Health removes.
func (x Exit) Remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exitTimeout)
	defer cancel()
	if err := x.Registry.RemoveExit(ctx, x.Kind, x.NodeID); err != nil {
		x.Log.WithError(err).Debug("the reason for the last end stays in PD for now")
	}
}
