package storage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// FS is the part of a file system the store needs. [OS] is the real one; tests
// put one in between that fails, runs full and forgets what was not synced.
//
// Errors satisfy errors.Is with [fs.ErrNotExist] and [unix.ENOSPC] where they mean it.
type FS interface {
	MkdirAll(dir string) error
	// Create makes an empty file, or empties the one of that name.
	Create(name string) (File, error)
	// Open opens a file for reading and writing.
	Open(name string) (File, error)
	// List is the names of the files in dir, sorted.
	List(dir string) ([]string, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the creations, renames and removals in dir durable.
	SyncDir(dir string) error
	// Space is what dir's file system has left for this process, and holds in all.
	Space(dir string) (available, capacity uint64, err error)
}

// File is an open file. Reading and writing at once from several goroutines is fine.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
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

// OS is the operating system's file system.
type OS struct{}

var _ FS = OS{}

// MkdirAll implements [FS].
func (OS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o755) }

// Create implements [FS].
func (OS) Create(name string) (File, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

// Open implements [FS].
func (OS) Open(name string) (File, error) { return openFile(name, os.O_RDWR) }

func openFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// List implements [FS].
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Rename implements [FS].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements [FS].
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir implements [FS].
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// Space implements [FS].
func (OS) Space(dir string) (available, capacity uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (f osFile) Preallocate(size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			if now, err := f.Size(); err != nil || now >= size {
				return err
			}
			return f.Truncate(size)
		default:
			return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
		}
	}
}

// Sync is fdatasync: the size of the file is among what it makes durable, its
// times are not.
func (f osFile) Sync() error {
	// The descriptor of a file that is closed meanwhile may be another file's: not so in Control.
	raw, err := f.SyscallConn()
	if err == nil {
		synced := fs.ErrClosed // Control fails for no other reason
		_ = raw.Control(func(fd uintptr) {
			for synced = unix.EINTR; synced == unix.EINTR; {
				synced = unix.Fdatasync(int(fd))
			}
		})
		err = synced
	}
	if err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// writeFileAtomic puts content into dir/name so that after a crash the file holds
// either the old or the new content, whole.
func writeFileAtomic(fsys FS, dir, name string, content []byte) error {
	tmp := filepath.Join(dir, name+tmpSuffix)
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fsys.Rename(tmp, filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, ignoreNotExist(fsys.Remove(tmp)))
	}
	return fsys.SyncDir(dir)
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// noSpace reports whether err says that the disk is full.
func noSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
