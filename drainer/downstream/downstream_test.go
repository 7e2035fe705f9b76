package downstream

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer"
)

// nobody is an address where nobody listens.
func nobody(t *testing.T) (host string, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "127.0.0.1", l.Addr().(*net.TCPAddr).Port
}

// What cannot be opened is nil, so that nobody closes it.
func TestNothingIsOpenedInVain(t *testing.T) {
	host, port := nobody(t)
	dir := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]drainer.Downstream{
		"file":  File{Dir: dir},
		"kafka": Kafka{Addrs: []string{net.JoinHostPort(host, strconv.Itoa(port))}},
		"mysql": &MySQL{Host: host, Port: port},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			site := drainer.Site{ClusterID: 7, NodeID: "n", DataDir: t.TempDir(), Logger: logrus.New(), Executed: func(string, time.Duration) {}, Trouble: func(error) {}}
			if store, err := d.Checkpoint(ctx, site); err != nil && store != nil {
				t.Errorf("a checkpoint %T beside %v", store, err)
			}
			s, err := d.Open(ctx, site, 1<<40, 1<<41)
			if err == nil {
				t.Fatal("it opens")
			}
			if s != nil {
				t.Errorf("a sink %T beside %v", s, err)
			}
		})
	}
}
