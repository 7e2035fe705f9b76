package storage

import (
	"context"
	"errors"
	"fmt"
)

// Append stores a record and returns when it is durable (with SyncLog; without, when
// the operating system has it). On an error the record is not stored, or, with
// [ErrFailed], may turn out to be stored when the store is opened again.
//
// A Commit whose transaction can no longer be delivered is an error: [ErrLate] or
// [ErrNoPrewrite]. A Commit or Rollback that comes again is none, nor is a Rollback of
// a transaction the store does not know. A Rollback that comes late is not stored: see [Store.doubts]. Append does not keep rec.Payload, but the caller
// must not change it before Append returns; ctx is looked at only before the record is
// on its way.
func (s *Store) Append(ctx context.Context, rec Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var errs [1]error
	s.AppendAll([]Record{rec}, errs[:])
	return errs[0]
}

// AppendAll stores records as [Store.Append] does, in their order, and waits once for all. It
// sets the error of each; a record whose error is set already is left out.
func (s *Store) AppendAll(recs []Record, errs []error) {
	g := s.queue.group()
	defer s.queue.put(g)
	for i, rec := range recs {
		if errs[i] != nil {
			continue
		}
		if errs[i] = rec.check(); errs[i] != nil {
			continue
		}
		switch rec.Type {
		case Prewrite:
			errs[i] = s.Admit()
		case Rollback:
			if s.doubts(rec.StartTS) {
				errs[i] = errDoubted
			}
		}
		if errs[i] != nil {
			continue
		}
		if rec.Type != Prewrite {
			rec.Payload = nil
		}
		g.add(rec, 0)
	}
	defer func() {
		for i := range errs {
			if errors.Is(errs[i], errDoubted) {
				errs[i] = nil
			}
		}
	}()
	if len(g.requests) == 0 {
		return
	}
	refused := s.submit(g)
	if refused == nil {
		s.answer(g.requests)
	}
	stored := g.requests
	for i := range recs {
		if errs[i] == nil {
			errs[i] = refused
			if refused == nil {
				errs[i] = stored[0].err
			}
			stored = stored[1:]
		}
	}
}

// Admit reports whether a new transaction may be stored now: nil, [ErrNoSpace] with the
// figures, or [ErrFailed].
func (s *Store) Admit() error {
	if err := s.Failed(); err != nil {
		return err
	}
	if s.space.sort.Load() {
		return fmt.Errorf("%w: %d bytes are available, which is too little to put what is stored in order", ErrNoSpace, s.space.available.Load())
	}
	if s.space.refusing.Load() {
		return fmt.Errorf("%w: the file system of %s has %d bytes left, writes stop below %d",
			ErrNoSpace, s.opts.Dir, s.space.available.Load(), s.opts.StopWriteAtAvailable)
	}
	return nil
}

// append stores what the store itself has to say.
func (s *Store) append(rec Record, flags uint8) error {
	g := s.queue.group()
	defer s.queue.put(g)
	g.add(rec, flags)
	if err := s.submit(g); err != nil {
		return err
	}
	s.answer(g.requests)
	return g.requests[0].err
}

func (s *Store) submit(g *group) error {
	if err := s.Failed(); err != nil {
		return err
	}
	return s.queue.submit(g, s.writeBatch)
}
