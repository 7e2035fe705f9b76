// Package datadir is the data directory of a node: who may work in it, and the node ID that is kept there.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// Dir is a data directory that belongs to this process until it is closed.
type Dir struct {
	Path string
	lock io.Closer
}

// Open makes the directory if it is not there and locks it; see [Lock].
func Open(path string) (*Dir, error) {
	lock, err := Lock(path)
	if err != nil {
		return nil, err
	}
	return &Dir{Path: path, lock: lock}, nil
}

// Close gives the directory back.
func (d *Dir) Close() error { return d.lock.Close() }

// Lock makes sure that no other process works in a data directory, which it makes if it
// is not there; see [disk.FS].
func Lock(dir string) (io.Closer, error) {
	if err := disk.MkdirAll(disk.OS{}, dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := disk.OS{}.Lock(filepath.Join(dir, ".lock"))
	if errors.Is(err, disk.ErrLocked) {
		return nil, nodes.WithProblem(fmt.Errorf("data directory %s is %w; stop that one, or give another data directory (-data-dir)", dir, err), nodes.ProblemTakeover, "")
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return lock, nil
}

// NodeID is the ID that the directory belongs to. wanted wins when it is given (the
// -node-id flag) but must be the one kept there, if one is; with neither it is
// <hostname>:<port of addr>. What is decided first is kept in the file .node, so that a
// changed host name does not make another node.
func (d *Dir) NodeID(wanted, addr string) (string, error) {
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

// KnownNodeID is the ID that a node with this directory will have, as far as can be told before it
// starts: see [Dir.NodeID]. With port 0 it is not known: "".
func KnownNodeID(dataDir, wanted, addr string) string {
	if b, err := os.ReadFile(filepath.Join(dataDir, ".node")); err == nil && strings.TrimSpace(string(b)) != "" {
		return strings.TrimSpace(string(b))
	}
	if wanted != "" {
		return wanted
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
		return ""
	}
	id, _ := hostAndPort(addr)
	return id
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
