package binlogfile

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is a record of a file.
type Record struct {
	Offset  int64  // where it begins
	Payload []byte // a marshalled pbfile.Binlog; valid until the next call of Next
}

// End is the offset after the record.
func (r Record) End() int64 { return r.Offset + headerSize + int64(len(r.Payload)) + trailerSize }

// Decode unmarshals the payload.
func (r Record) Decode() (*pbfile.Binlog, error) {
	b := new(pbfile.Binlog)
	if err := proto.Unmarshal(r.Payload, b); err != nil {
		return nil, fmt.Errorf("the record at byte %d: %w", r.Offset, err)
	}
	return b, nil
}

// Statement is the record's statement, empty when it has rows.
func (r Record) Statement() string {
	if len(r.Payload) < 2 || r.Payload[0] != 1<<3 || r.Payload[1] != byte(pbfile.BinlogType_DDL) { // tp comes first
		return ""
	}
	b, err := r.Decode()
	if err != nil {
		return ""
	}
	return string(b.GetDdlQuery())
}

// CommitTS reads the commit TS alone, 0 when there is none.
func (r Record) CommitTS() nodes.TSO {
	for b := r.Payload; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0
		}
		b = b[n:]
		if num == 2 && typ == protowire.VarintType {
			ts, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return 0
			}
			return nodes.TSO(ts)
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return 0
		}
		b = b[n:]
	}
	return 0
}

// Reader reads the records of one file, compressed or not.
type Reader struct {
	name   string
	f      io.Closer
	src    io.Reader
	at     int64
	buf    []byte
	failed error
}

// Open opens a file for reading. One that has been compressed since it was listed is found
// under its new name.
func Open(path string) (*Reader, error) { return openOn(disk.OS{}, path) }

func openOn(fsys disk.FS, path string) (*Reader, error) {
	f, err := disk.OpenToRead(fsys, path)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(path, GzipSuffix) {
		if z, zerr := disk.OpenToRead(fsys, path+GzipSuffix); zerr == nil {
			path, f, err = path+GzipSuffix, z, nil
		}
	}
	if err != nil {
		return nil, err
	}
	r := &Reader{name: path, f: f, src: bufio.NewReaderSize(io.NewSectionReader(f, 0, math.MaxInt64), 1<<20)}
	if strings.HasSuffix(path, GzipSuffix) {
		z, err := gzip.NewReader(r.src)
		if err != nil {
			return nil, errors.Join(&DamageError{File: path, Reason: "not compressed with gzip: " + err.Error()}, f.Close())
		}
		r.src = bufio.NewReaderSize(z, 1<<20)
	}
	return r, nil
}

// Each calls do with the records of a file, in order, until there are no more or do fails. The
// error is do's, or one of [Open] or [Reader.Next].
func Each(path string, do func(Record) error) error { return EachOn(disk.OS{}, path, do) }

// EachOn is [Each] on any file system.
func EachOn(fsys disk.FS, path string, do func(Record) error) error {
	r, err := openOn(fsys, path)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = do(rec)
		}
		if err != nil {
			return err
		}
	}
}

// NewReader reads records from src; name is what errors call it.
func NewReader(name string, src io.Reader) *Reader { return &Reader{name: name, src: src} }

// Close closes the file.
func (r *Reader) Close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}

// Next gives the next record. The error is io.EOF at the end of the file, a [*DamageError],
// or what reading came to; it stays that.
func (r *Reader) Next() (Record, error) {
	if r.failed != nil {
		return Record{}, r.failed
	}
	rec, err := r.next()
	if err != nil {
		r.failed = err
		return Record{}, err
	}
	r.at = rec.End()
	return rec, nil
}

func (r *Reader) next() (Record, error) {
	var head [headerSize]byte
	if n, err := io.ReadFull(r.src, head[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return Record{}, io.EOF
		}
		return Record{}, r.cutOff(err)
	}
	if m := binary.LittleEndian.Uint32(head[:]); m != magic {
		return Record{}, r.damage("a record should begin there, but its magic number is %#x, not %#x", m, uint32(magic))
	}
	size := binary.LittleEndian.Uint64(head[4:])
	if size == 0 || size > maxPayload { // zeros would be an empty record with a correct checksum
		return Record{}, r.damage("a record of %d bytes", size)
	}
	if err := r.read(int(size)); err != nil {
		return Record{}, r.cutOff(err)
	}
	var sum [trailerSize]byte
	if _, err := io.ReadFull(r.src, sum[:]); err != nil {
		return Record{}, r.cutOff(err)
	}
	if binary.LittleEndian.Uint32(sum[:]) != crc32.Checksum(r.buf, castagnoli) {
		return Record{}, r.damage("wrong checksum of a record of %d bytes", size)
	}
	return Record{Offset: r.at, Payload: r.buf}, nil
}

const (
	maxPayload = 1 << 33 // more than a transaction of TiDB can be
	readChunk  = 1 << 20
)

// read fills buf with size bytes. It takes memory only as the bytes come: the size may be
// nonsense.
func (r *Reader) read(size int) error {
	if cap(r.buf) > keepBytes && size <= keepBytes {
		r.buf = nil
	}
	r.buf = r.buf[:0]
	for len(r.buf) < size {
		n := min(size-len(r.buf), max(readChunk, len(r.buf)))
		at := len(r.buf)
		r.buf = slices.Grow(r.buf, n)[:at+n]
		if _, err := io.ReadFull(r.src, r.buf[at:]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) damage(format string, args ...any) error {
	return &DamageError{File: r.name, Offset: r.at, Reason: fmt.Sprintf(format, args...)}
}

// cutOff is the error of a file that ends too early, or of the disk.
func (r *Reader) cutOff(err error) error {
	var flat flate.CorruptInputError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &DamageError{File: r.name, Offset: r.at, Reason: "the file ends within a record", Torn: true}
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &flat):
		return r.damage("%v", err)
	}
	return fmt.Errorf("read %s at byte %d: %w", r.name, r.at, err)
}
