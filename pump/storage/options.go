package storage

import (
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/disk"
	"pumphouse/internal/logs"
)

// Options says how a [Store] works.
type Options struct {
	// Dir is the directory of the store's files. It is made when it does not
	// exist, holds nothing else, and belongs to one process at a time.
	Dir string
	// FS is the file system. Default: [disk.OS].
	FS disk.FS
	// SegmentBytes is how large a segment of the log is, in bytes; a larger record
	// gets a segment of its own. Default: 64 MiB; at most 16 GiB.
	SegmentBytes int64
	// SyncLog makes Append wait until its record is on disk. Without it a power
	// failure takes what was written in the last second.
	SyncLog bool
	// StopWriteAtAvailable refuses prewrites while the file system has fewer bytes
	// available than this, not counting the space the store has reserved. 0: until
	// no segment fits any more.
	StopWriteAtAvailable uint64
	// CheckpointBytes is how much log is written between two checkpoints at most:
	// what Open has to read. Default: 64 MiB.
	CheckpointBytes int64

	// WaitInMemory is how many committed transactions that an unresolved prewrite holds
	// back are kept in memory, 32 bytes each; the others are on disk. Default: 65,536.
	WaitInMemory int

	// Resolver is asked about unresolved transactions. nil: there is
	// no TiKV to ask.
	Resolver Resolver
	// ResolveAfter is how old a prewrite is when the Resolver is asked first.
	// Default: 3 s.
	ResolveAfter time.Duration
	// OrphanTimeout rolls back a prewrite that is that old, when there is no
	// Resolver. 0: never; it holds back everything after it.
	OrphanTimeout time.Duration

	// Logger says what an operator should know. Default: nothing is said.
	Logger logrus.FieldLogger
	// OnBatch hears of every group of records written at once. It is called by the
	// writer and must be quick. nil: nobody does.
	OnBatch func(Batch)
	// Progress is called when Open or [Repair] begins with a segment of the log: the first is 1, of so many. nil: nobody
	// wants to know.
	Progress func(segment, of int)

	salt      func() uint64 // of the segments' checksums
	importing bool          // see [OpenImport]
}

// Batch is a group of records that were written, and synced, at once.
type Batch struct {
	Records int
	Bytes   int64
	Write   time.Duration
	Sync    time.Duration
}

// LookEvery is how often the store looks after itself: disk space, syncs without
// SyncLog, checkpoints, unresolved prewrites.
const LookEvery = time.Second

// maxSegmentBytes keeps a [place] in 32 bits.
const maxSegmentBytes = 16 << 30

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	o.SegmentBytes = min(o.SegmentBytes, maxSegmentBytes)
	if o.CheckpointBytes <= 0 {
		o.CheckpointBytes = 64 << 20
	}
	if o.WaitInMemory <= 0 {
		o.WaitInMemory = 1 << 16
	}
	if o.ResolveAfter <= 0 {
		o.ResolveAfter = 3 * time.Second
	}
	o.Logger = logs.OrSilent(o.Logger)
	o.FS = shortageFS{FS: o.FS, log: o.Logger, said: new(limiter)}
	if o.salt == nil {
		o.salt = rand.Uint64
	}
	return o
}
