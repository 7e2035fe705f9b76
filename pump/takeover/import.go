package takeover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/pump/oldlog"
	"pumphouse/pump/storage"
)

// state is how far an import is. It is saved with what is imported.
type state struct {
	At      oldlog.Position
	Done    bool      // all is imported
	Records uint64    // of the old log, read
	Orphan  nodes.TSO // the largest commit TS whose prewrite is not there
	Orphans uint64
	First   nodes.TSO // the smallest commit TS whose prewrite is
	Fake    nodes.TSO // the second time that the old log tells; see bound
	Fakes   uint64
	Late    uint64    // commits that cannot be delivered in order
	Torn    uint64    // bytes that a crash left
	Last    nodes.TSO // the largest TS of all
}

func parseState(note []byte) (st state, err error) {
	if note == nil {
		return st, nil
	}
	if err := json.Unmarshal(note, &st); err != nil {
		return st, fmt.Errorf("read how far the import is: %w", err)
	}
	return st, nil
}

func (st *state) save(im *storage.Import) error {
	note, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return im.Save(note)
}

const (
	saveBytes = 64 << 20 // of the old log between two Saves at most
	saveEvery = 10 * time.Second
	sayEvery  = 10 * time.Second
	// decidedAge is how old a transaction is when upstream's pump asks TiKV about it.
	decidedAge = 10 * time.Minute
)

// importLog reads the rest of the old log into the store.
func (j *job) importLog(ctx context.Context, im *storage.Import, st state) error {
	l, err := oldlog.Open(j.value)
	if err != nil {
		return cure(err)
	}
	if err := j.checkSpace(l, st.At); err != nil {
		return err
	}
	j.progress = newProgress(l.Bytes(oldlog.Position{}), l.Bytes(st.At))
	log := j.Logger.WithFields(logrus.Fields{"dir": j.value, "files": l.Files(), "bytes": j.progress.total})
	if st.At == (oldlog.Position{}) {
		log.Info("the data directory is that of an upstream pump: its binlogs are imported")
	} else {
		log.WithField("done_bytes", j.progress.done.Load()).Info("the import of an upstream pump's binlogs goes on")
	}
	if j.Begin != nil {
		defer j.Begin(j.progress)()
	}
	if err := st.save(im); err != nil { // from here on the directory is one of an import
		return err
	}
	if err := j.copy(ctx, im, l, &st); err != nil {
		return cure(err)
	}
	return j.complete(im, l, &st)
}

// cure adds to damage what to do about it.
func cure(err error) error {
	if damage := (*oldlog.DamageError)(nil); errors.As(err, &damage) {
		return fmt.Errorf("%w. Restore the file from a copy and start the pump again. Without one, start the upstream pump on this directory again, which passes over damage without a word, "+
			"let the drainers catch up, take it offline (binlogctl -cmd offline-pump), and start this one on an empty directory; nothing was changed", err)
	}
	return err
}

// batch is what the reader hands to the writer.
type batch struct {
	recs []oldlog.Record
	at   oldlog.Position // after them
	torn []oldlog.Torn
	err  error
}

// copy reads ahead while it writes.
func (j *job) copy(ctx context.Context, im *storage.Import, l *oldlog.Log, st *state) error {
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan batch)
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() { defer close(ended); read(ctx, l, st.At, batches) }()
	w := writer{im: im, st: st, log: j.Logger}
	saved, savedAt, said := j.progress.done.Load(), time.Now(), time.Now()
	for {
		var b batch
		select {
		case b = <-batches:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), st.save(im))
		}
		for _, t := range b.torn {
			st.Torn += uint64(t.To - t.From)
			j.Logger.WithFields(logrus.Fields{"file": t.File, "offset": t.From}).Warnf("%d bytes of a record that a crash cut short and nobody was told of are left out", t.To-t.From)
		}
		if b.err != nil {
			if errors.Is(b.err, io.EOF) {
				j.progress.done.Store(j.progress.total) // with the last footer
				return nil
			}
			return errors.Join(b.err, st.save(im))
		}
		if err := w.write(b.recs); err != nil {
			return err
		}
		st.At = b.at
		done := j.progress.total - l.Bytes(b.at)
		j.progress.done.Store(done)
		if now := time.Now(); done-saved >= j.saveBytes || now.Sub(savedAt) >= saveEvery {
			if err := st.save(im); err != nil {
				return err
			}
			saved, savedAt = done, now
		}
		if now := time.Now(); now.Sub(said) >= sayEvery {
			said = now
			s := j.progress.Status()
			j.Logger.WithFields(logrus.Fields{"done_bytes": s.DoneBytes, "bytes": s.TotalBytes, "eta": (time.Duration(s.ETASeconds) * time.Second).String()}).Info("importing the upstream pump's binlogs")
		}
	}
}

// read reads the old log until it ends or ctx does. When a batch is taken, the one before is not needed any more.
func read(ctx context.Context, l *oldlog.Log, from oldlog.Position, out chan<- batch) {
	r, err := l.Read(from)
	if err == nil {
		defer r.Close()
	}
	for err == nil {
		b := batch{}
		b.recs, b.err = r.Next()
		b.at, b.torn, err = r.Position(), r.Torn(), b.err
		select {
		case out <- b:
		case <-ctx.Done():
			return
		}
	}
	if r == nil {
		select {
		case out <- batch{err: err}:
		case <-ctx.Done():
		}
	}
}

// writer puts records into the store.
type writer struct {
	im   *storage.Import
	st   *state
	log  logrus.FieldLogger
	recs []storage.Record
	errs []error
}

// write stores records, and takes down what the purge position depends on.
func (w *writer) write(old []oldlog.Record) error {
	for i := range old {
		rec, fake, err := translate(old[i], &w.st.Last)
		switch {
		case err != nil:
			return err
		case fake > 0:
			if err := w.flush(); err != nil { // a time counts for what comes after it
				return err
			}
			if w.st.Fakes++; w.st.Fakes == 2 {
				w.st.Fake = fake
			}
			w.im.Advance(fake)
		case rec.Type != 0:
			w.recs = append(w.recs, rec)
		}
	}
	w.st.Records += uint64(len(old))
	return w.flush()
}

func (w *writer) flush() error {
	if len(w.recs) == 0 {
		return nil
	}
	w.errs = append(w.errs[:0], make([]error, len(w.recs))...)
	w.im.Append(w.recs, w.errs)
	for i, err := range w.errs {
		rec := w.recs[i]
		switch {
		case errors.Is(err, storage.ErrNoPrewrite):
			w.st.Orphans++
			w.st.Orphan = max(w.st.Orphan, rec.CommitTS)
		case errors.Is(err, storage.ErrLate):
			w.st.Late++
			w.log.WithFields(logrus.Fields{"start_ts": rec.StartTS, "commit_ts": rec.CommitTS}).
				Error("a commit in the upstream pump's log is not in order, so the transaction cannot be delivered: compare its rows downstream (drainer -compare)")
		case err != nil:
			return err
		case rec.Type == storage.Commit && (w.st.First == 0 || rec.CommitTS < w.st.First):
			w.st.First = rec.CommitTS
		}
	}
	clear(w.recs)
	w.recs = w.recs[:0]
	return nil
}

// translate makes a record of ours of one of upstream's: a fake binlog gives only its time, and an empty one
// nothing.
func translate(old oldlog.Record, last *nodes.TSO) (rec storage.Record, fake nodes.TSO, err error) {
	h, err := binlogpb.Peek(old.Payload)
	*last = max(*last, nodes.TSO(h.StartTS), nodes.TSO(h.CommitTS))
	switch {
	case err == nil && h.StartTS == 0 && h.CommitTS == 0:
		return rec, 0, nil
	case err == nil && h.Type == binlogpb.BinlogType_Rollback && h.StartTS == h.CommitTS:
		return rec, nodes.TSO(h.StartTS), nil
	case err == nil:
		rec, err = storage.ParseRecord(old.Payload)
	}
	if err != nil {
		return rec, 0, fmt.Errorf("the record at byte %d of file %06d.vlog has a valid checksum, but its binlog is not one that a pump takes: %w. "+
			"Start the upstream pump on this directory again, let the drainers catch up, take it offline and start this one on an empty directory; nothing was changed",
			old.At.Offset, old.At.File, err)
	}
	return rec, 0, nil
}

// complete decides what the old log leaves open, and marks the import as done.
func (j *job) complete(im *storage.Import, l *oldlog.Log, st *state) error {
	decided, err := im.Decided(j.Sorted, decidedAge)
	if err != nil {
		return err
	}
	for _, ts := range decided {
		j.Logger.WithField("start_ts", ts).Warn("this transaction has no outcome in the upstream pump's log, and the pump had delivered what came after it: TiKV had told it that the transaction was rolled back")
	}
	if upTo := st.purged(l.First()); upTo > 0 {
		im.Purge(upTo)
		j.Logger.WithField("commit_ts", upTo).Infof("binlogs up to commit TS %s (%s) count as purged: the upstream pump's garbage collection has removed some of them", upTo, upTo.Time().Format(time.RFC3339))
	}
	if err := im.Remember(); err != nil {
		return err
	}
	st.Done = true
	if err := st.save(im); err != nil {
		return err
	}
	s := im.Stats()
	j.Logger.WithFields(logrus.Fields{"records": st.Records, "commit_ts": s.LastCommitTS, "unresolved": s.Unresolved, "late": st.Late, "orphans": st.Orphans, "took": j.progress.elapsed().Round(time.Millisecond).String()}).
		Info("the upstream pump's log is imported")
	return nil
}

// purged is the commit TS up to which binlogs count as purged, when the oldest file has that number; 0: nothing
// is missing.
func (st *state) purged(oldest uint32) nodes.TSO {
	switch {
	case st.Orphan > 0 || oldest == 0:
		return st.Orphan
	case st.First > 0 && (st.Fake == 0 || st.First <= st.Fake):
		return st.First - 1
	case st.Fake > 0:
		// The pump draws the time of its second fake binlog after it has stored the first, and so after all that was
		// removed was committed.
		return st.Fake
	}
	return st.Last
}
