package file

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"pumphouse/drainer/binlogfile"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// recover finds out where the files end and makes that the place to go on.
func (s *Sink) recover() error {
	if err := s.removeHalfDone(); err != nil {
		return err
	}
	files, err := binlogfile.List(s.opts.FS, s.opts.Dir)
	if err != nil {
		return err
	}
	for i := len(files) - 1; i >= 0 && s.written == 0; i-- {
		f := files[i]
		s.next = max(s.next, f.Number+1)
		last, ddl, end, err := scan(s.opts.FS, f.Path)
		newest := i == len(files)-1 && !f.Compressed()
		var damage *binlogfile.DamageError
		switch errors.As(err, &damage); {
		case damage != nil && newest:
			err = s.repair(f, damage, last)
		case newest && err == nil && end < s.durableIn(f) && last < s.opts.From:
			err = s.refuse(&binlogfile.DamageError{File: f.Path, Offset: end, Reason: "the file ends there", Torn: true},
				fmt.Sprintf("the file had been durable up to byte %d", s.durableIn(f)))
		case damage != nil:
			err = fmt.Errorf("%w; restore the file from a copy, or move the directory away and begin with a new dump", damage)
		}
		if err != nil {
			return err
		}
		s.written, s.found = last, ddl
		if i < len(files)-1 || f.Compressed() || end >= s.opts.MaxFileBytes {
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
	err = binlogfile.EachOn(fsys, path, func(rec binlogfile.Record) error {
		last, ddl, end = rec.CommitTS(), rec.Statement(), rec.End()
		return nil
	})
	return last, ddl, end, err
}

// repair cuts off the torn tail of the newest file, whose last whole record is last. A file that
// begins with garbage has no tail.
func (s *Sink) repair(file binlogfile.File, d *binlogfile.DamageError, last nodes.TSO) error {
	f, err := disk.Open(s.opts.FS, d.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if d.Offset == 0 {
		bad, err := binlogfile.BeginsWithGarbage(f)
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

// reopen goes on with the newest file; one without a record goes, so that its name does not
// tell a wrong time.
func (s *Sink) reopen(f binlogfile.File, end int64) error {
	if end == 0 {
		s.next = f.Number
		return s.opts.FS.Remove(f.Path)
	}
	file, err := disk.Open(s.opts.FS, f.Path)
	if err != nil {
		return err
	}
	// What a process wrote that was killed may not be on disk yet.
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	s.cur = &openFile{File: file, number: f.Number, size: end}
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
		if base, zipped := strings.CutSuffix(name, binlogfile.GzipSuffix); zipped {
			if _, ok := binlogfile.ParseName(base); ok {
				// The compressed file is complete.
				if err := s.opts.FS.Remove(filepath.Join(s.opts.Dir, base)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
		if _, ok := binlogfile.ParseName(base); half && ok {
			if err := s.opts.FS.Remove(filepath.Join(s.opts.Dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
