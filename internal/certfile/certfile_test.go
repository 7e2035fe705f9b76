package certfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pumphouse/internal/certfile"
	"pumphouse/testsuite/pdtest"
)

// files are a certificate's files at paths of their own, and what was reported of them.
type files struct {
	cert, key string
	reports   []string
}

func (f *files) report(err error) { f.reports = append(f.reports, err.Error()) }

// recheck goes on to when files are looked at again. It is called in a bubble, where time passes at once.
func recheck() { time.Sleep(certfile.Recheck) }

func TestPairIsReadAgain(t *testing.T) { synctest.Test(t, pairIsReadAgain) }

func pairIsReadAgain(t *testing.T) {
	first, second := pdtest.NewCerts(t), pdtest.NewCerts(t)
	dir := t.TempDir()
	f := &files{cert: filepath.Join(dir, "cert"), key: filepath.Join(dir, "key")}
	pdtest.Replace(t, f.cert, first.CertFile)
	pdtest.Replace(t, f.key, first.KeyFile)
	p, err := certfile.NewPair(f.cert, f.key, f.report)
	if err != nil {
		t.Fatal(err)
	}
	was := p.Get().Certificate[0]

	pdtest.Replace(t, f.cert, second.CertFile) // the key does not fit yet
	if !bytes.Equal(p.Get().Certificate[0], was) || len(f.reports) > 0 {
		t.Errorf("files are looked at more than twice a second: %q", f.reports)
	}
	for range 3 {
		recheck()
		if !bytes.Equal(p.Get().Certificate[0], was) {
			t.Fatal("a certificate without its key is in use")
		}
	}
	if len(f.reports) != 1 || !strings.Contains(f.reports[0], f.cert) || !strings.Contains(f.reports[0], "stays in use") {
		t.Errorf("reported %q, want one line that names the files", f.reports)
	}
	pdtest.Replace(t, f.key, second.KeyFile)
	recheck()
	if bytes.Equal(p.Get().Certificate[0], was) {
		t.Error("the renewed certificate is not in use")
	}
	was = p.Get().Certificate[0]
	if err := os.Remove(f.key); err != nil {
		t.Fatal(err)
	}
	recheck()
	if !bytes.Equal(p.Get().Certificate[0], was) || len(f.reports) != 2 {
		t.Errorf("without its file the key is not kept, or nothing was reported: %q", f.reports)
	}
}

func TestPoolIsReadAgain(t *testing.T) { synctest.Test(t, poolIsReadAgain) }

func poolIsReadAgain(t *testing.T) {
	first, second := pdtest.NewCerts(t), pdtest.NewCerts(t)
	path := filepath.Join(t.TempDir(), "ca")
	pdtest.Replace(t, path, first.CAFile)
	p, err := certfile.NewPool(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	was := p.Get()
	pdtest.Replace(t, path, second.KeyFile) // no certificate
	recheck()
	if !p.Get().Equal(was) {
		t.Error("authorities were lost to a file without any")
	}
	pdtest.Replace(t, path, second.CAFile)
	recheck()
	if p.Get().Equal(was) {
		t.Error("the new authority is not in use")
	}
}

func TestFirstReadingFails(t *testing.T) {
	c := pdtest.NewCerts(t)
	if _, err := certfile.NewPair(c.CertFile, c.CAFile, nil); err == nil || !strings.Contains(err.Error(), c.CAFile) {
		t.Errorf("a key that is none: %v", err)
	}
	if _, err := certfile.NewPool(c.KeyFile, nil); err == nil || !strings.Contains(err.Error(), c.KeyFile) {
		t.Errorf("a CA that is none: %v", err)
	}
	if _, err := certfile.NewPool(c.KeyFile+"?", nil); err == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a CA that is not there: %v", err)
	}
}
