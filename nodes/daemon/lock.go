package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process works in the data directory.
var ErrLocked = errors.New("locked by another process")

// LockDir makes sure that no other process works in dir, which it makes if it is not
// there. Closing the file gives the directory back; the lock also goes with the process,
// so kill -9 leaves nothing to clean up. The error wraps [ErrLocked] when somebody else has
// the directory, and says who.
func LockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	path := filepath.Join(dir, ".lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := os.ReadFile(path)
		f.Close()
		return nil, fmt.Errorf("data directory %s is in use by %s: %w; stop that one, or give another data directory (-data-dir)",
			dir, describeHolder(string(holder)), ErrLocked)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// Who holds it is a courtesy to the reader of the error; the lock works without.
	if f.Truncate(0) == nil {
		fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return f, nil
}

func describeHolder(pid string) string {
	if pid = strings.TrimSpace(pid); pid != "" {
		return "process " + pid
	}
	return "another process"
}
