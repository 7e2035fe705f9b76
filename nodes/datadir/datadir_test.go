package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pumphouse/internal/disk"
	"pumphouse/nodes/datadir"
)

func TestNodeIDIsDecidedOnce(t *testing.T) {
	path := t.TempDir()
	dir, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if id, err := dir.NodeID("", "10.0.0.1:8250"); err != nil || id != host+":8250" {
		t.Fatalf("made from host name and port: %q, %v", id, err)
	}
	// Another port, or another host name, does not make it another node.
	if id, err := dir.NodeID("", "10.0.0.1:9999"); err != nil || id != host+":8250" {
		t.Errorf("kept: %q, %v", id, err)
	}
	if _, err := dir.NodeID("other", "10.0.0.1:8250"); err == nil || !strings.Contains(err.Error(), host+":8250") || !strings.Contains(err.Error(), "-data-dir") {
		t.Errorf("another ID for the same data: %v", err)
	}
}

func TestDataDirBelongsToOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "when missing")
	dir, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(path); !errors.Is(err, disk.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second one: %v", err)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := datadir.Open(path)
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	again.Close()
}

// TestLockedByUpstream: upstream's programs lock .lock with an open file description lock, which flock does not see.
func TestLockedByUpstream(t *testing.T) {
	path := t.TempDir()
	theirs, err := os.OpenFile(filepath.Join(path, ".lock"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.FcntlFlock(theirs.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(path); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("while it is locked: %v", err)
	}
	theirs.Close()
	dir, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	theirs, err = os.OpenFile(filepath.Join(path, ".lock"), os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := unix.FcntlFlock(theirs.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("one of upstream's beside ours: %v", err)
	}
}
