package pump

import (
	"errors"
	"fmt"
	"sync"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// maxLossesKept is how many lost transactions are known by their start TS.
const maxLossesKept = 4096

// losses counts the transactions whose commit came and that no drainer will be given. TiDB
// repeats such a commit every second for ten minutes; a transaction counts once.
type losses struct {
	mu    sync.Mutex
	known map[nodes.TSO]bool
	order []nodes.TSO // of known, oldest first from turn on
	turn  int
	count uint64
	last  string
}

// isLoss reports whether an answer of the store means that a transaction is lost.
func isLoss(err error) bool {
	return errors.Is(err, storage.ErrLate) || errors.Is(err, storage.ErrNoPrewrite)
}

// add notes a loss, and reports whether it is a new one.
func (l *losses) add(rec storage.Record, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[rec.StartTS] {
		return false
	}
	if l.known == nil {
		l.known = make(map[nodes.TSO]bool)
	}
	if len(l.order) < maxLossesKept {
		l.order = append(l.order, rec.StartTS)
	} else {
		delete(l.known, l.order[l.turn])
		l.order[l.turn] = rec.StartTS
		l.turn = (l.turn + 1) % maxLossesKept
	}
	l.known[rec.StartTS] = true
	l.count++
	l.last = fmt.Sprintf("start TS %s, commit TS %s: %v", rec.StartTS, dated(rec.CommitTS), err)
	return true
}

// text says what was lost since the pump started, for /status; "" = nothing.
func (l *losses) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.count {
	case 0:
		return ""
	case 1:
		return "1 transaction is lost since the start: " + l.last
	}
	return fmt.Sprintf("%d transactions are lost since the start, the last: %s", l.count, l.last)
}
