package rig

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
	"pumphouse/nodes/pd"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
)

// Pumps is a PD and what tests do with the pumps and drainers it knows.
type Pumps struct {
	T         testing.TB
	Endpoints []string
	Etcd      *clientv3.Client
	Registry  *nodes.Registry
	PD        *pd.Client
	ClusterID uint64
	TLS       *tls.Config
}

func NewPumps(t testing.TB, c *pdtest.Cluster) *Pumps {
	t.Helper()
	clock, err := pd.New(pd.Options{Endpoints: c.Endpoints(), TLS: c.TLS()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clock.Close() })
	cli := c.Etcd()
	return &Pumps{T: t, Endpoints: c.Endpoints(), Etcd: cli, Registry: nodes.NewRegistry(cli, 10*time.Second),
		PD: clock, ClusterID: c.ClusterID(), TLS: c.TLS()}
}

// In gives the same for a subtest, which begins with no node in PD.
func (c *Pumps) In(t testing.TB) *Pumps {
	t.Helper()
	own := *c
	own.T = t
	if _, err := c.Etcd.Delete(t.Context(), "/tidb-binlog/v1/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	return &own
}

// Start runs a new pump on a free port and waits until it is online.
func (c *Pumps) Start(id string, args ...string) *PumpNode {
	c.T.Helper()
	n := c.Node(id, args...)
	n.Launch()
	return n
}

// Node prepares one that is started later.
func (c *Pumps) Node(id string, args ...string) *PumpNode {
	c.T.Helper()
	dir := c.T.TempDir()
	config := filepath.Join(dir, "pump.toml")
	// The machine that tests may have little space.
	if err := os.WriteFile(config, []byte("[storage]\nstop-write-at-available-space = \"1 MiB\"\n"), 0o600); err != nil {
		c.T.Fatal(err)
	}
	n := &PumpNode{c: c, ID: id, Addr: "127.0.0.1:0"}
	n.Args = append([]string{"-config", config, "-node-id", id, "-data-dir", filepath.Join(dir, "data"),
		"-pd-urls", strings.Join(c.Endpoints, ","), "-heartbeat-interval", "1", "-log-format", "logfmt"}, args...)
	return n
}

// Record is what PD holds of a pump.
func (c *Pumps) Record(id string) nodes.Record {
	c.T.Helper()
	e, err := c.Registry.Get(c.T.Context(), nodes.Pump, id)
	if err != nil {
		c.T.Fatal(err)
	}
	return e.Record
}

// Binlogctl runs the real tool and gives what it printed; ok tells its exit code.
func (c *Pumps) Binlogctl(args ...string) (output string, ok bool) {
	c.T.Helper()
	cmd := exec.Command(programs.Path("binlogctl"), append([]string{"-pd-urls", strings.Join(c.Endpoints, ",")}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.T.Fatal(err)
	}
	return string(out), err == nil
}

// Drainer puts a drainer's record into PD.
func (c *Pumps) Drainer(id, host string, state nodes.State, consumed nodes.TSO) {
	c.T.Helper()
	raw, err := nodes.EncodeRecord(nodes.Record{NodeID: id, Host: host, State: state, MaxCommitTS: consumed, UpdateTS: c.TSO()})
	if err != nil {
		c.T.Fatal(err)
	}
	Put(c.T, c.Etcd, nodes.Drainer.Key(id), string(raw))
}

func (c *Pumps) TSO() nodes.TSO {
	c.T.Helper()
	ts, err := c.PD.TSO(c.T.Context())
	if err != nil {
		c.T.Fatal(err)
	}
	return ts
}

// History collects the states that PD shows for a pump from now on, but for the one it has already;
// the function waits until they are those wanted.
func (c *Pumps) History(id string) func(want ...nodes.State) {
	c.T.Helper()
	return c.states(nodes.Pump.Key(id))
}

// states is history for the record of any node.
func (c *Pumps) states(key string) func(want ...nodes.State) {
	c.T.Helper()
	ctx, cancel := context.WithCancel(c.T.Context())
	now, err := c.Etcd.Get(ctx, key)
	if err != nil {
		c.T.Fatal(err)
	}
	var last nodes.State // a heartbeat may write it again
	if len(now.Kvs) > 0 {
		r, err := nodes.DecodeRecord(now.Kvs[0].Value)
		if err != nil {
			c.T.Fatal(err)
		}
		last = r.State
	}
	watch := c.Etcd.Watch(ctx, key, clientv3.WithRev(now.Header.Revision+1))
	return func(want ...nodes.State) {
		c.T.Helper()
		defer cancel()
		var seen []nodes.State
		for late := time.After(Timeout); !slices.Equal(seen, want); {
			select {
			case resp := <-watch:
				for _, e := range resp.Events {
					var r nodes.Record // of no state: the record is removed
					if e.IsCreate() || e.IsModify() {
						if r, err = nodes.DecodeRecord(e.Kv.Value); err != nil {
							c.T.Fatal(err)
						}
					}
					if r.State != last {
						seen, last = append(seen, r.State), r.State
					}
				}
			case <-late:
				c.T.Fatalf("%s went through the states %q, want %q", key, seen, want)
			}
		}
	}
}

// Host is the address in a drainer's record.
func (c *Pumps) Host(id string) string {
	c.T.Helper()
	e, err := c.Registry.Get(c.T.Context(), nodes.Drainer, id)
	if err != nil {
		c.T.Fatal(err)
	}
	return e.Record.Host
}
