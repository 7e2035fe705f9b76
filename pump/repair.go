package pump

import (
	"errors"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes/datadir"
	"pumphouse/pump/storage"
	"pumphouse/pump/takeover"
)

// Repair makes the damaged binlogs of a pump that does not run usable again, see
// [storage.Repair]. What it lost is in the report. progress is [storage.Options.Progress].
func Repair(dataDir string, log logrus.FieldLogger, progress func(segment, of int)) (report *storage.Report, err error) {
	dir, err := datadir.Open(dataDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return storage.Repair(storage.Options{Dir: storeDir(dataDir), Logger: log, Progress: progress})
}

// ForgetOld removes the files of an upstream pump that was taken over, whether the pump runs or not: everything in them
// is in the pump's own log.
func ForgetOld(dataDir string) (removed bool, err error) {
	path, _, err := takeover.Kept(dataDir)
	if err != nil || path == "" {
		return false, err
	}
	return true, takeover.Forget(dataDir)
}

// storeDir is where the storage keeps its files, below the data directory.
func storeDir(dataDir string) string { return filepath.Join(dataDir, "binlog") }
