package disk_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pumphouse/internal/disk"
	"pumphouse/internal/disk/faultfs"
)

var errPower = errors.New("the power is gone")

// failAt has the change with a number, and all after it, fail.
func failAt(disk *faultfs.FS, at int) {
	n := 0
	disk.Inject(func(faultfs.Op) faultfs.Fault {
		if n++; n >= at {
			return faultfs.Fault{Err: errPower, Short: n % 3}
		}
		return faultfs.Fault{}
	})
}

// write writes a file and gives the file system with it.
func write(t *testing.T, name, text string) *faultfs.FS {
	t.Helper()
	fsys := faultfs.New()
	if err := errors.Join(disk.MkdirAll(fsys, filepath.Dir(name), 0o700), disk.WriteFile(fsys, name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return fsys
}

// After a crash at any moment the file is the old one or the new one, and the new one if WriteFile had ended;
// the directory that MkdirAll made is there.
func TestWriteFile(t *testing.T) {
	const name = "data/of/node"
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		fsys := write(t, name, "old")
		failAt(fsys, 1+rnd.IntN(6))
		err := disk.WriteFile(fsys, name, []byte("new"), 0o600)
		if seed%4 == 0 {
			rnd = nil // nothing survives that was not synced
		}
		got, rerr := disk.ReadFile(fsys.Crash(rnd), name)
		if rerr != nil || string(got) != "new" && (err == nil || string(got) != "old") {
			t.Fatalf("seed %d: after a crash the file is %q, %v; WriteFile gave %v", seed, got, rerr, err)
		}
	}
	if got, err := disk.ReadFile(write(t, name, "old").Crash(nil), name); string(got) != "old" {
		t.Errorf("a crash after WriteFile leaves %q, %v", got, err)
	}
}

// What a crash takes that the fault file system is for: names, not only contents.
func TestNamesAreLost(t *testing.T) {
	fsys := write(t, "d/a", "a")
	f, err := disk.Create(fsys, "d/b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("b"), 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), fsys.Rename("d/a", "d/c"), fsys.Mkdir("d/e", 0o700)); err != nil {
		t.Fatal(err)
	}
	after := fsys.Crash(nil)
	names, err := after.List("d")
	if err != nil || len(names) != 1 || names[0] != "a" {
		t.Errorf("without a sync of the directory there is %q, %v", names, err)
	}
	if _, err := disk.Create(after, "d/e/f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that was not synced: %v", err)
	}
	if err := fsys.SyncDir("d"); err != nil {
		t.Fatal(err)
	}
	if names, _ := fsys.Crash(nil).List("d"); len(names) != 2 {
		t.Errorf("with a sync of the directory there is %q", names)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // the second time it is there
		if err := disk.MkdirAll(disk.OS{}, dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := disk.MkdirAll(disk.OS{}, filepath.Join(dir, "file", "c"), 0o700); err == nil {
		t.Error("a directory was made in a file")
	}
	if err := disk.WriteFile(disk.OS{}, filepath.Join(dir, "none", "x"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in no directory: %v", err)
	}
}
