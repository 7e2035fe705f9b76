package oldlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// Record is a stored binlog.
type Record struct {
	At      Position
	Payload []byte // never empty
}

// Torn is what a crash left of a record that was acknowledged to nobody.
type Torn struct {
	File     string
	From, To int64 // the bytes from From up to To hold nothing
}

// Reader reads a log from a position on. It is used by one goroutine at a time and must be closed.
// Its memory is bounded by two of the largest records or of [blockSize].
type Reader struct {
	log  *Log
	i    int // of the file being read, or the next one
	file *os.File
	at   int64 // where the next record begins
	buf  []byte
	recs []Record
	torn []Torn

	spareBuf  []byte // of the call before
	spareRecs []Record
}

// blockSize is how many bytes are read at once.
const blockSize = 4 << 20

// Read begins at a position that [Reader.Position] gave, or at the beginning: the zero Position.
func (l *Log) Read(from Position) (*Reader, error) {
	r := &Reader{log: l}
	if from == (Position{}) {
		return r, nil
	}
	for r.i < len(l.files) && l.files[r.i].no < from.File {
		r.i++
	}
	if r.i == len(l.files) || l.files[r.i].no != from.File || l.files[r.i].size < from.Offset {
		return nil, fmt.Errorf("read the value log in %s from byte %d of file %d on: there is no such place. Was the directory changed since the import began?",
			l.Dir, from.Offset, from.File)
	}
	r.at = from.Offset
	return r, nil
}

// Close gives up the file being read.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Position is where the records to come begin.
func (r *Reader) Position() Position {
	if r.i < len(r.log.files) {
		return Position{r.log.files[r.i].no, r.at}
	}
	if n := len(r.log.files); n > 0 {
		return Position{r.log.files[n-1].no, r.log.files[n-1].size}
	}
	return Position{}
}

// Torn lists what Next has passed over since the last call.
func (r *Reader) Torn() []Torn {
	list := r.torn
	r.torn = nil
	return list
}

// Next gives the next records, at least one. They are valid until the call after the following one, so that one
// goroutine can work on them while another reads on. The error is
// io.EOF at the end of the log, a [*DamageError], or what reading came to.
func (r *Reader) Next() ([]Record, error) {
	r.buf, r.spareBuf = r.spareBuf, r.buf
	r.recs, r.spareRecs = r.spareRecs, r.recs
	for r.i < len(r.log.files) {
		f := &r.log.files[r.i]
		if r.file == nil {
			var err error
			if r.file, err = os.Open(f.path); err != nil {
				return nil, err
			}
		}
		if r.at >= f.end() {
			if err := r.leave(f); err != nil {
				return nil, err
			}
			continue
		}
		began := r.at
		b, err := r.fill(f, blockSize)
		if err != nil {
			return nil, err
		}
		r.take(f, b)
		if n := recordSize(b); r.at == began && n > int64(len(b)) && n <= f.end()-r.at { // larger than a block
			if b, err = r.fill(f, n); err != nil {
				return nil, err
			}
			r.take(f, b)
		}
		if len(r.recs) > 0 {
			return r.recs, nil
		}
		if r.at == began {
			if err := r.pass(f); err != nil {
				return nil, err
			}
		}
	}
	return nil, io.EOF
}

// leave goes on to the next file.
func (r *Reader) leave(f *file) error {
	if !f.finished && r.i+1 < len(r.log.files) {
		return &DamageError{File: f.path, Offset: f.size, Reason: "it has no footer although another file follows: bytes are missing at its end"}
	}
	if err := r.Close(); err != nil {
		return err
	}
	r.i, r.at = r.i+1, 0
	return nil
}

// fill reads up to n bytes from where the next record begins.
func (r *Reader) fill(f *file, n int64) ([]byte, error) {
	n = min(n, f.end()-r.at)
	if int64(cap(r.buf)) < n || cap(r.buf) > 4*blockSize && n <= blockSize { // the latter gives a large record's memory back
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	return b, r.readAt(f, b, r.at)
}

func (r *Reader) readAt(f *file, b []byte, at int64) error {
	_, err := r.file.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		return &DamageError{File: f.path, Offset: at, Reason: "it has become shorter while it was read"}
	}
	return err
}

// take takes the whole records out of what was read.
func (r *Reader) take(f *file, b []byte) {
	r.recs = r.recs[:0]
	for {
		n := recordSize(b)
		if n < 0 || n > int64(len(b)) || !valid(b[:n]) {
			return
		}
		if n > headerSize {
			r.recs = append(r.recs, Record{At: Position{f.no, r.at}, Payload: b[headerSize:n:n]})
		}
		r.at += n
		b = b[n:]
	}
}

// recordSize is how many bytes a record takes, by its header; -1 if that is none.
func recordSize(b []byte) int64 {
	if len(b) < headerSize || binary.LittleEndian.Uint32(b) != recordMagic {
		return -1
	}
	n := binary.LittleEndian.Uint64(b[4:])
	if n > 1<<62 {
		return 1 << 62 // larger than any file
	}
	return headerSize + int64(n)
}

// valid reports whether the checksum of a record that is there with its full size is right.
func valid(b []byte) bool {
	return binary.LittleEndian.Uint32(b[12:]) == crc32.Checksum(b[headerSize:], castagnoli)
}
