package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"pumphouse/nodes"
	"pumphouse/nodes/disk"
)

// recover finds out where the files end and makes that the place to go on.
func (s *Sink) recover() error {
	if err := s.removeHalfDone(); err != nil {
		return err
	}
	files, err := list(s.opts.FS, s.opts.Dir)
	if err != nil {
		return err
	}
	for i := len(files) - 1; i >= 0 && s.written == 0; i-- {
		f := files[i]
		s.next = max(s.next, f.number+1)
		last, ddl, end, err := scan(s.opts.FS, f.path)
		newest := i == len(files)-1 && !f.compressed()
		var damage *DamageError
		switch errors.As(err, &damage); {
		case damage != nil && newest:
			err = s.repair(f, damage, last)
		case newest && err == nil && end < s.durableIn(f) && last < s.opts.From:
			err = s.refuse(&DamageError{File: f.path, Offset: end, Reason: "the file ends there", Torn: true},
				fmt.Sprintf("the file had been durable up to byte %d", s.durableIn(f)))
		case damage != nil:
			err = fmt.Errorf("%w; restore the file from a copy, or move the directory away and begin with a new dump", damage)
		}
		if err != nil {
			return err
		}
		s.written, s.found = last, ddl
		if i < len(files)-1 || f.compressed() || end >= s.opts.MaxFileBytes {
			continue
		}
		if err := s.reopen(f, end); err != nil {
			return err
		}
	}
	s.applied = max(s.applied, s.written)
	if err := s.promiseCurrent(); err != nil {
		return err
	}
	return s.opts.FS.SyncDir(s.opts.Dir)
}

// scan reads a file through: commit TS of its last record, the statement if that has one, and
// where the records end.
func scan(fsys disk.FS, path string) (last nodes.TSO, ddl string, end int64, err error) {
	err = EachOn(fsys, path, func(rec Record) error {
		last, ddl, end = rec.CommitTS(), rec.statement(), rec.End()
		return nil
	})
	return last, ddl, end, err
}

// repair cuts off the torn tail of the newest file, whose last whole record is last. A file that
// begins with garbage has no tail.
func (s *Sink) repair(file binlogFile, d *DamageError, last nodes.TSO) error {
	f, err := disk.Open(s.opts.FS, d.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if d.Offset == 0 {
		bad, err := garbage(f)
		if err != nil {
			return fmt.Errorf("look at the beginning of %s: %w", d.File, err)
		}
		if bad {
			return fmt.Errorf("%w; no crash leaves a beginning like this: restore the file from a copy, or move it away if it is not the drainer's, "+
				"or move the directory away and begin with a new dump", d)
		}
	}
	why, err := s.covered(file, f, d.Offset, last)
	if err != nil {
		return err
	}
	if why != "" {
		return s.refuse(d, why)
	}
	size, err := f.Size()
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(d.Offset), f.Sync()); err != nil {
		return fmt.Errorf("cut off the torn tail of %s: %w", d.File, err)
	}
	s.opts.Logger.WithField("file", d.File).WithField("offset", d.Offset).WithField("bytes", size-d.Offset).
		Warn("the newest binlog file has a torn tail, as a crash leaves it: it is cut off, and its transactions are written again")
	return nil
}

// garbage reports whether a file begins with something else than a header, or what there is of one
// when a crash has torn it: zeros stand where the rest was not written. A torn tail may be anything,
// but here nothing says that the file is one of ours, and all of it would be cut off.
func garbage(f io.ReaderAt) (bool, error) {
	head := make([]byte, headerSize)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for i, b := range binary.LittleEndian.AppendUint32(nil, magic) {
		if head[i] != b && head[i] != 0 {
			return true, nil
		}
	}
	return binary.LittleEndian.Uint64(head[4:]) > maxPayload, nil
}

// NextRecord is where a whole record begins after the damage, 0 if there is none.
func (e *DamageError) NextRecord(fsys disk.FS) (at int64, err error) {
	f, err := disk.OpenToRead(fsys, e.File)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	_, at, err = findRecord(f, e.Offset+1, size)
	return at, err
}

// findRecord looks for a whole record from byte from on; at is 0 when there is none.
func findRecord(f io.ReaderAt, from, size int64) (ts nodes.TSO, at int64, err error) {
	want := binary.LittleEndian.AppendUint32(nil, magic)
	buf := make([]byte, 1<<20)
	for from < size {
		n, err := f.ReadAt(buf, from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		for i := 0; ; i++ {
			j := bytes.Index(buf[i:n], want)
			if j < 0 {
				break
			}
			i += j
			if ts, ok := recordAt(f, from+int64(i), size); ok {
				return ts, from + int64(i), nil
			}
		}
		from += max(int64(n)-int64(len(want))+1, 1)
	}
	return 0, 0, nil
}

// recordAt reports whether a whole record begins at byte at.
func recordAt(f io.ReaderAt, at, size int64) (nodes.TSO, bool) {
	head := make([]byte, headerSize)
	if _, err := f.ReadAt(head, at); err != nil {
		return 0, false
	}
	n := binary.LittleEndian.Uint64(head[4:])
	if n == 0 || n > uint64(max(0, size-at-headerSize-trailerSize)) {
		return 0, false
	}
	payload := io.NewSectionReader(f, at+headerSize, int64(n))
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, payload); err != nil {
		return 0, false
	}
	trailer := make([]byte, trailerSize)
	if _, err := f.ReadAt(trailer, at+headerSize+int64(n)); err != nil || binary.LittleEndian.Uint32(trailer) != sum.Sum32() {
		return 0, false
	}
	return commitTSAt(f, at), true
}

// commitTSAt is the commit TS in the record that begins at byte at, whole or not; 0 if none is to be
// seen there.
func commitTSAt(f io.ReaderAt, at int64) nodes.TSO {
	start := make([]byte, 64) // tp and commit_ts come first
	n, err := f.ReadAt(start, at+headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	return Record{Payload: start[:n]}.CommitTS()
}

// reopen goes on with the newest file; one without a record goes, so that its name does not
// tell a wrong time.
func (s *Sink) reopen(f binlogFile, end int64) error {
	if end == 0 {
		s.next = f.number
		return s.opts.FS.Remove(f.path)
	}
	file, err := disk.Open(s.opts.FS, f.path)
	if err != nil {
		return err
	}
	// What a process wrote that was killed may not be on disk yet.
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	s.cur = &openFile{File: file, number: f.number, size: end}
	return nil
}

// removeHalfDone removes what a crash left of a compression.
func (s *Sink) removeHalfDone() error {
	names, err := s.opts.FS.List(s.opts.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		base, half := strings.CutSuffix(name, tmpSuffix)
		if base, zipped := strings.CutSuffix(name, gzipSuffix); zipped {
			if _, ok := parseName(base); ok {
				// The compressed file is complete.
				if err := s.opts.FS.Remove(filepath.Join(s.opts.Dir, base)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
		if _, ok := parseName(base); half && ok {
			if err := s.opts.FS.Remove(filepath.Join(s.opts.Dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
