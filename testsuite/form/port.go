package form

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Ports of tests lie below the range that the kernel takes ports of connections and of port 0 from. Each
// process of tests has blocks of them for itself.
const (
	lowPort, highPort = 12000, 32000
	portBlock         = 100
)

var ports struct {
	sync.Mutex
	free  []int
	locks []*os.File // held for as long as the process lives
}

// Port is a TCP port of 127.0.0.1 where nobody listens, another one at each call and in each process, so
// that a server that is stopped for a while finds its port free again, and nobody answers where nobody is to.
func Port(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for {
		for len(ports.free) > 0 {
			port := ports.free[0]
			ports.free = ports.free[1:]
			if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				l.Close()
				return port
			}
		}
		first, lock, err := takePortBlock(filepath.Join(os.TempDir(), "pumphouse-test-ports"))
		if err != nil {
			t.Fatalf("no free port on 127.0.0.1: %v", err)
		}
		ports.locks = append(ports.locks, lock)
		for port := first; port < first+portBlock; port++ {
			ports.free = append(ports.free, port)
		}
	}
}

// takePortBlock locks a block that nobody has, one at random, so that a port is not soon used again. It
// gives the first port and what holds the lock.
func takePortBlock(dir string) (first int, lock *os.File, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, nil, err
	}
	for _, i := range rand.Perm((highPort - lowPort) / portBlock) { // not of the run's seed: runs beside each other would meet
		first := lowPort + i*portBlock
		lock, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(first)), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return 0, nil, err
		}
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return first, lock, nil
		}
		lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return 0, nil, err
		}
	}
	return 0, nil, errors.New("other processes have all of them")
}

// Addr is 127.0.0.1 with a port where nobody listens (see [Port]).
func Addr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Port(t))
}
