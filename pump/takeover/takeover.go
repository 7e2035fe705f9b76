package takeover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
	"pumphouse/pump/oldlog"
	"pumphouse/pump/storage"
)

// Names below the data directory.
const (
	valueDir = "value"
	indexDir = "kv"
	oldDir   = "old"
	staging  = ".importing" // appended to the name of the store's directory
)

// Options say what is taken over.
type Options struct {
	DataDir string // of the pump; the caller has locked it
	Store   storage.Options
	// Sorted is the commit TS up to which upstream's pump had its binlogs in order, by its record in PD; 0:
	// there is none.
	Sorted nodes.TSO
	// KeepFree is how many bytes must be free on the disk when all is done.
	KeepFree uint64
	// Begin is called before the first record is imported, if there is anything to import; what it returns, when the
	// import ends. nil: nobody wants to know.
	Begin  func(*Progress) (end func())
	Logger logrus.FieldLogger

	saveBytes int64 // 0: the constant
}

// job is a data directory in the middle of being taken over.
type job struct {
	Options
	value, into string
	progress    *Progress
}

// Run takes over the binlogs of an upstream pump, if there are any in the data directory. It may be
// interrupted by ctx, and goes on the next time. The errors wrap a [*oldlog.DamageError], a [*SpaceError], or what the
// store or the disk says.
func Run(ctx context.Context, opts Options) error {
	if opts.saveBytes == 0 {
		opts.saveBytes = saveBytes
	}
	j := &job{Options: opts, value: filepath.Join(opts.DataDir, valueDir), into: opts.Store.Dir + staging}
	old, err := exists(j.value)
	if err != nil {
		return err
	}
	begun, err := exists(j.into)
	if err != nil {
		return err
	}
	switch {
	case !old && !begun:
		return nil
	case !begun:
		if err := j.mayBegin(); err != nil {
			return err
		}
	}
	if err := j.fill(ctx, old); err != nil {
		return fmt.Errorf("import the binlogs of an upstream pump from %s: %w", j.value, err)
	}
	return j.swap()
}

// mayBegin refuses to import in front of what a store already holds.
func (j *job) mayBegin() error {
	ours, err := exists(j.Store.Dir)
	if err != nil || !ours {
		return err
	}
	return fmt.Errorf("%s holds the binlogs of an upstream pump, and %s those of this one: which are the pump's? "+
		"If binlogs were written to the upstream pump last, move %s away; if to this one, move %s and %s away. Then start the pump again",
		j.value, j.Store.Dir, j.Store.Dir, j.value, filepath.Join(j.DataDir, indexDir))
}

// fill brings the old log into the store.
func (j *job) fill(ctx context.Context, old bool) error {
	store := j.Store
	store.Dir = j.into
	im, note, err := storage.OpenImport(store)
	if err != nil {
		return err
	}
	st, err := parseState(note)
	if err == nil && !st.Done {
		if !old {
			err = fmt.Errorf("%s is not there any more, and the import into %s is not complete. Put it back and start the pump again", j.value, j.into)
		} else {
			err = j.importLog(ctx, im, st)
		}
	}
	return errors.Join(err, im.Close())
}

// swap puts the store into its place and the old log out of the way. Everything is durable when it begins.
func (j *job) swap() error {
	kept := filepath.Join(j.DataDir, oldDir)
	if err := os.MkdirAll(kept, 0o700); err != nil {
		return err
	}
	now := time.Now()
	for _, name := range []string{valueDir, indexDir} {
		from, to := filepath.Join(j.DataDir, name), filepath.Join(kept, name)
		there, err := exists(from)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if taken, err := exists(to); err != nil {
			return err
		} else if taken { // of an import before
			to += now.UTC().Format(".20060102T150405.000000000")
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	if err := os.Chtimes(kept, now, now); err != nil { // its age is that of the import
		return err
	}
	if err := errors.Join(disk.OS{}.SyncDir(kept), disk.OS{}.SyncDir(j.DataDir)); err != nil {
		return err
	}
	if err := os.Rename(j.into, j.Store.Dir); err != nil {
		return err
	}
	if err := (disk.OS{}).SyncDir(j.DataDir); err != nil {
		return err
	}
	j.Logger.WithField("dir", kept).Info("the binlogs of the upstream pump are imported; its files are kept in old/ until they are older than the GC time, or until pump -forget-old")
	return nil
}

// Kept is the directory with the files of the upstream pump that was taken over, and when that was; "" if
// there is none.
func Kept(dataDir string) (path string, since time.Time, err error) {
	path = filepath.Join(dataDir, oldDir)
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", since, nil
	}
	if err != nil {
		return "", since, err
	}
	return path, st.ModTime(), nil
}

// Forget removes the files of the upstream pump that was taken over.
func Forget(dataDir string) error { return os.RemoveAll(filepath.Join(dataDir, oldDir)) }

// ForgetOlder removes them if the takeover is longer ago than age, and reports whether it did.
func ForgetOlder(dataDir string, age time.Duration, now time.Time) (bool, error) {
	path, since, err := Kept(dataDir)
	if err != nil || path == "" || now.Sub(since) < age {
		return false, err
	}
	return true, Forget(dataDir)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// SpaceError says that the disk is too small for an import.
type SpaceError struct {
	Dir              string
	Need, Free, Keep uint64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("the import needs about %d MiB in %s besides the %d MiB of stop-write-at-available-space, and %d MiB are free. "+
		"Free space there, lower stop-write-at-available-space in [storage], or let the upstream pump remove old binlogs first (its gc); nothing was changed",
		e.Need>>20, e.Dir, e.Keep>>20, e.Free>>20)
}

// Problem implements [nodes.Problematic].
func (e *SpaceError) Problem() nodes.Problem { return nodes.Problem{Code: nodes.ProblemDiskFull} }

// checkSpace refuses an import that the disk has no space for.
func (j *job) checkSpace(l *oldlog.Log, from oldlog.Position) error {
	free, _, err := disk.OS{}.Space(j.DataDir)
	if err != nil {
		return err
	}
	need := spaceFor(uint64(l.Bytes(from)))
	if free < need+j.KeepFree {
		return &SpaceError{Dir: j.DataDir, Need: need, Free: free, Keep: j.KeepFree}
	}
	return nil
}

// spaceFor is how many bytes the store needs for a log of that size. A transaction of one small row takes a quarter
// more here than in the old log, a larger one about the same. The rest is for a segment that is made with its full
// size, the store's reserve, and what is sorted while it waits.
func spaceFor(log uint64) uint64 { return log + log/4 + 160<<20 }
