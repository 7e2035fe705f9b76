package storage

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"pumphouse/nodes"
)

const spaceCure = "free space, lower gc or lower stop-write-at-available-space"

// Errors of the store.
var (
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("binlog storage is closed")
	// ErrInvalid says that a binlog cannot be what it claims to be; it is not stored.
	ErrInvalid = errors.New("invalid binlog")
	// ErrNoSpace says that a write was refused for want of disk space. What was
	// accepted before is safe; writes are taken again when space is back.
	ErrNoSpace = errors.New("not enough disk space for more binlogs: " + spaceCure)
	// ErrNoDescriptor says that neither the process nor the machine had a file descriptor
	// left for some seconds. Nothing was written; it may be tried again.
	ErrNoDescriptor = errors.New("no file descriptor is left: " +
		"raise the limit of open files (LimitNOFILE= in the systemd unit, ulimit -n)")
	// ErrFailed says that an earlier write or sync failed, so that nobody knows
	// what the disk holds. Nothing more is written until the store is opened anew.
	ErrFailed = errors.New("binlog storage has failed and must be restarted")
	// ErrLate says that a commit came with a commit TS up to which drainers may have been
	// given everything. Only a clock of PD that went back, or a TS that PD did not give,
	// does that. The transaction is not delivered.
	ErrLate = errors.New("drainers have passed that commit TS, so the transaction cannot be delivered in order and is lost downstream: " +
		"check that PD's clock has not gone back; copy the transaction's rows downstream by hand or start the drainers again from a new dump")
	// ErrNoPrewrite says that a commit came for a transaction whose prewrite is not
	// stored here, and that it is no repetition.
	ErrNoPrewrite = errors.New("the transaction's prewrite is not stored here, " +
		"so the transaction is lost downstream unless another pump holds it: ask the other pumps for it (GET /debug/binlog/<start TS>); " +
		"if none has it, copy its rows downstream by hand or start the drainers again from a new dump")
	// errRepairing says that nobody knows yet what is lost.
	errRepairing = errors.New("a repair of the log began and did not end, so what is lost is not known: start the pump with -repair again")
	// ErrNotFound says that no stored binlog has the start TS asked for.
	ErrNotFound = errors.New("no such binlog")
)

// PurgedError says that a pull asked for binlogs that GC has removed.
type PurgedError struct {
	Asked  nodes.TSO // the position asked for: the last commit TS the drainer has
	Purged nodes.TSO // binlogs up to this commit TS are gone, or some of them
}

// Problem implements [nodes.Problematic].
func (e *PurgedError) Problem() nodes.Problem {
	return nodes.Problem{Code: nodes.ProblemPurged, CommitTS: e.Purged}
}

func (e *PurgedError) Error() string {
	return fmt.Sprintf("pull after commit TS %s (%s): binlogs have been purged up to %s (%s). "+
		"Restore a dump of the upstream taken at or after %s and start the drainer with -initial-commit-ts of the dump",
		e.Asked, timeOf(e.Asked), e.Purged, timeOf(e.Purged), e.Purged)
}

// DamageError says that a file of the store does not hold what was written to it.
type DamageError struct {
	File   string
	Offset int64 // of the first byte that cannot be made sense of
	Reason string
}

// Problem implements [nodes.Problematic].
func (e *DamageError) Problem() nodes.Problem { return nodes.Problem{Code: nodes.ProblemDataDamaged} }

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s (restore the file, or start the pump with -repair, "+
		"which saves what can be read and says what is lost)", e.File, e.Offset, e.Reason)
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
