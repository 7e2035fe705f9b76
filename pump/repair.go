package pump

import (
	"errors"
	"path/filepath"

	"pumphouse/nodes/daemon"
	"pumphouse/pump/storage"

	"github.com/sirupsen/logrus"
)

// Repair makes the damaged binlogs of a pump that does not run usable again, see
// [storage.Repair]. What it lost is in the report.
func Repair(dataDir string, log logrus.FieldLogger) (report *storage.Report, err error) {
	dir, err := daemon.OpenDataDir(dataDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return storage.Repair(storage.Options{Dir: storeDir(dataDir), Logger: log})
}

// storeDir is where the storage keeps its files, below the data directory.
func storeDir(dataDir string) string { return filepath.Join(dataDir, "binlog") }
