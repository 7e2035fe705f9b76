package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// tmpSuffix ends the name of a file in the making; what it holds is worth nothing after a crash.
const tmpSuffix = ".tmp"

// WriteFile replaces a file as a whole and makes that durable: a reader, or a crash, sees the old
// one or the new one. What is written is in <name>.tmp first, so nobody else may write to name at the same
// time. The directory must be there. The error names the file.
func WriteFile(fsys FS, name string, content []byte, perm fs.FileMode) error {
	if err := writeFile(fsys, name, content, perm); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func writeFile(fsys FS, name string, content []byte, perm fs.FileMode) error {
	tmp := name + tmpSuffix
	f, err := fsys.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fsys.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, ignoreNotExist(fsys.Remove(tmp)))
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// Create makes an empty file, or empties the one of that name. Its owner may write to it, its group read it.
func Create(fsys FS, name string) (File, error) {
	return fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
}

// Open opens a file that is there for reading and writing.
func Open(fsys FS, name string) (File, error) { return fsys.OpenFile(name, os.O_RDWR, 0) }

// OpenToRead opens a file that is there for reading only.
func OpenToRead(fsys FS, name string) (File, error) { return fsys.OpenFile(name, os.O_RDONLY, 0) }

// ReadFile is a file's content.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := OpenToRead(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, 0, size))
}

// MkdirAll makes a directory, and those above it, if they are not there, and makes that durable.
func MkdirAll(fsys FS, dir string, perm fs.FileMode) error {
	dir = filepath.Clean(dir)
	parent := filepath.Dir(dir)
	err := fsys.Mkdir(dir, perm)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := MkdirAll(fsys, parent, perm); err != nil {
			return err
		}
		err = fsys.Mkdir(dir, perm)
	}
	there := errors.Is(err, fs.ErrExist)
	if err != nil && !there {
		return err
	}
	// Also one that was there: whoever made it may have been killed before this.
	if err = fsys.SyncDir(parent); there && errors.Is(err, fs.ErrPermission) {
		err = nil // somebody else made it
	}
	return err
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
