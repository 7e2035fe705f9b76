package file

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"pumphouse/drainer/binlogfile"
	"pumphouse/internal/disk"
	"pumphouse/internal/logs"
)

// tmpSuffix ends the name of a file that is being made.
const tmpSuffix = ".tmp"

// keepEvery is how often old files are looked for, beside whenever a file is full.
const keepEvery = 10 * time.Minute

// keeper compresses full files and removes old ones.
func (s *Sink) keeper() {
	tick := time.NewTicker(min(keepEvery, max(s.opts.Retention, time.Second)))
	defer tick.Stop()
	var failures logs.Repeated
	for {
		if err := s.keep(); err != nil && s.ctx.Err() == nil {
			if n := failures.Again(); n > 0 {
				s.opts.Logger.WithError(err).WithField("times", n).Warn("a full binlog file could not be compressed or removed; it is retried")
			}
		} else if n := failures.Over(); n > 0 {
			s.opts.Logger.WithField("times", n).Info("full binlog files are compressed and removed again")
		}
		select {
		case <-s.full:
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// keep looks at every file that is complete.
func (s *Sink) keep() error {
	if s.opts.Retention <= 0 && !s.opts.Gzip {
		return nil
	}
	files, err := binlogfile.List(s.opts.FS, s.opts.Dir)
	if err != nil {
		return err
	}
	open := s.firstOpen()
	for i, f := range files {
		if s.ctx.Err() != nil {
			return nil
		}
		if f.Number >= open || i == len(files)-1 {
			break
		}
		modified, err := s.opts.FS.ModTime(f.Path)
		if err != nil {
			return err
		}
		switch {
		case s.opts.Retention > 0 && time.Since(modified) > s.opts.Retention:
			if err := s.opts.FS.Remove(f.Path); err != nil {
				return err
			}
			s.opts.Logger.WithField("file", f.Path).Info("a binlog file is older than retention-time and is removed")
		case s.opts.Gzip && !f.Compressed():
			if err := compress(s.ctx, s.opts.FS, f.Path, modified); err != nil {
				return fmt.Errorf("compress %s: %w", f.Path, err)
			}
		}
	}
	return nil
}

// firstOpen is the number of the first file that is still written to.
func (s *Sink) firstOpen() uint64 {
	s.syncing.Lock() // not while one is being finished
	defer s.syncing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur == nil {
		return math.MaxUint64
	}
	return s.cur.number
}

// compress replaces a file by its compressed form, as old as the file was.
func compress(ctx context.Context, fsys disk.FS, path string, modified time.Time) (err error) {
	in, err := disk.OpenToRead(fsys, path)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp := path + binlogfile.GzipSuffix + tmpSuffix
	out, err := disk.Create(fsys, tmp)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(io.NewOffsetWriter(out, 0), 1<<20)
	z, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err == nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{z}, untilDone{ctx, io.NewSectionReader(in, 0, math.MaxInt64)}, make([]byte, 256<<10))
		err = errors.Join(err, z.Close(), buffered.Flush(), out.Sync())
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = fsys.SetModTime(tmp, modified)
	}
	if err == nil {
		err = fsys.Rename(tmp, path+binlogfile.GzipSuffix)
	}
	if err != nil {
		return errors.Join(err, fsys.Remove(tmp))
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return fsys.Remove(path)
}

// untilDone reads until its context is done.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(b)
}
