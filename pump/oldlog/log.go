package oldlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pumphouse/nodes"
)

// Position is a place in a log, between two records.
type Position struct {
	File   uint32 // number of the file
	Offset int64  // in bytes
}

// Log is the value log in a directory. It is not written to while it is read.
type Log struct {
	Dir   string
	files []file // by number
}

type file struct {
	no       uint32
	path     string
	size     int64
	finished bool // it has a footer
}

// end is where the records end.
func (f *file) end() int64 {
	if f.finished {
		return f.size - footerSize
	}
	return f.size
}

// DamageError says that a log does not hold what was written to it.
type DamageError struct {
	File   string
	Offset int64 // of the first byte that is wrong
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Problem implements [nodes.Problematic].
func (e *DamageError) Problem() nodes.Problem { return nodes.Problem{Code: nodes.ProblemDataDamaged} }

// Open looks at the files in dir. A directory that does not exist is an empty log. A missing file is a [*DamageError].
func Open(dir string) (*Log, error) {
	l := &Log{Dir: dir}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the value log: %w", err)
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), extension)
		no, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || e.IsDir() {
			continue
		}
		f := file{no: uint32(no), path: filepath.Join(dir, e.Name())}
		if err := f.look(); err != nil {
			return nil, err
		}
		l.files = append(l.files, f)
	}
	slices.SortFunc(l.files, func(a, b file) int { return int(int64(a.no) - int64(b.no)) })
	for i := 1; i < len(l.files); i++ {
		if want := l.files[i-1].no + 1; l.files[i].no != want {
			return nil, &DamageError{File: filepath.Join(dir, fmt.Sprintf("%06d%s", want, extension)), Reason: "it is missing"}
		}
	}
	return l, nil
}

// look finds out the size of a file and whether it is finished.
func (f *file) look() error {
	r, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer r.Close()
	st, err := r.Stat()
	if err != nil {
		return err
	}
	f.size = st.Size()
	if f.size < footerSize {
		return nil
	}
	var magic [4]byte
	if _, err := r.ReadAt(magic[:], f.size-4); err != nil {
		return fmt.Errorf("read the footer of %s: %w", f.path, err)
	}
	f.finished = binary.LittleEndian.Uint32(magic[:]) == footerMagic
	return nil
}

// Files is how many files the log has.
func (l *Log) Files() int { return len(l.files) }

// First is the number of the oldest file. If it is not 0, older ones have been removed.
func (l *Log) First() uint32 {
	if len(l.files) == 0 {
		return 0
	}
	return l.files[0].no
}

// Bytes is the size of the files from a position on, in bytes.
func (l *Log) Bytes(from Position) (n int64) {
	for _, f := range l.files {
		switch {
		case f.no > from.File:
			n += f.size
		case f.no == from.File:
			n += max(f.size-from.Offset, 0)
		}
	}
	return n
}
