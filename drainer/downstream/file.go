package downstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/file"
	"pumphouse/nodes"
)

// File writes binlog files; the checkpoint is in the drainer's data directory, or in a table.
type File struct {
	Dir          string        // "": the drainer's data directory
	Retention    time.Duration // 0: files are kept for ever
	MaxFileBytes int64         // 0: the sink's default
	Gzip         bool          // compress files that are full
	// CheckpointTable is where the checkpoint is; nil: in the data directory.
	CheckpointTable *CheckpointTable
}

var _ drainer.Downstream = File{}

// String implements drainer.Downstream.
func (f File) String() string {
	if f.Dir == "" {
		return "binlog files in the data directory"
	}
	return fmt.Sprintf("binlog files in %s", f.Dir)
}

// Zone implements drainer.Downstream: files have timestamps in the local time zone.
func (File) Zone() *time.Location { return time.Local }

// Checkpoint implements drainer.Downstream.
func (f File) Checkpoint(ctx context.Context, site drainer.Site) (checkpoint.Store, error) {
	return f.CheckpointTable.open(ctx, site)
}

// CheckStandby implements drainer.Standbys: nothing refuses the writes of a process that was suspended, and another machine has other files.
func (File) CheckStandby() error {
	return errors.New("standby: db-type file cannot have a standby, because the files are on one machine and nothing keeps two processes from writing them: leave standby out")
}

// Open implements drainer.Downstream.
func (f File) Open(_ context.Context, site drainer.Site, from, _ nodes.TSO) (sink.Sink, error) {
	dir := f.Dir
	if dir == "" {
		dir = site.DataDir
	}
	return opened(file.New(file.Options{Dir: dir, From: from, MaxFileBytes: f.MaxFileBytes, Retention: f.Retention, Gzip: f.Gzip, Logger: site.Logger}))
}
