package pdtest

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
	"pumphouse/nodes/embedpd"
	"pumphouse/nodes/pd"
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
	return NewRestorable(t, nil).View
}

// Restorable is a View of an embedded PD whose clock can go back.
type Restorable struct {
	*View
	t      testing.TB
	opts   embedpd.Options
	server *embedpd.Server
}

// NewRestorable starts an embedded PD with a clock of the test's, nil: the machine's.
func NewRestorable(t testing.TB, now func() time.Time) *Restorable {
	t.Helper()
	r := &Restorable{t: t, opts: embedpd.Options{Addr: "127.0.0.1:0", DataDir: t.TempDir(), Now: now}}
	r.Start()
	t.Cleanup(func() {
		if err := r.server.Close(); err != nil {
			t.Error(err)
		}
	})
	r.opts.Addr = r.server.Addr()
	url := r.server.URL()
	etcd, err := nodes.NewClient([]string{url}, nil, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	clock, err := pd.New(pd.Options{Endpoints: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(clock.Close(), etcd.Close()); err != nil {
			t.Error(err)
		}
	})
	r.View = &View{Etcd: etcd, Registry: nodes.NewRegistry(etcd, 5*time.Second), PD: clock, ClusterID: r.server.ClusterID(), URL: url}
	return r
}

// Start starts a PD that was stopped, with its data and address.
func (r *Restorable) Start() {
	r.t.Helper()
	srv, err := embedpd.New(r.opts)
	if err == nil {
		err = srv.Open(context.Background())
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = srv
}

// Restore restarts the PD as from a backup of the time that its clock shows: it has forgotten which timestamps
// it has given.
func (r *Restorable) Restore() {
	r.t.Helper()
	if _, err := r.Etcd.Delete(context.Background(), boundKey); err != nil {
		r.t.Fatal(err)
	}
	r.Stop()
	r.Start()
}

// Stop ends the PD; its clients stay. The test starts it again.
func (r *Restorable) Stop() {
	r.t.Helper()
	if err := r.server.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// boundKey is where the embedded PD keeps the time below which all its timestamps are.
const boundKey = "/pumphouse/embedpd/tso-bound"
