package oldlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// page is what a file system reads as zeros after a power failure if it was not written in time.
const page = 4096

// pass passes over what a crash has cut short where a record should begin. Anything else is damage.
func (r *Reader) pass(f *file) error {
	next, err := r.find(f, r.at+1)
	if err != nil {
		return err
	}
	reason, err := r.damage(f, r.at, next)
	if err != nil {
		return err
	}
	if reason != "" {
		return &DamageError{File: f.path, Offset: r.at, Reason: reason}
	}
	r.torn = append(r.torn, Torn{File: f.path, From: r.at, To: next})
	r.at = next
	return nil
}

// damage says what is wrong with the bytes from at up to next, which hold no whole record; "" if a
// crash explains them.
func (r *Reader) damage(f *file, at, next int64) (reason string, err error) {
	head := make([]byte, min(headerSize, next-at))
	if err := r.readAt(f, head, at); err != nil {
		return "", err
	}
	// After a power failure zeros may follow what was written, where nothing was appended since.
	newest := !f.finished && next == f.end() && f.no == r.log.files[len(r.log.files)-1].no
	begins := bytes.HasPrefix(head, magicBytes()[:min(4, len(head))])
	size := recordSize(head)
	switch {
	case begins && len(head) < headerSize:
		return "", nil
	case size < 0:
		if newest {
			zero, err := r.zeros(at, next)
			if zero || err != nil {
				return "", err
			}
		}
		return "no record begins there", nil
	case size > next-at:
		sum, err := r.checksum(at+headerSize, next)
		if err == nil && sum == binary.LittleEndian.Uint32(head[12:]) {
			reason = fmt.Sprintf("the record says that it has %d bytes, but has %d", size-headerSize, next-at-headerSize)
		}
		return reason, err
	case newest:
		zero, err := r.zeros(max(at+headerSize, (at+size-1)&^(page-1)), next)
		if zero || err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("the checksum of the record of %d bytes is wrong", size-headerSize), nil
}

func magicBytes() []byte { return binary.LittleEndian.AppendUint32(nil, recordMagic) }

// find is where the next whole record begins, from a place on; the end of the file if there is none.
func (r *Reader) find(f *file, from int64) (int64, error) {
	magic := magicBytes()
	buf := make([]byte, min(1<<20, max(f.end()-from, 0)))
	for from < f.end() {
		b := buf[:min(int64(len(buf)), f.end()-from)]
		if err := r.readAt(f, b, from); err != nil {
			return 0, err
		}
		i := bytes.Index(b, magic)
		switch {
		case i >= 0:
			whole, err := r.whole(f, from+int64(i))
			if whole || err != nil {
				return from + int64(i), err
			}
			from += int64(i) + 1
		case int64(len(b)) == f.end()-from:
			return f.end(), nil
		default:
			from += int64(len(b) - len(magic) + 1)
		}
	}
	return f.end(), nil
}

// whole reports whether a whole record begins there.
func (r *Reader) whole(f *file, at int64) (bool, error) {
	head := make([]byte, min(headerSize, f.end()-at))
	if err := r.readAt(f, head, at); err != nil {
		return false, err
	}
	size := recordSize(head)
	if size < 0 || size > f.end()-at {
		return false, nil
	}
	sum, err := r.checksum(at+headerSize, at+size)
	return sum == binary.LittleEndian.Uint32(head[12:]), err
}

// checksum is that of the bytes from from up to to.
func (r *Reader) checksum(from, to int64) (sum uint32, err error) {
	err = r.each(from, to, func(b []byte) bool {
		sum = crc32.Update(sum, castagnoli, b)
		return true
	})
	return sum, err
}

// zeros reports whether the bytes from from up to to are all 0.
func (r *Reader) zeros(from, to int64) (zero bool, err error) {
	zero = true
	err = r.each(from, to, func(b []byte) bool {
		zero = len(bytes.TrimLeft(b, "\x00")) == 0
		return zero
	})
	return zero, err
}

// each shows the bytes from from up to to, a block at a time, while see wants them.
func (r *Reader) each(from, to int64, see func([]byte) bool) error {
	buf := make([]byte, min(1<<20, max(to-from, 0)))
	for from < to {
		b := buf[:min(int64(len(buf)), to-from)]
		if _, err := r.file.ReadAt(b, from); err != nil {
			return err
		}
		if !see(b) {
			return nil
		}
		from += int64(len(b))
	}
	return nil
}
