package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"pumphouse/nodes/disk"
)

// DataDir is a data directory that belongs to this process until it is closed.
type DataDir struct {
	Path string
	lock io.Closer
}

// OpenDataDir makes the directory if it is not there and locks it; see [LockDir].
func OpenDataDir(path string) (*DataDir, error) {
	lock, err := LockDir(path)
	if err != nil {
		return nil, err
	}
	return &DataDir{Path: path, lock: lock}, nil
}

// Close gives the directory back.
func (d *DataDir) Close() error { return d.lock.Close() }

// NodeID is the ID that the directory belongs to. wanted wins when it is given (the
// -node-id flag) but must be the one kept there, if one is; with neither it is
// <hostname>:<port of addr>. What is decided first is kept in the file .node, so that a
// changed host name does not make another node.
func (d *DataDir) NodeID(wanted, addr string) (string, error) {
	file := filepath.Join(d.Path, ".node")
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the node ID: %w", err)
	}
	kept := strings.TrimSpace(string(b))
	switch {
	case kept != "" && wanted != "" && wanted != kept:
		return "", fmt.Errorf("the data in %s belong to node %s, not to %s: start with -node-id %s, or with another -data-dir (to rename the node for good, edit %s)",
			d.Path, kept, wanted, kept, file)
	case kept != "":
		return kept, nil
	case wanted == "":
		if wanted, err = hostAndPort(addr); err != nil {
			return "", err
		}
	}
	if err := disk.WriteFile(disk.OS{}, file, []byte(wanted+"\n"), 0o640); err != nil {
		return "", fmt.Errorf("keep the node ID: %w", err)
	}
	return wanted, nil
}

func hostAndPort(addr string) (string, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", addr, err)
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("make a node ID: %w: give one with -node-id", err)
	}
	return net.JoinHostPort(host, port), nil
}
