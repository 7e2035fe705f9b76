package pdtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/embedpd"
	"pumphouse/nodes/pd"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// View is a PD as nodes in the test's process see it.
type View struct {
	Etcd      *clientv3.Client
	Registry  *nodes.Registry
	PD        *pd.Client
	ClusterID uint64
	URL       string
}

// NewView starts an embedded PD that stays where it is, and what nodes in the test's process
// use it with. All of it ends with the test.
func NewView(t testing.TB) *View {
	t.Helper()
	srv, err := embedpd.New(embedpd.Options{Addr: "127.0.0.1:0", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	etcd, err := nodes.NewClient([]string{srv.URL()}, nil, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	clock, err := pd.New(pd.Options{Endpoints: []string{srv.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(clock.Close(), etcd.Close(), srv.Close()); err != nil {
			t.Error(err)
		}
	})
	return &View{Etcd: etcd, Registry: nodes.NewRegistry(etcd, 5*time.Second), PD: clock, ClusterID: srv.ClusterID(), URL: srv.URL()}
}
