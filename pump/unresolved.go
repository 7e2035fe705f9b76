package pump

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/port"
	"pumphouse/pump/storage"
)

// Bounds of GET /unresolved.
const (
	defaultListed = 100
	maxListed     = 1000
)

// listFor is how long a list is good for: reading the payloads costs the disk, whoever asks.
const listFor = 500 * time.Millisecond

// listed is what was listed last.
type listed struct {
	mu    sync.Mutex // held while a list is made: one at a time
	at    time.Time
	list  []storage.Unresolved // the oldest first
	total int
}

// get lists at most so many transactions, those that are older than a duration.
func (l *listed) get(store *storage.Store, limit int, older time.Duration, now func() time.Time) (list []storage.Unresolved, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := now(); at.Sub(l.at) >= listFor || len(l.list) < min(limit, l.total) {
		l.list, l.total = store.ListUnresolved(limit, 0)
		l.at = at
	}
	list = l.list[:min(limit, len(l.list))]
	if i := slices.IndexFunc(list, func(u storage.Unresolved) bool { return now().Sub(u.Since) < older }); i >= 0 {
		list = list[:i]
	}
	return list, l.total
}

// forget makes the next list a new one.
func (l *listed) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.list, l.total = time.Time{}, nil, 0
}

// getUnresolved lists transactions whose outcome is not known, ?limit= of them that are
// ?older= than a duration.
func (p *Pump) getUnresolved(r *http.Request) (any, error) {
	bad := func(name, value, want string) error {
		return &port.HTTPError{Code: http.StatusBadRequest, Err: fmt.Errorf("list the unresolved transactions: %s=%q: want %s", name, value, want)}
	}
	limit, older := defaultListed, time.Duration(0)
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxListed {
			return nil, bad("limit", text, fmt.Sprintf("a number from 1 to %d", maxListed))
		}
		limit = n
	}
	if text := r.FormValue("older"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return nil, bad("older", text, "a duration such as 5s")
		}
		older = d
	}
	list, total := p.listed.get(p.store, limit, older, p.opts.Now)
	stats := p.store.Stats()
	answer := nodes.UnresolvedList{Pump: p.ID, Total: total, Waiting: stats.Waiting, Delivered: stats.MaxCommitTS,
		Transactions: make([]nodes.UnresolvedTxn, len(list))}
	now := p.opts.Now()
	for i, u := range list {
		t := nodes.UnresolvedTxn{StartTS: u.StartTS, CommitAfter: u.Floor, Since: u.Since, AgeSeconds: now.Sub(u.Since).Seconds(), Bytes: u.Size,
			Key: hex.EncodeToString(u.Key), Tables: u.Tables, Partial: u.Partial, Attempts: u.Attempts, Asked: u.Asked, TiKV: u.Said}
		if u.Err != nil {
			t.Problem = u.Err.Error()
		}
		answer.Transactions[i] = t
	}
	return nodes.Reply{Message: fmt.Sprintf("%d transactions are unresolved", total), Code: http.StatusOK, Data: answer}, nil
}

// putUnresolved resolves a transaction by an operator's word, with {commit} in the path if
// it is committed.
func (p *Pump) putUnresolved(r *http.Request) (any, error) {
	start, err := pathTSO(r, "start")
	if err != nil {
		return nil, err
	}
	var commit nodes.TSO
	outcome := "rolled back"
	if r.PathValue("commit") != "" {
		if commit, err = pathTSO(r, "commit"); err != nil {
			return nil, err
		}
		outcome = "committed at " + commit.String()
	}
	log := p.Log.WithFields(logrus.Fields{"start_ts": start, "commit_ts": commit, "addr": port.Peer(r), "by": r.Header.Get(nodes.DecidedBy)})
	d, err := p.decide(r.Context(), start, commit)
	p.listed.forget()
	if err != nil {
		log.WithError(err).Warn("an operator's decision about an unresolved transaction was not carried out")
		return nil, &port.HTTPError{Code: decisionStatus(err), Err: err}
	}
	log.Warnf("an operator has decided that an unresolved transaction is %s", outcome)
	return nodes.Reply{Message: fmt.Sprintf("the transaction with start TS %s is %s for good, by an operator's decision (TiKV: %s)", start, outcome, d.TiKV),
		Code: http.StatusOK}, nil
}

func pathTSO(r *http.Request, name string) (nodes.TSO, error) {
	ts, err := nodes.ParseTSO(r.PathValue(name))
	if err == nil && ts == 0 {
		err = errors.New("0 is not a TSO")
	}
	if err != nil {
		return 0, &port.HTTPError{Code: http.StatusBadRequest, Err: fmt.Errorf("resolve a transaction: %s TS: %w", name, err)}
	}
	return ts, nil
}

// errPDAway says that a commit TS cannot be held against PD's clock.
var errPDAway = errors.New("PD gives no time")

// decide refuses a commit TS that PD has not given, and leaves the rest to the store.
func (p *Pump) decide(ctx context.Context, start, commit nodes.TSO) (storage.Decision, error) {
	if commit != 0 {
		now, err := p.horizon.tso(ctx)
		if err != nil {
			return storage.Decision{}, fmt.Errorf("resolve the transaction with start TS %s: %w, so commit TS %s cannot be checked: %w. Bring PD back and repeat it",
				start, errPDAway, commit, err)
		}
		if commit >= now {
			return storage.Decision{}, fmt.Errorf("%w: commit TS %s (%s) is later than PD's clock (%s): PD has not given it. Check the commit TS",
				storage.ErrContradiction, commit, commit.Time().Format(time.DateTime), now.Time().Format(time.DateTime))
		}
	}
	return p.store.Decide(ctx, start, commit)
}

// decisionStatus is the HTTP status of an error of decide.
func decisionStatus(err error) int {
	switch {
	case errors.Is(err, storage.ErrNotUnresolved):
		return http.StatusNotFound
	case errors.Is(err, storage.ErrContradiction):
		return http.StatusConflict
	case errors.Is(err, errPDAway), errors.Is(err, storage.ErrClosed), errors.Is(err, storage.ErrNoSpace),
		errors.Is(err, storage.ErrNoDescriptor):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
