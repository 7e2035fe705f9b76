package file

import (
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/disk"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Options say how a [Sink] writes. The zero value of every field but Dir is good.
type Options struct {
	Dir string // required; made if it is not there
	// From is the drainer's checkpoint: up to there the files must be whole.
	From nodes.TSO
	// MaxFileBytes is how large a file becomes before the next one is begun; a larger
	// transaction makes it larger. Default 512 MiB.
	MaxFileBytes int64
	// Retention is how long a file is kept after it was written to last. 0: for ever. The
	// newest file stays in any case.
	Retention time.Duration
	// Gzip compresses files that are full.
	Gzip bool
	// SyncInterval is how long written transactions may wait for their fsync. Default 50 ms.
	SyncInterval time.Duration

	FS     disk.FS            // default: disk.OS
	Logger logrus.FieldLogger // default: nothing is logged
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("file sink: a directory is required (dir in [syncer.to])")
	}
	if o.MaxFileBytes <= 0 {
		o.MaxFileBytes = 512 << 20
	}
	if o.SyncInterval <= 0 {
		o.SyncInterval = 50 * time.Millisecond
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	o.Logger = logs.OrSilent(o.Logger)
	return o, nil
}
