package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"pumphouse/internal/disk"
)

// shortageFS retries what needs a file descriptor while none is left. That is a transient
// error: connections close and other processes end. It says nothing about the disk, so it
// must not stop the store as a failed fsync does.
type shortageFS struct {
	disk.FS
	log  logrus.FieldLogger
	said *limiter
}

// A descriptor is waited for in steps that double from shortageStep to shortageStep *
// shortageGrowth, 4 s in all.
const (
	shortageStep     = time.Millisecond
	shortageGrowth   = 256
	shortageAttempts = 23
)

func (s shortageFS) OpenFile(name string, flag int, perm fs.FileMode) (f disk.File, err error) {
	err = s.retry(func() error { f, err = s.FS.OpenFile(name, flag, perm); return err })
	return f, err
}

func (s shortageFS) List(dir string) (names []string, err error) {
	err = s.retry(func() error { names, err = s.FS.List(dir); return err })
	return names, err
}

func (s shortageFS) SyncDir(dir string) error {
	return s.retry(func() error { return s.FS.SyncDir(dir) })
}

// retry gives up with an error that wraps [ErrNoDescriptor].
func (s shortageFS) retry(do func() error) error {
	step := shortageStep
	for range shortageAttempts {
		err := do()
		if !noDescriptor(err) {
			return err
		}
		s.said.do(time.Now(), func(suppressed int) {
			s.log.WithError(err).WithField("suppressed", suppressed).Warn("no file descriptor is left: the store retries. " +
				"Raise the limit of open files (LimitNOFILE= in the systemd unit, ulimit -n)")
		})
		time.Sleep(step)
		step = min(2*step, shortageStep*shortageGrowth)
	}
	if err := do(); noDescriptor(err) {
		return fmt.Errorf("%w: %w", ErrNoDescriptor, err)
	} else {
		return err
	}
}

// noDescriptor reports whether err says that the process or the machine has no file
// descriptor left.
func noDescriptor(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}
