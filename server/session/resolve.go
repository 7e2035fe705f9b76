package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/server/session/result"
	"pumphouse/sqlext"
)

// resolveTransaction carries out RESOLVE TRANSACTION: the pump stores an operator's decision about a
// transaction whose outcome it does not know. It logs who decided, whatever came of it.
func (s *Session) resolveTransaction(ctx context.Context, n *sqlext.Resolve) error {
	id := s.literal(n.Pump)
	log := s.log.WithFields(logrus.Fields{"kind": nodes.Pump.String(), "node": logged(id, maxLoggedName),
		"start_ts": logged(s.literal(n.StartTS), maxLoggedName)})
	if err := s.mayOrder(log, "RESOLVE TRANSACTION"); err != nil {
		return err
	}
	message, err := s.decide(ctx, n, id)
	if err != nil {
		failedOrder(log, "RESOLVE TRANSACTION", err)
		return err
	}
	log.WithField("result", "done").Info("RESOLVE TRANSACTION done: " + message)
	s.diag.Note("pump %q: %s", id, message)
	return nil
}

func (s *Session) decide(ctx context.Context, n *sqlext.Resolve, id string) (message string, err error) {
	start, err := s.tso("RESOLVE TRANSACTION", n.StartTS)
	if err != nil {
		return "", err
	}
	commit, statement := nodes.TSO(0), fmt.Sprintf("RESOLVE TRANSACTION %s ROLLBACK", start)
	if n.Commit {
		if commit, err = s.tso("COMMIT", n.CommitTS); err != nil {
			return "", err
		}
		statement = fmt.Sprintf("RESOLVE TRANSACTION %s COMMIT %s", start, commit)
	}
	if s.opts.Control == nil {
		return "", result.Errorf(result.ErrNotSupported, "RESOLVE TRANSACTION needs a way to the nodes, which this console was not given")
	}
	e, err := s.opts.Cluster.Find(ctx, nodes.Pump, id)
	if err != nil {
		return "", s.changeError(err)
	}
	event := s.event(statement, e.Record.State, audit.Done)
	event.At = s.opts.NodeClock()
	event.Kind, event.NodeID, event.Host, event.Old = e.Kind, id, e.Record.Host, e.Record.State
	message, err = s.opts.Control.Resolve(ctx, e.Record, start, commit, s.acc.Name+"@"+s.acc.Host+" (console)")
	if err != nil {
		event.Result = audit.Failure(err)
	}
	s.opts.Audit.Record(ctx, event)
	if err != nil && ctx.Err() != nil {
		return "", interrupted(ctx, err, "whether pump %q has stored the decision is not known: SELECT * FROM binlog.unresolved shows whether the transaction is still there", id)
	}
	return message, err
}

// tso is the TSO that a literal gives to a clause.
func (s *Session) tso(clause string, l sqlext.Literal) (nodes.TSO, error) {
	text := s.literal(l)
	ts, err := nodes.ParseTSO(text)
	if err == nil && ts == 0 {
		err = errors.New("0 is not a TSO")
	}
	if err != nil {
		return 0, result.Errorf(result.ErrWrongArguments, "Incorrect arguments to %s: %s. Give the number that binlog.unresolved shows", clause, result.Clip(err.Error(), 120))
	}
	return ts, nil
}
