package storage

import (
	"errors"
	"hash/crc32"
	"io"
)

// scanWindow is how much of a segment the scanner holds in memory.
const scanWindow = 1 << 20

// scanner reads a segment's records. It trusts nothing: a record is one only if
// both its checksums are right for the place where it stands.
type scanner struct {
	f     io.ReaderAt
	seed  uint32
	limit int64 // bytes of the file to look at

	buf  []byte
	base int64 // where in the file buf begins
}

func newScanner(f io.ReaderAt, seed uint32, limit int64) *scanner {
	return &scanner{f: f, seed: seed, limit: limit}
}

// window is the bytes from at on: n of them, or fewer at the end, or more. n is at
// most scanWindow. They are valid until the next call.
func (s *scanner) window(at int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.limit-at))
	if n <= 0 {
		return nil, nil
	}
	if at >= s.base && at+int64(n) <= s.base+int64(len(s.buf)) {
		return s.buf[at-s.base:], nil
	}
	size := int(min(scanWindow, s.limit-at))
	if cap(s.buf) < size {
		s.buf = make([]byte, size)
	}
	s.buf, s.base = s.buf[:size], at
	if got, err := s.f.ReadAt(s.buf, at); err != nil {
		s.buf = s.buf[:got]
		if !errors.Is(err, io.EOF) {
			s.buf = nil
			return nil, err
		}
	}
	return s.buf, nil
}

// record reads and checks the record at a place; ok is false when there is none. The
// error is the disk's.
func (s *scanner) record(at int64) (h header, ok bool, err error) {
	b, err := s.window(at, headerSize)
	if err != nil {
		return h, false, err
	}
	h, ok = parseHeader(b, s.seed, at)
	if !ok || at+h.footprint() > s.limit {
		return h, false, nil
	}
	if h.typ == void {
		return h, true, nil
	}
	crc := uint32(0)
	for done := 0; done < int(h.size); {
		part := min(int(h.size)-done, scanWindow)
		b, err := s.window(at+headerSize+int64(done), part)
		if err != nil {
			return h, false, err
		}
		if len(b) < part {
			return h, false, nil
		}
		crc = crc32.Update(crc, castagnoli, b[:part])
		done += part
	}
	return h, crc == h.payloadCRC, nil
}

// run calls fn for each record from at on, and returns where the first byte is that
// belongs to none.
func (s *scanner) run(at int64, fn func(at int64, h header)) (end int64, err error) {
	for at < s.limit {
		h, ok, err := s.record(at)
		if err != nil {
			return at, err
		}
		if !ok {
			break
		}
		fn(at, h)
		at += h.footprint()
	}
	return at, nil
}

// find looks for the next record at or after a place that does not belong to one,
// for which want is true; -1: there is none.
func (s *scanner) find(at int64, want func(at int64, h header) bool) (int64, error) {
	for ; at+headerSize <= s.limit; at += align {
		b, err := s.window(at, headerSize)
		if err != nil {
			return -1, err
		}
		if len(b) < headerSize {
			break
		}
		if b[4] == 0 { // no type: most of what there is to skip
			continue
		}
		if _, ok := parseHeader(b, s.seed, at); !ok {
			continue
		}
		h, ok, err := s.record(at)
		if err != nil {
			return -1, err
		}
		if ok && want(at, h) {
			return at, nil
		}
	}
	return -1, nil
}

// lastByte is where the last byte that is not 0 at or after a place ends; at itself
// when there is none.
func (s *scanner) lastByte(at int64) (int64, error) {
	end := at
	for at < s.limit {
		b, err := s.window(at, int(min(scanWindow, s.limit-at)))
		if err != nil || len(b) == 0 {
			return end, err
		}
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				end = at + int64(i) + 1
				break
			}
		}
		at += int64(len(b))
	}
	return end, nil
}
