package nodestmt

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
func (n *Nodes) resolveTransaction(ctx context.Context, st *sqlext.Resolve) error {
	id := n.Literal(st.Pump)
	log := n.own.Log.WithFields(logrus.Fields{"kind": nodes.Pump.String(), "node": logged(id, maxLoggedName),
		"start_ts": logged(n.Literal(st.StartTS), maxLoggedName)})
	if err := n.mayOrder(log, "RESOLVE TRANSACTION"); err != nil {
		return err
	}
	message, err := n.decide(ctx, st, id)
	if err != nil {
		failedOrder(log, "RESOLVE TRANSACTION", err)
		return err
	}
	log.WithField("result", "done").Info("RESOLVE TRANSACTION done: " + message)
	n.own.Diag.Note("pump %q: %s", id, message)
	return nil
}

func (n *Nodes) decide(ctx context.Context, st *sqlext.Resolve, id string) (message string, err error) {
	start, err := n.tso("RESOLVE TRANSACTION", st.StartTS)
	if err != nil {
		return "", err
	}
	commit, statement := nodes.TSO(0), fmt.Sprintf("RESOLVE TRANSACTION %s ROLLBACK", start)
	if st.Commit {
		if commit, err = n.tso("COMMIT", st.CommitTS); err != nil {
			return "", err
		}
		statement = fmt.Sprintf("RESOLVE TRANSACTION %s COMMIT %s", start, commit)
	}
	if n.cfg.Control == nil {
		return "", result.Errorf(result.ErrNotSupported, "RESOLVE TRANSACTION needs a way to the nodes, which this console was not given")
	}
	e, err := n.cfg.Cluster.Find(ctx, nodes.Pump, id)
	if err != nil {
		return "", n.changeError(err)
	}
	event := n.event(statement, e.Record.State, audit.Done)
	event.At = n.cfg.NodeClock()
	event.Kind, event.NodeID, event.Host, event.Old = e.Kind, id, e.Record.Host, e.Record.State
	message, err = n.cfg.Control.Resolve(ctx, e.Record, start, commit, n.own.Account.Name+"@"+n.own.Account.Host+" (console)")
	if err != nil {
		event.Result = audit.Failure(err)
	}
	n.cfg.Audit.Record(ctx, event)
	if err != nil && ctx.Err() != nil {
		return "", interrupted(ctx, err, "whether pump %q has stored the decision is not known: SELECT * FROM binlog.unresolved shows whether the transaction is still there", id)
	}
	return message, err
}

// tso is the TSO that a literal gives to a clause.
func (n *Nodes) tso(clause string, l sqlext.Literal) (nodes.TSO, error) {
	text := n.Literal(l)
	ts, err := nodes.ParseTSO(text)
	if err == nil && ts == 0 {
		err = errors.New("0 is not a TSO")
	}
	if err != nil {
		return 0, result.Errorf(result.ErrWrongArguments, "Incorrect arguments to %s: %s. Give the number that binlog.unresolved shows", clause, result.Clip(err.Error(), 120))
	}
	return ts, nil
}
