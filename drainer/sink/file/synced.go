package file

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"pumphouse/drainer/binlogfile"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// syncedName is the file in the directory that says how far the binlog files are durable.
const syncedName = ".binlog.synced"

// synced is a place in the binlog files. Everything before it was durable when it was written
// down, so no crash tears anything there. The zero value promises nothing.
type synced struct {
	number uint64 // of a file
	offset int64  // in it
}

// syncedLine is the form of a synced place: two numbers and their CRC-32C, always as long.
const syncedLine = "%016d %019d %08x\n"

func (p synced) line() string {
	return fmt.Sprintf(syncedLine, p.number, p.offset, p.sum())
}

func (p synced) sum() uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "%d %d", p.number, p.offset), crc32.MakeTable(crc32.Castagnoli))
}

// openSynced opens the file and reads what it says; one that a crash has torn promises nothing.
func openSynced(fsys disk.FS, dir string) (disk.File, synced, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, syncedName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, synced{}, err
	}
	line := make([]byte, len(synced{}.line()))
	if _, err := f.ReadAt(line, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, synced{}, errors.Join(fmt.Errorf("read %s: %w", f.Name(), err), f.Close())
	}
	var p synced
	var sum uint32
	if _, err := fmt.Sscanf(string(line), "%d %d %x\n", &p.number, &p.offset, &sum); err != nil || sum != p.sum() {
		p = synced{}
	}
	return f, p, nil
}

// promise writes down how far the files are durable. It needs no fsync: an older place that a
// crash of the machine brings back promises less, and is as true.
func (s *Sink) promise(p synced) error {
	s.durable = p
	_, err := s.promised.WriteAt([]byte(p.line()), 0)
	if err != nil {
		return fmt.Errorf("write down how far the files are durable: %w", err)
	}
	return nil
}

// promiseCurrent is promise for the file that is written to, which is durable as a whole.
func (s *Sink) promiseCurrent() error {
	var p synced
	if s.cur != nil {
		p = synced{s.cur.number, s.cur.size}
	}
	return s.promise(p)
}

// durableIn is how many bytes of a file are known to have been durable.
func (s *Sink) durableIn(f binlogfile.File) int64 {
	if s.durable.number != f.Number {
		return 0
	}
	return s.durable.offset
}

// covered says why something that is wrong at byte at of the newest file cannot be the torn tail of a
// crash: everything up to the checkpoint was durable, so what a crash tears is after it. "" when it
// can be, and may be cut off. last is the commit TS of the file's last record before it, 0 if there
// is none.
func (s *Sink) covered(file binlogfile.File, f disk.File, at int64, last nodes.TSO) (why string, err error) {
	from := s.opts.From
	if last >= from {
		return "", nil // whatever it was, the checkpoint does not cover it
	}
	if n := s.durableIn(file); at < n {
		return fmt.Sprintf("the file had been durable up to byte %d", n), nil
	}
	if ts := binlogfile.CommitTSAt(f, at); ts > last && ts <= from {
		return fmt.Sprintf("the transaction there has the commit TS %s", ts), nil
	}
	size, err := f.Size()
	if err != nil {
		return "", err
	}
	ts, next, err := binlogfile.FindRecord(f, at+1, size)
	if err != nil {
		return "", fmt.Errorf("look for records after the damage in %s: %w", f.Name(), err)
	}
	if next > 0 && ts <= from {
		return fmt.Sprintf("the transaction after it, at byte %d, has the commit TS %s", next, ts), nil
	}
	return "", nil
}

// refuse is the error for damage that the checkpoint covers.
func (s *Sink) refuse(d *binlogfile.DamageError, why string) error {
	return fmt.Errorf("%w; no crash did that, as %s and the drainer's checkpoint %s covers it: what is lost there would not be delivered again; "+
		"restore the file from a copy, or move the directory away and begin with a new dump", d, why, s.opts.From)
}
