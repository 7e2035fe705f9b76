package pump

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// lookInPD looks at the records of drainers.
func (p *Pump) lookInPD(ctx context.Context) error {
	snap, err := p.opts.Registry.List(ctx, nodes.Drainer)
	if err == nil {
		p.lookAtRecords(snap)
	}
	return err
}

const diskCure = "check the disk and the kernel's log, then start the pump again: what was answered with success is recovered"

// lookHere notes what is wrong as far as nobody has to be asked for it.
func (p *Pump) lookHere() {
	stats := p.store.Stats()
	p.Problem(nodes.ProblemFsyncFailed, p.store.Failed(), diskCure)
	p.Problem(nodes.ProblemPDClockBack, p.horizon.setback(), "")
	p.Problem(nodes.ProblemTiKVAway, p.trouble.now(stats.Unresolved), "check that TiKV runs and that this pump reaches it; what is unresolved is decided then by itself")
	p.lookAtDisk(stats)
	p.lookAtUnresolved(stats)
	p.lookAtLosses(stats)
	p.Problems.Replace(nodes.ProblemPurged, p.purged.list()...)
}

// fullFor is how long after a write was refused for want of space the disk counts as full.
const fullFor = 2 * time.Second

func (p *Pump) lookAtDisk(stats storage.Stats) {
	if !stats.Refusing && p.opts.Now().UnixNano()-p.noSpace.Load() > int64(fullFor) {
		p.Problems.Clear(nodes.ProblemDiskFull)
		return
	}
	p.Problems.Set(nodes.Problem{Code: nodes.ProblemDiskFull,
		Text: fmt.Sprintf("new transactions are refused, TiDB's writes fail: the file system of %s has %s left of %s, and stop-write-at-available-space is %s",
			p.opts.DataDir, binarySize(stats.AvailableBytes), binarySize(stats.CapacityBytes), binarySize(p.opts.StopWriteAtAvailable)),
		Cure: "free space there, lower gc, or lower stop-write-at-available-space ([storage])"})
}

// binarySize is a number of bytes as people read it.
func binarySize(n uint64) string {
	const units = "KMGTPE"
	size, unit := float64(n), -1
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit < 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %ciB", size, units[unit])
}

func (p *Pump) lookAtUnresolved(stats storage.Stats) {
	text := nodes.Status{OldestStartTS: stats.OldestStartTS, OldestAge: stats.OldestAge, Held: stats.Waiting}.Unresolving(p.ID)
	if text == "" {
		p.Problems.Clear(nodes.ProblemUnresolved)
		return
	}
	p.Problems.Set(nodes.Problem{Code: nodes.ProblemUnresolved, Text: "replication is blocked by " + text,
		Since: p.opts.Now().Add(-stats.OldestAge)})
}

func (p *Pump) lookAtLosses(stats storage.Stats) {
	var now []nodes.Problem
	const cure = "copy the rows downstream by hand, or restore a dump and start the drainers at its commit TS"
	if text := p.losses.text(); text != "" {
		now = append(now, nodes.Problem{Key: "commits", Text: text, Cure: cure})
	}
	for i, r := range stats.LostRanges {
		if i == 3 {
			break // each is in /status, Storage.LostRanges
		}
		now = append(now, nodes.Problem{Key: r.From.String(), CommitTS: r.From, Cure: cure,
			Text: fmt.Sprintf("damage may have taken binlogs after commit TS %s up to %s", dated(r.From), dated(r.To))})
	}
	p.Problems.Replace(nodes.ProblemLost, now...)
}

// lookAtRecords notes which records in PD cannot be read, and whom a purge does not concern any more.
func (p *Pump) lookAtRecords(snap *nodes.Snapshot) {
	p.purged.keep(func(drainer string, purged nodes.TSO) bool {
		for _, e := range snap.Drainers {
			if e.Record.NodeID == drainer {
				return e.Record.State != nodes.Offline && e.Record.MaxCommitTS < purged
			}
		}
		return false
	})
	var now []nodes.Problem
	for _, b := range snap.Broken {
		if b.Kind == nodes.Drainer {
			now = append(now, nodes.Problem{Key: b.Key, Text: b.Error() + ": no binlogs are removed, because nobody knows what that drainer has consumed",
				Cure: "start that drainer, or delete the record if there is no such drainer"})
		}
	}
	p.Problems.Replace(nodes.ProblemRecordBroken, now...)
}

// purges are the drainers without which binlogs were removed.
type purges struct {
	mu  sync.Mutex
	now map[string]nodes.Problem // by node ID
}

// set notes that binlogs up to purged are gone of which a drainer has not consumed all.
func (s *purges) set(drainer string, consumed, purged nodes.TSO) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		s.now = make(map[string]nodes.Problem)
	}
	s.now[drainer] = nodes.Problem{Key: drainer, CommitTS: purged,
		Text: fmt.Sprintf("binlogs up to commit TS %s have been removed, and drainer %s has consumed up to %s", dated(purged), drainer, dated(consumed)),
		Cure: "restore a dump of the upstream taken at or after that commit TS and start the drainer with its -initial-commit-ts; give the pump more disk or a larger gc; " +
			"if the drainer is gone for good, set it to offline"}
}

// keep forgets the drainers for which keep reports false, given up to where binlogs were gone.
func (s *purges) keep(keep func(drainer string, purged nodes.TSO) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for drainer, p := range s.now {
		if !keep(drainer, p.CommitTS) {
			delete(s.now, drainer)
		}
	}
}

func (s *purges) list() []nodes.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]nodes.Problem, 0, len(s.now))
	for _, p := range s.now {
		list = append(list, p)
	}
	return list
}

// tikvTrouble is why TiKV did not answer when it was last asked about a transaction.
type tikvTrouble struct{ err atomic.Pointer[error] }

// watch gives a Resolver whose answers are noted; nil stays nil.
func (t *tikvTrouble) watch(r storage.Resolver) storage.Resolver {
	if r == nil {
		return nil
	}
	return watchedResolver{r, t}
}

// now is the trouble, which is over when nothing is to be asked.
func (t *tikvTrouble) now(unresolved int) error {
	if err := t.err.Load(); err != nil && unresolved > 0 {
		return *err
	}
	t.err.Store(nil)
	return nil
}

type watchedResolver struct {
	storage.Resolver
	trouble *tikvTrouble
}

// Resolve implements storage.Resolver.
func (w watchedResolver) Resolve(ctx context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	v, ts, err := w.Resolver.Resolve(ctx, q)
	switch {
	case err == nil:
		w.trouble.err.Store(nil)
	case !errors.Is(err, context.Canceled):
		noted := fmt.Errorf("ask TiKV about the transaction with start TS %s: %w", q.StartTS, err)
		w.trouble.err.Store(&noted)
	}
	return v, ts, err
}
