package relay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/message"
	"pumphouse/drainer/sink"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// log writes the files of a directory. Its methods are called by one goroutine at a time.
type log struct {
	fs  disk.FS
	dir string
	max int64
	enc *message.Encoder

	cur  disk.File // nil: the next transaction begins a new one
	path string
	size int64
	next uint64 // number of the next file
	last nodes.TSO
	// follows is the commit TS that the next record follows.
	follows nodes.TSO
	buf     []byte
	done    []ended // complete files, oldest first
	bad     error   // why nothing more is written: closed, or a complete file may not be durable
}

// ended is a file that is not written to any more.
type ended struct {
	path string
	last nodes.TSO // commit TS of its last transaction
}

// openLog continues what is in a directory, with transactions after at.
func openLog(fsys disk.FS, dir string, max int64, zone *time.Location, found *contents, at nodes.TSO) *log {
	return &log{
		fs: fsys, dir: dir, max: max, enc: message.NewEncoder(zone),
		next: found.next, last: found.last, follows: at, done: found.files,
	}
}

// append writes a transaction. It is durable after the next sync.
func (l *log) append(t *sink.Txn) (size int, err error) {
	if l.bad != nil {
		return 0, l.bad
	}
	if l.cur != nil && l.size >= l.max {
		if err := l.finish(); err != nil {
			return 0, err
		}
	}
	if l.cur == nil {
		if err := l.create(t.CommitTS); err != nil {
			return 0, err
		}
	}
	if t.Large != nil {
		return l.appendLarge(t)
	}
	payload, err := l.enc.Encode(t)
	if err != nil {
		return 0, fmt.Errorf("the transaction with commit TS %s: %w", t.CommitTS, err)
	}
	payload = appendFollows(payload, l.follows)
	if err := l.write(payload); err != nil {
		return 0, fmt.Errorf("write %s: %w", l.path, err)
	}
	l.last, l.follows = t.CommitTS, t.CommitTS
	return len(payload), nil
}

// appendLarge writes a large transaction in pieces.
func (l *log) appendLarge(t *sink.Txn) (size int, err error) {
	m, err := l.enc.Large(t)
	if err != nil {
		return 0, fmt.Errorf("the transaction with commit TS %s: %w", t.CommitTS, err)
	}
	tail := appendFollows(nil, l.follows)
	size = m.Size + len(tail)
	p := binlogfile.NewPieces(io.NewOffsetWriter(l.cur, l.size), int64(size))
	if err = m.Write(p.Write); err == nil {
		err = p.Write(tail)
	}
	var n int64
	if err == nil {
		n, err = p.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", l.path, err)
	}
	l.size += n
	l.last, l.follows = t.CommitTS, t.CommitTS
	return size, nil
}

// largePayload is from what size on a payload is not copied to be written together with what
// stands before and after it.
const largePayload = 1 << 20

func (l *log) write(payload []byte) error {
	head, sum := binlogfile.Frame(payload)
	at := l.size
	l.size += int64(len(head) + len(payload) + len(sum))
	put := func(b []byte) error {
		_, err := l.cur.WriteAt(b, at)
		at += int64(len(b))
		return err
	}
	l.buf = append(l.buf[:0], head[:]...)
	if len(payload) >= largePayload {
		if err := put(l.buf); err != nil {
			return err
		}
		if err := put(payload); err != nil {
			return err
		}
		l.buf, payload = l.buf[:0], nil
	}
	l.buf = append(append(l.buf, payload...), sum[:]...)
	return put(l.buf)
}

// create begins a file, which makes its name durable.
func (l *log) create(ts nodes.TSO) error {
	l.path = filepath.Join(l.dir, binlogfile.Name(l.next, ts))
	f, err := l.fs.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return fmt.Errorf("begin a file of the relay log: %w", err)
	}
	l.cur, l.size = f, 0
	l.next++
	l.enc.Complete()
	return l.fs.SyncDir(l.dir)
}

// finish makes the current file durable and ends it: only the newest can have a torn tail.
func (l *log) finish() error {
	if l.cur == nil {
		return nil
	}
	err := errors.Join(l.cur.Sync(), l.cur.Close())
	if l.cur = nil; err != nil {
		l.bad = fmt.Errorf("finish %s: %w", l.path, err)
		return l.bad
	}
	l.done = append(l.done, ended{l.path, l.last})
	return nil
}

// remove removes the complete files that have nothing after a checkpoint.
func (l *log) remove(saved nodes.TSO) error {
	for len(l.done) > 0 && l.done[0].last <= saved {
		if err := l.fs.Remove(l.done[0].path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a file of the relay log: %w", err)
		}
		l.done = l.done[1:]
	}
	return nil
}

// setAside moves complete files, from the one with an index on, out of the log, into a directory of
// their own in it.
func setAside(fsys disk.FS, dir string, at nodes.TSO, files []ended) (to string, err error) {
	to = filepath.Join(dir, fmt.Sprintf("not-connected-to-%s", at))
	if err := disk.MkdirAll(fsys, to, 0o750); err != nil {
		return to, err
	}
	for _, f := range files {
		if err := fsys.Rename(f.path, filepath.Join(to, filepath.Base(f.path))); err != nil {
			return to, err
		}
	}
	return to, errors.Join(fsys.SyncDir(to), fsys.SyncDir(dir))
}

func (l *log) close() error {
	if l.bad = sink.ErrClosed; l.cur == nil {
		return nil
	}
	err := l.cur.Close()
	l.cur = nil
	return err
}
