package nodestmt

import (
	"context"
	"sync"
	"time"

	"pumphouse/nodes"
	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

const (
	// askUnresolved bounds how long the pumps may take to list their unresolved transactions.
	askUnresolved = 3 * time.Second
	// maxUnresolved is how many are listed of each pump.
	maxUnresolved = 1000
	// askedAtOnce bounds how many pumps are asked at the same time.
	askedAtOnce = 16
)

// unresolvedRows gives binlog.unresolved: what the pumps say now. A pump that is not
// offline and gives no answer is a warning.
func (n *Nodes) unresolvedRows(ctx context.Context, _ []bool, yield func([]engine.Value) bool) error {
	if n.cfg.Control == nil {
		return nil
	}
	snap, err := n.statement(ctx)
	if err != nil {
		return err
	}
	var pumps []nodes.Record
	for i := range snap.Pumps {
		if r := snap.Pumps[i].Record; r.State != nodes.Offline {
			pumps = append(pumps, r)
		}
	}
	lists, errs := n.askForUnresolved(ctx, pumps)
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, r := range pumps {
		if errs[i] != nil {
			n.own.Diag.Warn("the transactions of pump %q (%s) are not shown: %v; start the pump, it resolves them by itself where TiKV can tell",
				r.NodeID, r.State, errs[i])
			continue
		}
		for _, t := range lists[i].Transactions {
			if !yield(n.unresolvedRow(r.NodeID, &lists[i], t)) {
				return nil
			}
		}
	}
	return nil
}

func (n *Nodes) askForUnresolved(ctx context.Context, pumps []nodes.Record) ([]nodes.UnresolvedList, []error) {
	ctx, cancel := context.WithTimeout(ctx, askUnresolved)
	defer cancel()
	lists, errs := make([]nodes.UnresolvedList, len(pumps)), make([]error, len(pumps))
	var wg sync.WaitGroup
	room := make(chan struct{}, askedAtOnce)
	for i, r := range pumps {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			lists[i], errs[i] = n.cfg.Control.Unresolved(ctx, r, 0, maxUnresolved)
		})
	}
	wg.Wait()
	return lists, errs
}

func (n *Nodes) unresolvedRow(pump string, list *nodes.UnresolvedList, t nodes.UnresolvedTxn) []engine.Value {
	said := t.TiKV
	if t.Problem != "" {
		said = t.Problem
	}
	asked := engine.Null()
	if !t.Asked.IsZero() {
		asked = wallTime(t.Asked, n.own.Vars.Location)
	}
	key := engine.Null()
	if t.Key != "" {
		key = engine.String(fit(t.KeyText(), 2048))
	}
	return []engine.Value{
		engine.String(pump), engine.Int(int64(t.StartTS)), timeOf(t.StartTS, n.own.Vars.Location), wallTime(t.Since, n.own.Vars.Location),
		seconds(t.Age().Milliseconds()), engine.Int(t.Bytes), key, result.OrNull(t.Key), result.OrNull(fit(t.TableText(), 1024)),
		engine.Int(int64(t.CommitAfter)), engine.Int(int64(list.Waiting)), engine.Int(int64(t.Attempts)), asked, result.OrNull(fit(said, 2048)),
	}
}

// fit shortens a text that is for people to the bytes of its column, and shows it.
func fit(text string, bytes int) string {
	const more = "…"
	if len(text) <= bytes {
		return text
	}
	return result.Clip(text, bytes-len(more)) + more
}
