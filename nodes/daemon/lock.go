package daemon

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"pumphouse/nodes"
	"pumphouse/nodes/disk"
)

// LockDir makes sure that no other process works in a data directory, which it makes if it
// is not there; see [disk.FS].
func LockDir(dir string) (io.Closer, error) {
	if err := disk.MkdirAll(disk.OS{}, dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := disk.OS{}.Lock(filepath.Join(dir, ".lock"))
	if errors.Is(err, disk.ErrLocked) {
		return nil, nodes.WithProblem(fmt.Errorf("data directory %s is %w; stop that one, or give another data directory (-data-dir)", dir, err), nodes.ProblemTakeover, "")
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return lock, nil
}
