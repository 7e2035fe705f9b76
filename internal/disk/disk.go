// Package disk is the file system as pumps and drainers use it for what must survive a failure
// of the machine: the pump's log, binlog files, the relay log, savepoints and node IDs. [OS] is the
// real one; tests put package faultfs in its place, which fails, runs full, and forgets what was not
// synced, names in directories included.
//
// A file that was written and synced may still vanish as long as its directory is not synced, and a
// rename may be undone. [WriteFile] and [MkdirAll] see to that.
package disk

import (
	"io"
	"io/fs"
	"time"
)

// FS is the part of a file system that is needed.
//
// Errors satisfy errors.Is with [fs.ErrNotExist], [fs.ErrExist] and unix.ENOSPC where they mean it.
type FS interface {
	// Mkdir makes a directory.
	Mkdir(dir string, perm fs.FileMode) error
	// OpenFile opens a file. flag is os.O_RDONLY or os.O_RDWR, the latter perhaps with os.O_CREATE,
	// os.O_EXCL and os.O_TRUNC; perm are the permissions of a file that is made, before umask.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// List is the names of the regular files in dir, sorted.
	List(dir string) ([]string, error)
	Rename(from, to string) error
	Remove(name string) error
	// ModTime is when a file was written last; SetModTime changes that.
	ModTime(name string) (time.Time, error)
	SetModTime(name string, t time.Time) error
	// SyncDir makes the creations, renames and removals in dir durable.
	SyncDir(dir string) error
	// Lock makes sure that no other process holds a file, which it makes if it is not there, until the
	// lock is closed or the process has ended. The error wraps [ErrLocked] when somebody else holds it.
	Lock(name string) (io.Closer, error)
	// Space is what dir's file system has left for this process, and holds in all, in bytes.
	Space(dir string) (available, capacity uint64, err error)
}

// File is an open file. Reading and writing at once from several goroutines is fine.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Name() string
	Size() (int64, error)
	Truncate(size int64) error
	// Preallocate makes the file size bytes long with the disk space for all of
	// them; new bytes read as 0. A file system that cannot do so only grows the file.
	Preallocate(size int64) error
	// Sync makes all that was written so far durable. After an error nobody can
	// say what of it is: the caller must not call it again and believe the answer.
	// Of a closed file the error is [fs.ErrClosed], also if it is closed at that moment.
	Sync() error
}
