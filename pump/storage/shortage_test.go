package storage_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"golang.org/x/sys/unix"

	"pumphouse/internal/disk"
	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// said closes a channel at the first log entry with a text.
type said struct {
	text string
	done chan struct{}
}

func (h *said) Levels() []logrus.Level { return logrus.AllLevels }

func (h *said) Fire(e *logrus.Entry) error {
	if strings.Contains(e.Message, h.text) {
		select {
		case <-h.done:
		default:
			close(h.done)
		}
	}
	return nil
}

// TestAShortageOfDescriptorsPasses takes every descriptor away while the log and the index go
// on to their next files, and gives them back when the store says that it waits.
func TestAShortageOfDescriptorsPasses(t *testing.T) {
	disk := faultfs.New()
	waits := &said{"no file descriptor is left", make(chan struct{})}
	log, _ := logtest.NewNullLogger()
	log.AddHook(waits)
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 14, Logger: log}
	s := open(t, opts)
	disk.SetMaxOpen(disk.OpenFiles())
	go func() {
		<-waits.done
		disk.SetMaxOpen(0)
	}()
	var want []nodes.TSO
	for ts := nodes.TSO(1); ts < 400; ts += 2 { // of 200 bytes: several segments
		put(t, s, pre(ts, 200), com(ts, ts+1))
		want = append(want, ts+1)
	}
	<-waits.done
	if got := delivered(t, s, 0); !slices.Equal(got, want) || s.Failed() != nil {
		t.Errorf("%d of %d transactions are delivered, failure %v", len(got), len(want), s.Failed())
	}
	opts.FS = disk.Crash(nil)
	if got := delivered(t, open(t, opts), 0); !slices.Equal(got, want) {
		t.Errorf("%d of %d transactions are left after a crash", len(got), len(want))
	}
}

// TestALastingShortageOfDescriptors refuses writes with what it is, and takes them again.
func TestALastingShortageOfDescriptors(t *testing.T) {
	disk := faultfs.New()
	s := open(t, storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 14})
	disk.SetMaxOpen(disk.OpenFiles())
	ts, err := nodes.TSO(1), error(nil)
	for ; err == nil; ts += 2 {
		err = s.Append(context.Background(), pre(ts, 200))
	}
	if !errors.Is(err, storage.ErrNoDescriptor) || !strings.Contains(err.Error(), "LimitNOFILE") || s.Failed() != nil {
		t.Fatalf("refused with %v, failure %v", err, s.Failed())
	}
	disk.SetMaxOpen(0)
	put(t, s, pre(ts, 200), com(ts, 2*ts))
	for start := nodes.TSO(1); start < ts-2; start += 2 { // ts-2 was refused
		put(t, s, com(start, ts+start))
	}
	if got, want := len(delivered(t, s, 0)), int(ts-3)/2+1; got != want {
		t.Errorf("%d transactions are delivered, want %d", got, want)
	}
}

// TestTheLogIsSyncedWithoutADescriptor: what is synced in the background has its file open.
func TestTheLogIsSyncedWithoutADescriptor(t *testing.T) {
	disk := faultfs.New()
	s := open(t, storage.Options{Dir: "d", FS: disk})
	disk.SetMaxOpen(disk.OpenFiles())
	synced := make(chan struct{}, 100)
	put(t, s, pre(1, 20), com(1, 2))
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == "sync" && strings.HasPrefix(op.Name, "log") {
			synced <- struct{}{}
		}
		return faultfs.Fault{}
	})
	for range 2 { // the second begins when the first is through
		select {
		case <-synced:
		case <-time.After(time.Minute):
			t.Fatal("the log is not synced")
		}
	}
	after := disk.Crash(nil)
	if got := delivered(t, open(t, storage.Options{Dir: "d", FS: after}), 0); !slices.Equal(got, []nodes.TSO{2}) || s.Failed() != nil {
		t.Errorf("%v is left after a crash, failure %v", got, s.Failed())
	}
}

// TestSyncOfAClosedFile is what a background sync meets when the writer goes on to the next
// segment.
func TestSyncOfAClosedFile(t *testing.T) {
	f, err := disk.Create(disk.OS{}, filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("sync of a closed file: %v", err)
	}
}

// TestDecideWithoutADescriptor: a decision that could not be written is not answered with success.
func TestDecideWithoutADescriptor(t *testing.T) {
	disk := faultfs.New()
	s := open(t, storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 400})
	put(t, s, pre(10, 250)) // fills the segment
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == "create" {
			return faultfs.Fault{Err: unix.EMFILE}
		}
		return faultfs.Fault{}
	})
	if _, err := s.Decide(t.Context(), 10, 0); !errors.Is(err, storage.ErrNoDescriptor) {
		t.Errorf("error %v, want %v", err, storage.ErrNoDescriptor)
	}
	if _, total := s.ListUnresolved(1, 0); total != 1 || s.Failed() != nil {
		t.Errorf("%d unresolved, failure %v", total, s.Failed())
	}
	disk.Inject(nil)
	if _, err := s.Decide(t.Context(), 10, 0); err != nil {
		t.Error(err)
	}
}
