package tidbtest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"pumphouse/testsuite/form"
)

const (
	unistoreReady = 30 * time.Second
	unistoreGrace = 10 * time.Second
)

// Storage is a running unistore: what PD and TiDB take for a TiKV. It needs a real
// pd-server, and it has to be the first and only store of the cluster.
type Storage struct {
	Addr string // host:port

	pd      string
	dir     string
	path    string
	process *process
}

// StartUnistore runs a storage for the PD at these client URLs (or host:port) and returns when it serves.
func StartUnistore(t testing.TB, pd string) *Storage {
	t.Helper()
	s := &Storage{
		Addr: fmt.Sprintf("127.0.0.1:%d", form.Port(t)),
		pd:   pd, dir: t.TempDir(),
		path: binary(t, "testsuite/tidb/build.sh", "unistore"),
	}
	s.Start(t)
	return s
}

// Start runs the storage again, after Stop or Kill, with its data and at its address.
func (s *Storage) Start(t testing.TB) {
	t.Helper()
	s.process = start(t, "unistore", s.dir, unistoreGrace, s.path,
		"-addr", s.Addr, "-pd", hostPorts(s.pd), "-data-dir", "data")
	// It listens before it knows PD, so an accepted connection says nothing: the first bytes of HTTP/2 do.
	conn, err := grpc.NewClient(s.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := s.process.await(unistoreReady, func() error {
		conn.Connect()
		if state := conn.GetState(); state != connectivity.Ready {
			return fmt.Errorf("connection to %s is %s", s.Addr, state)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the storage with SIGTERM and waits for it: everything committed is on disk.
func (s *Storage) Stop() { s.process.stop(unistoreGrace) }

// Freeze stops the storage's process where it is, as a machine does that hangs, until Thaw.
func (s *Storage) Freeze() error { return s.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen storage go on, with the requests that have come meanwhile.
func (s *Storage) Thaw() error { return s.process.cmd.Process.Signal(syscall.SIGCONT) }

// Kill ends the storage with SIGKILL and waits for it: the locks of transactions in flight are lost.
func (s *Storage) Kill() { s.process.kill() }
