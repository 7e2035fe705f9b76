package testsuite

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/nodes/pd"
	"pumphouse/testsuite/pdtest"
)

// pumps is a PD and what tests do with the pumps and drainers it knows.
type pumps struct {
	t         testing.TB
	endpoints []string
	etcd      *clientv3.Client
	registry  *nodes.Registry
	pd        *pd.Client
	cluster   uint64
	tls       *tls.Config
}

func newPumps(t testing.TB, c *pdtest.Cluster) *pumps {
	t.Helper()
	clock, err := pd.New(pd.Options{Endpoints: c.Endpoints(), TLS: c.TLS()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clock.Close() })
	cli := c.Etcd()
	return &pumps{t: t, endpoints: c.Endpoints(), etcd: cli, registry: nodes.NewRegistry(cli, 10*time.Second),
		pd: clock, cluster: c.ClusterID(), tls: c.TLS()}
}

// in gives the same for a subtest, which begins with no node in PD.
func (c *pumps) in(t testing.TB) *pumps {
	t.Helper()
	own := *c
	own.t = t
	if _, err := c.etcd.Delete(t.Context(), "/tidb-binlog/v1/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	return &own
}

// pumpNode is one node ID and its data; the process may come and go.
type pumpNode struct {
	*proc
	c    *pumps
	id   string
	addr string
	args []string
}

// start runs a new pump on a free port and waits until it is online.
func (c *pumps) start(id string, args ...string) *pumpNode {
	c.t.Helper()
	n := c.node(id, args...)
	n.launch()
	return n
}

// node prepares one that is started later.
func (c *pumps) node(id string, args ...string) *pumpNode {
	c.t.Helper()
	dir := c.t.TempDir()
	config := filepath.Join(dir, "pump.toml")
	// The machine that tests may have little space.
	if err := os.WriteFile(config, []byte("[storage]\nstop-write-at-available-space = \"1 MiB\"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	n := &pumpNode{c: c, id: id, addr: "127.0.0.1:0"}
	n.args = append([]string{"-config", config, "-node-id", id, "-data-dir", filepath.Join(dir, "data"),
		"-pd-urls", strings.Join(c.endpoints, ","), "-heartbeat-interval", "1", "-log-format", "logfmt"}, args...)
	return n
}

// launch starts the process, after the first time on the address it had, and waits until
// it is online.
func (n *pumpNode) launch() {
	n.c.t.Helper()
	n.proc = launch(n.c.t, "pump", append(n.args, "-addr", n.addr)...)
	_, n.addr, _ = strings.Cut(n.ready, " at ")
	if n.addr == "" {
		n.c.t.Fatalf("ready line %q:\n%s", n.ready, n.output())
	}
}

// spawn starts the process without waiting.
func (n *pumpNode) spawn() { n.proc = spawn(n.c.t, "pump", append(n.args, "-addr", n.addr)...) }

func (n *pumpNode) signal(s os.Signal) {
	n.c.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.c.t.Fatal(err)
	}
}

func (n *pumpNode) kill() {
	n.c.t.Helper()
	n.signal(syscall.SIGKILL)
	<-n.done
}

// ends waits for the end of the process and its exit code.
func (n *pumpNode) ends(code int) {
	n.c.t.Helper()
	select {
	case <-n.done:
	case <-time.After(patience):
		n.c.t.Fatalf("%s still runs after %v:\n%s", n.id, patience, n.output())
	}
	if got := n.cmd.ProcessState.ExitCode(); got != code {
		n.c.t.Fatalf("%s ended with exit code %d, want %d:\n%s", n.id, got, code, n.output())
	}
}

// says checks that the process has printed all of these.
func (n *pumpNode) says(texts ...string) {
	n.c.t.Helper()
	for _, text := range texts {
		if !strings.Contains(n.output(), text) {
			n.c.t.Errorf("%s did not say %q:\n%s", n.id, text, n.output())
		}
	}
}

// record is what PD holds of a pump.
func (c *pumps) record(id string) nodes.Record {
	c.t.Helper()
	e, err := c.registry.Get(c.t.Context(), nodes.Pump, id)
	if err != nil {
		c.t.Fatal(err)
	}
	return e.Record
}

func (n *pumpNode) hasState(s nodes.State) {
	n.c.t.Helper()
	if got := n.c.record(n.id).State; got != s {
		n.c.t.Fatalf("%s is %s in PD, want %s:\n%s", n.id, got, s, n.output())
	}
}

func (n *pumpNode) reaches(s nodes.State) {
	n.c.t.Helper()
	eventually(n.c.t, 15*time.Second, fmt.Sprintf("%s is %s", n.id, s), func() (bool, string) {
		e, err := n.c.registry.Get(n.c.t.Context(), nodes.Pump, n.id)
		return err == nil && e.Record.State == s, fmt.Sprint(e.Record.State, err)
	})
}

// change writes the state into a pump's record as the console and binlogctl do.
func (n *pumpNode) change(s nodes.State) {
	n.c.t.Helper()
	if _, _, err := n.c.registry.SetState(n.c.t.Context(), nodes.Pump, n.id, s, nil); err != nil {
		n.c.t.Fatal(err)
	}
}

// binlogctl runs the real tool and gives what it printed; ok tells its exit code.
func (c *pumps) binlogctl(args ...string) (output string, ok bool) {
	c.t.Helper()
	cmd := exec.Command(program("binlogctl"), append([]string{"-pd-urls", strings.Join(c.endpoints, ",")}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return string(out), err == nil
}

// drainer puts a drainer's record into PD.
func (c *pumps) drainer(id, host string, state nodes.State, consumed nodes.TSO) {
	c.t.Helper()
	raw, err := nodes.EncodeRecord(nodes.Record{NodeID: id, Host: host, State: state, MaxCommitTS: consumed, UpdateTS: c.tso()})
	if err != nil {
		c.t.Fatal(err)
	}
	put(c.t, c.etcd, nodes.Drainer.Key(id), string(raw))
}

func (c *pumps) tso() nodes.TSO {
	c.t.Helper()
	ts, err := c.pd.TSO(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return ts
}

// history collects the states that PD shows for a pump from now on, but for the one it has already;
// the function waits until they are those wanted.
func (c *pumps) history(id string) func(want ...nodes.State) {
	c.t.Helper()
	return c.states(nodes.Pump.Key(id))
}

// states is history for the record of any node.
func (c *pumps) states(key string) func(want ...nodes.State) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	now, err := c.etcd.Get(ctx, key)
	if err != nil {
		c.t.Fatal(err)
	}
	var last nodes.State // a heartbeat may write it again
	if len(now.Kvs) > 0 {
		r, err := nodes.DecodeRecord(now.Kvs[0].Value)
		if err != nil {
			c.t.Fatal(err)
		}
		last = r.State
	}
	watch := c.etcd.Watch(ctx, key, clientv3.WithRev(now.Header.Revision+1))
	return func(want ...nodes.State) {
		c.t.Helper()
		defer cancel()
		var seen []nodes.State
		for late := time.After(patience); !slices.Equal(seen, want); {
			select {
			case resp := <-watch:
				for _, e := range resp.Events {
					var r nodes.Record // of no state: the record is removed
					if e.IsCreate() || e.IsModify() {
						if r, err = nodes.DecodeRecord(e.Kv.Value); err != nil {
							c.t.Fatal(err)
						}
					}
					if r.State != last {
						seen, last = append(seen, r.State), r.State
					}
				}
			case <-late:
				c.t.Fatalf("%s went through the states %q, want %q", key, seen, want)
			}
		}
	}
}

// client is a gRPC client of one pump.
type client struct {
	t testing.TB
	c *pumps
	binlogpb.PumpClient
}

func (n *pumpNode) client(opts ...grpc.DialOption) *client {
	n.c.t.Helper()
	return n.c.dial(n.addr, opts...)
}

// credentials are those of the tests' gRPC clients.
func (c *pumps) credentials() credentials.TransportCredentials {
	if c.tls != nil {
		return credentials.NewTLS(c.tls)
	}
	return insecure.NewCredentials()
}

func (c *pumps) dial(target string, opts ...grpc.DialOption) *client {
	c.t.Helper()
	creds := c.credentials()
	opts = append([]grpc.DialOption{grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30))}, opts...)
	conn, err := grpc.NewClient(target, opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	return &client{t: c.t, c: c, PumpClient: binlogpb.NewPumpClient(conn)}
}

// payload makes a binlog.
func payload(t testing.TB, tp binlogpb.BinlogType, start, commit nodes.TSO, value []byte) []byte {
	t.Helper()
	st, ct := int64(start), int64(commit)
	b := &binlogpb.Binlog{Tp: &tp, StartTs: &st, CommitTs: &ct, PrewriteKey: []byte("key")}
	if tp == binlogpb.BinlogType_Prewrite {
		b.PrewriteValue = value
	}
	raw, err := binlogpb.EncodeBinlog(b)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// raw sends any payload.
func (c *client) raw(b []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := c.WriteBinlog(ctx, &binlogpb.WriteBinlogReq{ClusterID: c.c.cluster, Payload: b})
	return err
}

// prewrite stores one and gives its start TS.
func (c *client) prewrite(value []byte) (nodes.TSO, error) {
	c.t.Helper()
	start := c.c.tso()
	return start, c.raw(payload(c.t, binlogpb.BinlogType_Prewrite, start, 0, value))
}

func (c *client) commit(start nodes.TSO) (nodes.TSO, error) {
	c.t.Helper()
	ts := c.c.tso()
	return ts, c.raw(payload(c.t, binlogpb.BinlogType_Commit, start, ts, nil))
}

// transaction writes a whole one and gives its commit TS.
func (c *client) transaction(value []byte) nodes.TSO {
	c.t.Helper()
	start, err := c.prewrite(value)
	if err != nil {
		c.t.Fatalf("prewrite: %v", err)
	}
	ts, err := c.commit(start)
	if err != nil {
		c.t.Fatalf("commit: %v", err)
	}
	return ts
}

// pull begins to pull after a position.
func (c *client) pull(from nodes.TSO, opts ...grpc.CallOption) *stream {
	c.t.Helper()
	s, err := c.PullBinlogs(c.t.Context(), &binlogpb.PullBinlogReq{ClusterID: c.c.cluster, StartFrom: &binlogpb.Pos{Offset: int64(from)}}, opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	return &stream{c.t, s}
}

type stream struct {
	t testing.TB
	binlogpb.Pump_PullBinlogsClient
}

// until receives up to the transaction with that commit TS and gives the commit TSs of
// all transactions on the way; fake binlogs must only tell the time.
func (s *stream) until(last nodes.TSO) []nodes.TSO {
	s.t.Helper()
	var all []nodes.TSO
	var newest int64
	for {
		r, err := s.Recv()
		if err != nil {
			s.t.Fatalf("pull: %v", err)
		}
		m := r.Entity.Meta
		if m.GetCommitTs() <= newest {
			s.t.Fatalf("commit TS %d after %d", m.GetCommitTs(), newest)
		}
		newest = m.GetCommitTs()
		if m.GetStartTs() != m.GetCommitTs() {
			all = append(all, nodes.TSO(newest))
		}
		if newest == int64(last) {
			return all
		}
		if newest > int64(last) {
			s.t.Fatalf("commit TS %d was passed over: %v", last, all)
		}
	}
}

// end receives until the stream ends and gives why.
func (s *stream) end() error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

// ask sends an HTTP request to the pump and gives status and body.
func (n *pumpNode) ask(method, path string) (int, string) {
	n.c.t.Helper()
	scheme, transport := "http", &http.Transport{TLSClientConfig: n.c.tls, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	if n.c.tls != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(n.c.t.Context(), method, scheme+"://"+n.addr+path, nil)
	if err != nil {
		n.c.t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Do(req)
	if err != nil {
		n.c.t.Fatalf("%s %s: %v\n%s", method, path, err, n.output())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.c.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// pumpStatus is GET /status as far as tests look at it.
type pumpStatus struct {
	Status   map[string]nodes.Record `json:"status"`
	CommitTS nodes.TSO
	ErrMsg   *string

	State      nodes.State
	Unresolved int
	WaitingFor []struct {
		Drainer  string    `json:"drainer"`
		Host     string    `json:"host"`
		Consumed nodes.TSO `json:"consumed"`
		Needed   nodes.TSO `json:"needed"`
	}
	Pullers int
}

func (n *pumpNode) status() pumpStatus {
	n.c.t.Helper()
	code, body := n.ask(http.MethodGet, "/status")
	var s pumpStatus
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		n.c.t.Fatalf("/status: %d %v\n%s", code, err, body)
	}
	return s
}

// metric is the value of one series as /metrics prints it, "" when it is not there.
func (n *pumpNode) metric(series string) string {
	n.c.t.Helper()
	_, body := n.ask(http.MethodGet, "/metrics")
	for _, line := range strings.Split(body, "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return ""
}

// liveDrainer is a gRPC server that takes Notify, as a drainer does, and looks at the
// record of the pump at that moment.
type liveDrainer struct {
	binlogpb.UnimplementedCisternServer
	addr string
	look func() nodes.State

	mu   sync.Mutex
	seen []nodes.State
}

func (c *pumps) liveDrainer(id, watchedPump string) *liveDrainer {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	d := &liveDrainer{addr: l.Addr().String(), look: func() nodes.State {
		e, err := c.registry.Get(context.Background(), nodes.Pump, watchedPump)
		if err != nil {
			return nodes.State(err.Error())
		}
		return e.Record.State
	}}
	var opts []grpc.ServerOption
	if c.tls != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: c.tls.Certificates, ClientCAs: c.tls.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert,
		})))
	}
	g := grpc.NewServer(opts...)
	binlogpb.RegisterCisternServer(g, d)
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	c.t.Cleanup(func() {
		g.Stop()
		if err := <-served; err != nil {
			c.t.Error(err)
		}
	})
	c.drainer(id, d.addr, nodes.Online, c.tso())
	return d
}

func (d *liveDrainer) Notify(context.Context, *binlogpb.NotifyReq) (*binlogpb.NotifyResp, error) {
	s := d.look()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, s)
	return &binlogpb.NotifyResp{}, nil
}

func (d *liveDrainer) notified() []nodes.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.seen)
}

// deadAddr is an address where nobody listens.
func deadAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
