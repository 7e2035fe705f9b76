package binlogfile

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// GzipSuffix ends the name of a file that is compressed.
const GzipSuffix = ".gz"

var namePattern = regexp.MustCompile(`^binlog-(?:v[^-]*-)?(\d{16})(?:-\d{14})?(?:\.gz)?$`)

// Name is what the file with a number is called when its first transaction is at ts.
func Name(number uint64, ts nodes.TSO) string {
	return fmt.Sprintf("binlog-%016d-%s", number, ts.Time().In(time.Local).Format("20060102150405"))
}

// File is a file in the directory.
type File struct {
	Path   string
	Number uint64
}

// Compressed reports whether the file is compressed as a whole.
func (f File) Compressed() bool { return strings.HasSuffix(f.Path, GzipSuffix) }

// ParseName reports whether a name is that of a binlog file, ours or one of the older forms of
// upstream.
func ParseName(name string) (number uint64, ok bool) {
	m := namePattern.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	number, err := strconv.ParseUint(m[1], 10, 64)
	return number, err == nil
}

// List gives the binlog files of a directory in order. When both forms of a file are there,
// because a crash came between making one and removing the other, it is the compressed one,
// which is complete.
func List(fsys disk.FS, dir string) ([]File, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list the binlog files: %w", err)
	}
	var files []File
	for _, name := range names {
		if number, ok := ParseName(name); ok {
			files = append(files, File{filepath.Join(dir, name), number})
		}
	}
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(b.Path, a.Path))
	})
	return slices.CompactFunc(files, func(a, b File) bool {
		return strings.TrimSuffix(a.Path, GzipSuffix) == strings.TrimSuffix(b.Path, GzipSuffix)
	}), nil
}

// Files gives the paths of the binlog files of a directory, in order.
func Files(dir string) ([]string, error) { return FilesOn(disk.OS{}, dir) }

// FilesOn is [Files] on any file system.
func FilesOn(fsys disk.FS, dir string) ([]string, error) {
	files, err := List(fsys, dir)
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	return paths, err
}
