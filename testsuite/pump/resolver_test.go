package pump

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/sirupsen/logrus"
	kvclient "github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/pump/tikv"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
	"pumphouse/testsuite/tidbtest"
)

// upstream is a client of the storage, which runs transactions as TiDB does.
type upstream struct {
	t testing.TB
	*txnkv.Client
}

func newUpstream(t testing.TB, pd *pdtest.Cluster) *upstream {
	t.Helper()
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	t.Cleanup(tikv.RedirectLogs(silent)) // client-go writes to stdout
	client, err := txnkv.NewClient([]string{strings.TrimPrefix(pd.Endpoint(0), "http://")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return &upstream{t, client}
}

// indexKey is a key as TiDB makes them for an index; unistore looks into the values of rows.
func indexKey(n byte) []byte {
	return []byte("t\x80\x00\x00\x00\x00\x00\x01\x00_i\x80\x00\x00\x00\x00\x00\x00" + string([]byte{n}))
}

// prewritten is a transaction that holds its locks.
type prewritten struct {
	u     *upstream
	start nodes.TSO
	key   []byte
	transaction.CommitterProbe
}

// in gives the same for a subtest.
func (u *upstream) in(t testing.TB) *upstream { return &upstream{t, u.Client} }

func (u *upstream) prewrite(key []byte) *prewritten {
	u.t.Helper()
	txn, err := u.Begin()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := txn.Set(key, []byte("v")); err != nil {
		u.t.Fatal(err)
	}
	c, err := transaction.TxnProbe{KVTxn: txn}.NewCommitter(0)
	if err != nil {
		u.t.Fatal(err)
	}
	if err := c.PrewriteAllMutations(context.Background()); err != nil {
		u.t.Fatalf("prewrite: %v", err)
	}
	return &prewritten{u, nodes.TSO(txn.StartTS()), key, c}
}

// versions is how many bytes the storage has to say about a key.
func (u *upstream) versions(key []byte) int {
	u.t.Helper()
	bo := kvclient.NewBackofferWithVars(context.Background(), 5000, nil)
	loc, err := u.GetRegionCache().LocateKey(bo, key)
	if err != nil {
		u.t.Fatal(err)
	}
	req := tikvrpc.NewRequest(tikvrpc.CmdMvccGetByKey, &kvrpcpb.MvccGetByKeyRequest{Key: key})
	resp, err := u.SendReq(bo, req, loc.Region, 10*time.Second)
	if err != nil {
		u.t.Fatal(err)
	}
	return resp.Resp.(*kvrpcpb.MvccGetByKeyResponse).Size()
}

// commit fails if anybody has taken the lock away.
func (p *prewritten) commit() nodes.TSO {
	p.u.t.Helper()
	ts, err := p.u.GetTimestamp(context.Background())
	if err != nil {
		p.u.t.Fatal(err)
	}
	p.SetCommitTS(ts)
	if err := p.CommitMutations(context.Background()); err != nil {
		p.u.t.Fatalf("commit: %v", err)
	}
	return nodes.TSO(ts)
}

func (p *prewritten) rollback() {
	p.u.t.Helper()
	if err := p.CleanupMutations(context.Background()); err != nil {
		p.u.t.Fatalf("roll back: %v", err)
	}
}

// TestResolver: a real pump on a storage that speaks TiKV's protocol finds out how
// unresolved transactions ended, and changes nothing there.
func TestResolver(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	all := rig.NewPumps(t, pd)

	// While there is no TiKV yet, the pump starts; it looks again later.
	early := all.Start("early")
	rig.Eventually(t, 20*time.Second, "the pump says what it does without TiKV", func() (bool, string) {
		out := early.Output()
		return strings.Contains(out, "knows no TiKV"), out
	})
	tidbtest.StartUnistore(t, pd.Endpoint(0))
	kv := newUpstream(t, pd)

	for i, c := range []struct {
		name string
		run  func(t *testing.T, n *rig.PumpNode, key []byte)
	}{
		{"committed", func(t *testing.T, n *rig.PumpNode, key []byte) {
			cli, txn := n.Client(), kv.in(t).prewrite(key)
			cli.Binlog(txn.start, key)
			at := txn.commit()
			begun := time.Now()
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
				t.Errorf("delivered %v, want %v", got, at)
			}
			t.Logf("delivered after %v", time.Since(begun).Round(time.Millisecond))
		}},
		{"rolled back", func(t *testing.T, n *rig.PumpNode, key []byte) {
			cli, txn := n.Client(), kv.in(t).prewrite(key)
			cli.Binlog(txn.start, key)
			at := cli.Transaction([]byte("after it"))
			txn.rollback()
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
				t.Errorf("delivered %v, want only %v", got, at)
			}
		}},
		{"locked for longer than its lock lasts, then committed", func(t *testing.T, n *rig.PumpNode, key []byte) {
			cli, txn := n.Client(), kv.in(t).prewrite(key)
			cli.Binlog(txn.start, key)
			after := cli.Transaction([]byte("after it"))
			n.Asked(2) // the second time is after 9 s, the lock lasts 3 s
			if s := n.Storage(); s.LastCommitTS >= after || s.Unresolved != 1 {
				t.Errorf("while it is locked: %+v", s)
			}
			at := txn.commit() // the lock is still there
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{after, at}) {
				t.Errorf("delivered %v, want %v and %v", got, after, at)
			}
		}},
		{"locked, on a key with many versions", func(t *testing.T, n *rig.PumpNode, key []byte) {
			for range 10 { // 1 MiB each, more than an answer may have
				txn, err := kv.Begin()
				if err != nil {
					t.Fatal(err)
				}
				if err := txn.Set(key, make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
				if err := txn.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if size := kv.in(t).versions(key); size < 9<<20 {
				t.Fatalf("the versions take %d bytes only: nothing is tested", size)
			}
			cli, txn := n.Client(), kv.in(t).prewrite(key)
			cli.Binlog(txn.start, key)
			n.Asked(2)
			if s := n.Storage(); s.Unresolved != 1 {
				t.Errorf("while it is locked: %+v", s)
			}
			at := txn.commit()
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
				t.Errorf("delivered %v, want %v", got, at)
			}
		}},
		{"never prewritten, then rolled back by those who may", func(t *testing.T, n *rig.PumpNode, key []byte) {
			cli, start := n.Client(), all.TSO()
			cli.Binlog(start, key)
			at := cli.Transaction([]byte("after it"))
			n.Asked(2)
			if s := n.Storage(); s.LastCommitTS >= at || s.Unresolved != 1 {
				t.Errorf("while nobody knows of it: %+v", s)
			}
			n.Says("TiKV knows nothing of the transaction")
			// What a reader does that meets a secondary lock of the transaction.
			if s, err := kv.GetLockResolver().GetTxnStatus(uint64(start), uint64(all.TSO()), key); err != nil || s.IsCommitted() {
				t.Fatalf("%v, %v", s, err)
			}
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
				t.Errorf("delivered %v, want only %v", got, at)
			}
		}},
		{"never prewritten, and nobody meets it", func(t *testing.T, n *rig.PumpNode, key []byte) {
			cli, start := n.Client(), all.TSO()
			cli.Binlog(start, key)
			at := cli.Transaction([]byte("after it"))
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
				t.Errorf("delivered %v, want only %v", got, at)
			}
			n.Says("TiKV had no trace of it")
		}},
		{"300 at once that nobody prewrote", func(t *testing.T, n *rig.PumpNode, key []byte) {
			cli := n.Client()
			for i := range 300 {
				cli.Binlog(all.TSO(), append(key[:len(key):len(key)], byte(i>>8), byte(i)))
			}
			at, begun := cli.Transaction([]byte("after them")), time.Now()
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
				t.Errorf("delivered %v, want only %v", got, at)
			}
			t.Logf("delivered after %v", time.Since(begun).Round(time.Millisecond))
		}},
		{"locked by a TiDB that is gone, and nobody meets the lock", func(t *testing.T, n *rig.PumpNode, key []byte) {
			cli, txn := n.Client(), kv.in(t).prewrite(key)
			cli.Binlog(txn.start, key)
			at := cli.Transaction([]byte("after it"))
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
				t.Errorf("delivered %v, want only %v", got, at)
			}
			n.Says("its lock has expired")
			txn.SetCommitTS(uint64(all.TSO()))
			if err := txn.CommitMutations(t.Context()); err == nil {
				t.Error("TiKV commits what counts as rolled back")
			}
		}},
		{"committed, asked by a pump that started before TiKV", func(t *testing.T, _ *rig.PumpNode, key []byte) {
			cli, txn := early.Client(), kv.in(t).prewrite(key)
			cli.Binlog(txn.start, key)
			at := txn.commit()
			if got := cli.Pull(0).Until(at); !slices.Equal(got, []nodes.TSO{at}) {
				t.Errorf("delivered %v, want %v", got, at)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			own := *all
			own.T = t
			n := own.Start(fmt.Sprintf("pump%d", i))
			c.run(t, n, indexKey(byte(i+1)))
			if out := n.Output(); strings.Contains(out, "[pd]") || strings.Contains(out, "[WARN]") {
				t.Errorf("a library writes past the log:\n%s", out)
			}
		})
	}
}

// TestResolverFollowsPD: a resolver goes on when PD's leader dies, whoever leads then.
func TestResolverFollowsPD(t *testing.T) {
	pd := pdtest.StartReal(t, 3)
	tidbtest.StartUnistore(t, strings.Join(pd.Endpoints(), ","))
	kv := newUpstream(t, pd)
	txn := kv.prewrite(indexKey(1))
	at := txn.commit()
	r, err := tikv.New(tikv.Options{Endpoints: pd.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	check := func() (bool, string) {
		v, ts, err := r.Resolve(t.Context(), storage.Question{StartTS: txn.start, Key: txn.key})
		if v != storage.Committed || ts != at || err != nil {
			return false, fmt.Sprintf("committed: %d, %s, %v", v, ts, err)
		}
		v, ts, err = r.Resolve(t.Context(), storage.Question{StartTS: txn.start + 1, Key: txn.key}) // asks for the safe point too
		return v == storage.Unknown && err == nil, fmt.Sprintf("never seen: %d, %s, %v", v, ts, err)
	}
	if ok, said := check(); !ok {
		t.Fatal(said)
	}
	pd.Kill(pd.Leader())
	rig.Eventually(t, 30*time.Second, "answers after PD's leader died", check)
}

// TestResolverTLS: the TLS files of the pump are used towards PD, and needed.
func TestResolverTLS(t *testing.T) {
	certs := pdtest.NewCerts(t)
	pd := pdtest.StartRealTLS(t, 1, certs)
	for _, c := range []struct {
		name string
		sec  certfile.Security
		ok   bool
	}{
		{"with certificate", certfile.Security{CA: certs.CAFile, Cert: certs.CertFile, Key: certs.KeyFile}, true},
		{"in the clear", certfile.Security{}, false},
	} {
		r, err := tikv.New(tikv.Options{Endpoints: pd.Endpoints(), Security: c.sec})
		if err != nil {
			t.Fatal(err)
		}
		if has, err := r.Available(t.Context()); has || (err == nil) != c.ok {
			t.Errorf("%s: %v, %v", c.name, has, err)
		}
		r.Close()
	}
}

// TestResolverOnMock runs the tests with regions that split and leaders that move, which
// are a module of their own.
func TestResolverOnMock(t *testing.T) {
	cmd := exec.Command("go", "test", "-count=1", "./...")
	cmd.Dir = filepath.Join("..", "tikvmock")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// widow stands before a pump and can keep commits from it, as if TiDB had died before it
// sent them.
type widow struct {
	binlogpb.UnimplementedPumpServer
	addr string
	pump binlogpb.PumpClient
	keep chan struct{} // closed: commits are kept
	kept chan nodes.TSO
}

func newWidow(t *testing.T) *widow {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &widow{addr: ln.Addr().String(), keep: make(chan struct{}), kept: make(chan nodes.TSO, 1024)}
	s := grpc.NewServer()
	binlogpb.RegisterPumpServer(s, w)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() { s.Stop(); <-served })
	return w
}

func (w *widow) WriteBinlog(ctx context.Context, req *binlogpb.WriteBinlogReq) (*binlogpb.WriteBinlogResp, error) {
	if h, err := binlogpb.Peek(req.GetPayload()); err == nil && h.Type == binlogpb.BinlogType_Commit {
		select {
		case <-w.keep:
			w.kept <- nodes.TSO(h.StartTS)
			return nil, status.Error(codes.Unavailable, "kept back by the test")
		default:
		}
	}
	return w.pump.WriteBinlog(ctx, req)
}

// TestTiDBDiesBeforeCommit: a real TiDB is killed when it has committed in TiKV and before
// its pump has heard of it. The pump delivers the transaction within seconds.
func TestTiDBDiesBeforeCommit(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	c := rig.NewPumps(t, pd)
	tidbtest.StartUnistore(t, pd.Endpoint(0))
	w := newWidow(t)
	n := c.Node("pump1", "-advertise-addr", w.addr)
	conn, err := grpc.NewClient("passthrough:///pump", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", n.Addr)
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.pump = binlogpb.NewPumpClient(conn)
	n.Launch()

	tidb := tidbtest.StartTiDB(t, tidbtest.Options{PD: pd.Endpoint(0), Store: tidbtest.TiKV, Binlog: true})
	db := tidb.Open(t, "")
	mustExec(t, db, "create table test.t (id bigint primary key, v varchar(20))")
	mustExec(t, db, "insert into test.t values (1, 'before')")
	rig.Eventually(t, 30*time.Second, "TiDB has told the end of all transactions", func() (bool, string) {
		s := n.Storage()
		return s.Unresolved == 0, fmt.Sprintf("%+v", s)
	})
	before := n.Storage().LastCommitTS

	close(w.keep)
	mustExec(t, db, "insert into test.t values (2, 'the last')")
	start := <-w.kept // TiKV has it, the pump has not
	tidb.Kill()
	killed := time.Now()

	last := nodes.TSO(0)
	rig.Eventually(t, 30*time.Second, "the pump delivers it", func() (bool, string) {
		s := n.Storage()
		last = s.LastCommitTS
		return s.Unresolved == 0 && last > before, fmt.Sprintf("%+v", s)
	})
	t.Logf("known %v after TiDB's death", time.Since(killed).Round(time.Millisecond))
	found := false
	for _, d := range n.Everything(last) {
		found = found || d.Start == int64(start)
	}
	if !found {
		t.Errorf("the transaction %s, which TiKV holds as committed, is not delivered", start)
	}
	if s := n.Storage(); s.Lost != 0 || s.Late != 0 {
		t.Errorf("%+v", s)
	}
}
