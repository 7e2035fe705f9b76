package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// FileName is the name of the file in a drainer's data directory.
const FileName = "savepoint"

// File is a checkpoint in a file.
type File struct {
	Path string
	FS   disk.FS // nil: disk.OS
}

func (f File) disk() disk.FS {
	if f.FS == nil {
		return disk.OS{}
	}
	return f.FS
}

var _ Store = File{}

// InDir is the checkpoint of the drainer whose data directory is dir.
func InDir(dir string) File { return File{Path: filepath.Join(dir, FileName)} }

// String is the file's path.
func (f File) String() string { return f.Path }

// contents is the file as TOML has it.
type contents struct {
	CommitTS  *int64   `toml:"commitTS"`
	ClusterID string   `toml:"clusterID"` // TOML's numbers have 63 bits
	Reached   *[]int64 `toml:"ddl-reached"`
}

// Load reads the file. Errors: [ErrNone] when it does not exist, one that wraps
// [ErrCorrupt], and what reading came to.
func (f File) Load(context.Context) (Position, error) {
	b, err := disk.ReadFile(f.disk(), f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Position{}, fmt.Errorf("%s: %w", f.Path, ErrNone)
	case err != nil:
		return Position{}, fmt.Errorf("read the checkpoint: %w", err)
	}
	p, err := parse(b)
	if err != nil {
		return Position{}, fmt.Errorf("%s: %w: %w; write the line \"commitTS = <the last commit TS that is downstream>\" into it, "+
			"or remove it to begin at -initial-commit-ts", f.Path, ErrCorrupt, err)
	}
	return p, nil
}

func parse(b []byte) (Position, error) {
	var c contents
	if _, err := toml.Decode(string(withoutTimes(b)), &c); err != nil {
		return Position{}, err
	}
	switch {
	case c.CommitTS == nil:
		return Position{}, errors.New("it has no commitTS")
	case *c.CommitTS < 0:
		return Position{}, fmt.Errorf("commitTS %d is negative", *c.CommitTS)
	}
	p := Position{CommitTS: nodes.TSO(*c.CommitTS)}
	if c.ClusterID != "" {
		id, err := strconv.ParseUint(c.ClusterID, 10, 64)
		if err != nil {
			return Position{}, fmt.Errorf("clusterID %q is not a number", c.ClusterID)
		}
		p.ClusterID = id
	}
	if c.Reached != nil {
		p.Reached, p.Exact = *c.Reached, true
	}
	return p, nil
}

// withoutTimes leaves out lines that are nothing but a time in words.
func withoutTimes(b []byte) []byte {
	var kept [][]byte
	for line := range bytes.Lines(b) {
		if !isTime(string(bytes.TrimSpace(line))) {
			kept = append(kept, line)
		}
	}
	return bytes.Join(kept, nil)
}

// isTime knows Go's form of a time: date, time, offset, the zone's name, and perhaps the
// monotonic clock.
func isTime(line string) bool {
	words := strings.Fields(line)
	if len(words) < 4 || len(words) > 5 {
		return false
	}
	_, err := time.Parse("2006-01-02 15:04:05.999999999 -0700", strings.Join(words[:3], " "))
	return err == nil
}

// Save replaces the file, and makes its directory if there is none.
func (f File) Save(_ context.Context, p Position) error {
	text := fmt.Sprintf("commitTS = %d\n", p.CommitTS)
	if p.ClusterID != 0 {
		text += fmt.Sprintf("clusterID = \"%d\"\n", p.ClusterID)
	}
	if p.Exact {
		text += "ddl-reached = ["
		for i, id := range p.Reached {
			if i > 0 {
				text += ", "
			}
			text += strconv.FormatInt(id, 10)
		}
		text += "]\n"
	}
	if err := disk.MkdirAll(f.disk(), filepath.Dir(f.Path), 0o750); err != nil {
		return fmt.Errorf("make the directory of %s: %w", f.Path, err)
	}
	return disk.WriteFile(f.disk(), f.Path, []byte(text), 0o644)
}
