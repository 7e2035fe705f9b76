package storage

import (
	"fmt"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Unresolved is a prewrite whose outcome is not known.
type Unresolved struct {
	StartTS nodes.TSO
	Floor   nodes.TSO // the commit TS, if there is one, is larger
	Since   time.Time // when the prewrite was stored, or the store was opened
	Size    int64     // of the payload in bytes

	Attempts int       // questions to the resolver
	Asked    time.Time // when the last of them was asked
	Said     string    // its last answer; "" while there is none

	Key     []byte  // the primary key; nil if Err is set
	Tables  []int64 // IDs of the tables it changes, ascending; see Partial
	Partial bool    // the payload is large, and there may be more tables than those
	Err     error   // why the payload could not be read

	at   place
	size uint32
}

// ListUnresolved lists up to limit prewrites whose outcome is not known and that have
// been here for at least age, in the order of the log: while the first is
// unresolved, nothing with a commit TS above its floor is delivered. The beginning of
// each payload is read from disk, outside the store's lock. total counts all that are
// unresolved, whatever their age.
func (s *Store) ListUnresolved(limit int, age time.Duration) (list []Unresolved, total int) {
	now := time.Now()
	s.mu.Lock()
	total = len(s.matcher.unresolved)
	for p := s.matcher.oldest; p != nil && len(list) < limit && now.Sub(p.since) >= age; p = p.after {
		list = append(list, p.public())
	}
	s.mu.Unlock()
	r := newLogReader(s.opts.FS, s.opts.Dir)
	defer r.close()
	for i := range list {
		list[i].describe(r)
	}
	return list, total
}

func (p *prewrite) public() Unresolved {
	u := Unresolved{StartTS: p.startTS, Floor: p.floor, Since: p.since, Size: int64(p.size), at: p.at, size: p.size}
	if q := p.asked; q != nil {
		u.Attempts, u.Asked, u.Said = q.attempts, q.last, q.said
	}
	return u
}

// maxDescribed is how many bytes of a payload are read to describe it. The primary key
// stands at its beginning.
const maxDescribed = 64 << 10

// describe fills in what the payload says.
func (u *Unresolved) describe(r *logReader) {
	payload, whole, err := r.beginning(entry{startTS: u.StartTS, at: u.at, size: u.size}, maxDescribed)
	if err != nil {
		u.Err = fmt.Errorf("read the prewrite with start TS %s: %w", u.StartTS, err)
		return
	}
	o := binlogpb.ReadOutline(payload)
	u.Key, u.Tables, u.Partial = append([]byte(nil), o.Key...), o.Tables, !whole || o.Partial
}

// beginning is the payload of a prewrite, or its first most bytes, which no checksum
// vouches for then.
func (r *logReader) beginning(e entry, most uint32) (payload []byte, whole bool, err error) {
	if e.size <= most {
		payload, err = r.record(e, e.at.offset()+headerSize+int64(e.size))
		return payload, true, err
	}
	need := headerSize + int(most)
	b, seed, err := r.bytes(e.at.seg, e.at.offset(), need, e.at.offset()+int64(need))
	if err != nil {
		return nil, false, err
	}
	h, ok := parseHeader(b, seed, e.at.offset())
	if !ok || h.typ != Prewrite || h.startTS != e.startTS || h.size != e.size {
		return nil, false, &DamageError{File: r.path(e.at.seg), Offset: e.at.offset(), Reason: "there is no prewrite of start TS " + e.startTS.String()}
	}
	return b[headerSize:need], false, nil
}
