package file

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/disk"
)

const (
	gzipSuffix = ".gz"
	tmpSuffix  = ".tmp"
)

var namePattern = regexp.MustCompile(`^binlog-(?:v[^-]*-)?(\d{16})(?:-\d{14})?(?:\.gz)?$`)

// Name is what the file with a number is called when its first transaction is at ts.
func Name(number uint64, ts nodes.TSO) string {
	return fmt.Sprintf("binlog-%016d-%s", number, ts.Time().In(time.Local).Format("20060102150405"))
}

// binlogFile is a file in the directory.
type binlogFile struct {
	path   string
	number uint64
}

func (f binlogFile) compressed() bool { return strings.HasSuffix(f.path, gzipSuffix) }

// parseName reports whether a name is that of a binlog file, ours or one of the older forms of
// upstream.
func parseName(name string) (number uint64, ok bool) {
	m := namePattern.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	number, err := strconv.ParseUint(m[1], 10, 64)
	return number, err == nil
}

// list gives the binlog files of a directory in order. When both forms of a file are there,
// because a crash came between making one and removing the other, it is the compressed one,
// which is complete.
func list(fsys disk.FS, dir string) ([]binlogFile, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list the binlog files: %w", err)
	}
	var files []binlogFile
	for _, name := range names {
		if number, ok := parseName(name); ok {
			files = append(files, binlogFile{filepath.Join(dir, name), number})
		}
	}
	slices.SortFunc(files, func(a, b binlogFile) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(b.path, a.path))
	})
	return slices.CompactFunc(files, func(a, b binlogFile) bool {
		return strings.TrimSuffix(a.path, gzipSuffix) == strings.TrimSuffix(b.path, gzipSuffix)
	}), nil
}

// Files gives the paths of the binlog files of a directory, in order.
func Files(dir string) ([]string, error) { return FilesOn(disk.OS{}, dir) }

// FilesOn is [Files] on any file system.
func FilesOn(fsys disk.FS, dir string) ([]string, error) {
	files, err := list(fsys, dir)
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.path
	}
	return paths, err
}
