package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process has what was to be locked.
var ErrLocked = errors.New("locked by another process")

// LockDir makes sure that no other process works in a data directory, which it makes if it
// is not there; see [LockFile].
func LockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	f, err := LockFile(filepath.Join(dir, ".lock"))
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("data directory %s is %w; stop that one, or give another data directory (-data-dir)", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return f, nil
}

// LockFile makes sure that no other process holds a file, which it makes if it is not there.
// Closing the file gives the lock back; the lock also goes with the process, so kill -9
// leaves nothing to clean up. The error wraps [ErrLocked] when somebody else holds the file,
// and says who.
func LockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		// Upstream's programs lock the same file in another way, which the first does not see.
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	}
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EACCES) {
		holder, _ := os.ReadFile(path)
		f.Close()
		return nil, fmt.Errorf("in use by %s: %w", describeHolder(string(holder)), ErrLocked)
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
