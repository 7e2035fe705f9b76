package drainer_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
)

// timeout is how long anything may take that should happen soon.
const timeout = time.Minute

// rig is a PD for one machine and what tests do with drainers that use it.
type rig struct {
	testing.TB
	etcd     *clientv3.Client
	registry *nodes.Registry
	pd       *pd.Client
	cluster  uint64
}

func newRig(t testing.TB) *rig {
	t.Helper()
	v := pdtest.NewView(t)
	return &rig{TB: t, etcd: v.Etcd, registry: v.Registry, pd: v.PD, cluster: v.ClusterID}
}

// options are those of a drainer that writes files.
func (r *rig) options(id string) drainer.Options {
	return drainer.Options{Options: life.Options{NodeID: id, Addr: "127.0.0.1:0", DataDir: r.TempDir(), Registry: r.registry, PD: r.pd},
		Schema: schema.Dir(r.TempDir()), Downstream: downstream.File{}, InitialCommitTS: -1}
}

func (r *rig) open(o drainer.Options) *drainer.Drainer {
	r.Helper()
	d, err := drainer.New(o)
	if err != nil {
		r.Fatal(err)
	}
	if err := d.Open(context.Background()); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { d.Close() })
	return d
}

func (r *rig) tso() nodes.TSO {
	r.Helper()
	ts, err := r.pd.TSO(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	return ts
}

func (r *rig) record(id string) nodes.Record {
	r.Helper()
	e, err := r.registry.Get(context.Background(), nodes.Drainer, id)
	if err != nil {
		r.Fatal(err)
	}
	return e.Record
}

// set writes a state into a drainer's record, as CHANGE DRAINER does.
func (r *rig) set(id string, s nodes.State) {
	r.Helper()
	if _, _, err := r.registry.SetState(context.Background(), nodes.Drainer, id, s, nil); err != nil {
		r.Fatal(err)
	}
}

// reaches waits until the record says a state.
func (r *rig) reaches(id string, s nodes.State) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if _, err := nodes.WaitState(ctx, r.registry, nodes.Drainer, id, s); err != nil {
		r.Fatal(err)
	}
}

// ends waits for the end of a drainer and gives its error.
func (r *rig) ends(d *drainer.Drainer) error {
	r.Helper()
	over := make(chan error, 1)
	go func() { over <- d.Wait() }()
	select {
	case err := <-over:
		return err
	case <-time.After(timeout):
		r.Fatalf("the drainer does not end:\n%s", stacks())
		return nil
	}
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}

// call is one HTTP request; the answer's JSON goes into out.
func (r *rig) call(method, url string, out any) int {
	r.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		r.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	if text, ok := out.(*string); ok {
		*text = string(body)
	} else if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			r.Fatalf("%s %s: %v: %s", method, url, err, body)
		}
	}
	return resp.StatusCode
}

// eventually waits for what another goroutine brings about.
func (r *rig) eventually(what string, done func() bool) {
	r.Helper()
	for end := time.Now().Add(timeout); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("%s does not happen", what)
		}
	}
}

// logged is a log that can be searched.
type logged struct{ form.Lines }

func (l *logged) logger() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(l)
	return log
}

// stuck is a downstream that takes nothing: what is handed to it waits until it is given up.
type stuck struct {
	downstream.File
	flushing chan struct{} // gets one when Flush is called
}

func (s *stuck) Open(_ context.Context, _ drainer.Site, from, _ nodes.TSO) (sink.Sink, error) {
	return &stuckSink{at: from, s: s}, nil
}

type stuckSink struct {
	at nodes.TSO
	s  *stuck
}

func (s *stuckSink) Apply(context.Context, sink.Batch) error { return nil }
func (s *stuckSink) Applied() nodes.TSO                      { return s.at }
func (s *stuckSink) Close() error                            { return nil }
func (s *stuckSink) Flush(ctx context.Context) error {
	s.s.flushing <- struct{}{}
	<-ctx.Done()
	return context.Cause(ctx)
}

// broken is a downstream whose sink cannot be opened.
type broken struct {
	downstream.File
	err error
}

func (b broken) Open(context.Context, drainer.Site, nodes.TSO, nodes.TSO) (sink.Sink, error) {
	return nil, b.err
}
