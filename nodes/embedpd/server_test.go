package embedpd_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/keyspacepb"
	"github.com/pingcap/kvproto/pkg/meta_storagepb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pumphouse/nodes"
	"pumphouse/nodes/embedpd"
)

func open(t *testing.T, opts embedpd.Options) *embedpd.Server {
	t.Helper()
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.DataDir == "" {
		opts.DataDir = t.TempDir()
	}
	s, err := embedpd.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, s *embedpd.Server) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func etcd(t *testing.T, s *embedpd.Server) *clientv3.Client {
	t.Helper()
	return etcdAt(t, s.URL())
}

func etcdAt(t *testing.T, url string) *clientv3.Client {
	t.Helper()
	cli, err := clientv3.New(clientv3.Config{Endpoints: []string{url}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	return cli
}

// tso asks for one batch of timestamps over a stream of its own.
func tso(ctx context.Context, conn *grpc.ClientConn, req *pdpb.TsoRequest) (*pdpb.TsoResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pdpb.NewPDClient(conn).Tso(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(req); err != nil {
		return nil, err
	}
	return stream.Recv()
}

func TestMembersAndClusterIDAsClientsNeedThem(t *testing.T) {
	dir := t.TempDir()
	s := open(t, embedpd.Options{DataDir: dir})
	resp, err := pdpb.NewPDClient(dial(t, s)).GetMembers(t.Context(), &pdpb.GetMembersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	id := resp.GetHeader().GetClusterId()
	if id == 0 || id != s.ClusterID() || int64(id) < 0 {
		t.Errorf("cluster ID %d, Server says %d; want the same, not 0, within 63 bits", id, s.ClusterID())
	}
	if urls := resp.GetLeader().GetClientUrls(); len(urls) != 1 || urls[0] != "http://"+s.Addr() {
		t.Errorf("the leader's client URLs are %q, want http://%s", urls, s.Addr())
	}
	if len(resp.GetMembers()) != 1 || resp.GetMembers()[0].GetMemberId() != resp.GetLeader().GetMemberId() {
		t.Errorf("members %v, leader %v", resp.GetMembers(), resp.GetLeader())
	}

	s.Close()
	again := open(t, embedpd.Options{DataDir: dir})
	if again.ClusterID() != id {
		t.Errorf("cluster ID after a restart: %d, before: %d", again.ClusterID(), id)
	}
	if other := open(t, embedpd.Options{}); other.ClusterID() == id {
		t.Errorf("two data directories have the cluster ID %d", id)
	}
}

func TestAdvertisedAddress(t *testing.T) {
	s := open(t, embedpd.Options{Addr: "0.0.0.0:0", AdvertiseAddr: "localhost:0"})
	_, port, _ := net.SplitHostPort(s.Addr())
	if want := "http://localhost:" + port; s.URL() != want {
		t.Errorf("clients are told %s, want %s", s.URL(), want)
	}
}

func TestTsoStream(t *testing.T) {
	s := open(t, embedpd.Options{})
	conn := dial(t, s)
	header := &pdpb.RequestHeader{ClusterId: s.ClusterID()}
	// A client that thinks it talks to a follower names the leader in the metadata.
	ctx := metadata.AppendToOutgoingContext(t.Context(), "pd-forwarded-host", s.URL())

	resp, err := tso(ctx, conn, &pdpb.TsoRequest{Header: header, Count: 10, DcLocation: "global"})
	if err != nil {
		t.Fatal(err)
	}
	ts := resp.GetTimestamp()
	if resp.GetCount() != 10 || ts.GetLogical() != 10 || ts.GetSuffixBits() != 0 || resp.GetHeader().GetClusterId() != s.ClusterID() {
		t.Errorf("10 timestamps: got %v", resp)
	}
	if off := time.Since(time.UnixMilli(ts.GetPhysical())).Abs(); off > time.Minute {
		t.Errorf("the timestamp is %s away from the clock", off)
	}

	refused := []struct {
		name string
		req  *pdpb.TsoRequest
		code codes.Code
	}{
		{"another cluster", &pdpb.TsoRequest{Header: &pdpb.RequestHeader{ClusterId: 1}, Count: 1}, codes.FailedPrecondition},
		{"no header", &pdpb.TsoRequest{Count: 1}, codes.FailedPrecondition},
		{"no count", &pdpb.TsoRequest{Header: header}, codes.InvalidArgument},
		{"too many", &pdpb.TsoRequest{Header: header, Count: 1 << 18}, codes.InvalidArgument},
		{"local timestamps", &pdpb.TsoRequest{Header: header, Count: 1, DcLocation: "dc-1"}, codes.InvalidArgument},
	}
	for _, c := range refused {
		if _, err := tso(ctx, conn, c.req); status.Code(err) != c.code {
			t.Errorf("%s: got %v, want %s", c.name, err, c.code)
		}
	}
}

// TestManyStreams: timestamps on streams side by side never overlap, and grow on each.
func TestManyStreams(t *testing.T) {
	s := open(t, embedpd.Options{})
	const streams, batches, count = 20, 200, 100
	last := make([][]nodes.TSO, streams)
	var wg sync.WaitGroup
	for i := range streams {
		conn := dial(t, s)
		wg.Go(func() {
			stream, err := pdpb.NewPDClient(conn).Tso(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			for range batches {
				req := &pdpb.TsoRequest{Header: &pdpb.RequestHeader{ClusterId: s.ClusterID()}, Count: count}
				if err := stream.Send(req); err != nil {
					t.Error(err)
					return
				}
				resp, err := stream.Recv()
				if err != nil {
					t.Error(err)
					return
				}
				last[i] = append(last[i], toTSO(resp))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(last...)
	slices.Sort(all)
	if len(all) != streams*batches {
		t.Fatalf("%d batches, want %d", len(all), streams*batches)
	}
	for i := 1; i < len(all); i++ {
		if all[i]-all[i-1] < count {
			t.Fatalf("two batches of %d end at %d and %d: they overlap", count, all[i-1], all[i])
		}
	}
	for i, list := range last {
		if !slices.IsSorted(list) {
			t.Errorf("the timestamps of stream %d do not grow", i)
		}
	}
}

// TestEmptyClusterAnswers covers what clients ask beyond members and timestamps.
func TestEmptyClusterAnswers(t *testing.T) {
	s := open(t, embedpd.Options{})
	conn := dial(t, s)
	pd := pdpb.NewPDClient(conn)
	header := &pdpb.RequestHeader{ClusterId: s.ClusterID()}
	ctx := t.Context()

	info, err := pd.GetClusterInfo(ctx, &pdpb.GetClusterInfoRequest{})
	if err != nil || len(info.GetServiceModes()) != 1 || info.GetServiceModes()[0] != pdpb.ServiceMode_PD_SVC_MODE {
		t.Errorf("GetClusterInfo: %v, %v", info, err)
	}
	if r, err := pd.IsBootstrapped(ctx, &pdpb.IsBootstrappedRequest{Header: header}); err != nil || r.GetBootstrapped() {
		t.Errorf("IsBootstrapped: %v, %v", r, err)
	}
	if r, err := pd.GetAllStores(ctx, &pdpb.GetAllStoresRequest{Header: header}); err != nil || len(r.GetStores()) != 0 || r.GetHeader().GetError() != nil {
		t.Errorf("GetAllStores: %v, %v", r, err)
	}
	if r, err := pd.GetStore(ctx, &pdpb.GetStoreRequest{Header: header, StoreId: 1}); err != nil || r.GetHeader().GetError() == nil {
		t.Errorf("GetStore: %v, %v, want an error in the header", r, err)
	}
	if r, err := pd.GetRegion(ctx, &pdpb.GetRegionRequest{Header: header}); err != nil || r.GetRegion() != nil {
		t.Errorf("GetRegion: %v, %v", r, err)
	}
	if r, err := pd.GetGCSafePoint(ctx, &pdpb.GetGCSafePointRequest{Header: header}); err != nil || r.GetSafePoint() != 0 {
		t.Errorf("GetGCSafePoint: %v, %v", r, err)
	}
	r, err := pd.UpdateServiceGCSafePoint(ctx, &pdpb.UpdateServiceGCSafePointRequest{Header: header, ServiceId: []byte("x"), TTL: 60, SafePoint: 7})
	if err != nil || r.GetMinSafePoint() > 7 {
		t.Errorf("UpdateServiceGCSafePoint: %v, %v", r, err)
	}
	if r, err := pd.GetMinTS(ctx, &pdpb.GetMinTSRequest{Header: header}); err != nil || r.GetTimestamp().GetPhysical() == 0 {
		t.Errorf("GetMinTS: %v, %v", r, err)
	}
	if r, err := meta_storagepb.NewMetaStorageClient(conn).Get(ctx, &meta_storagepb.GetRequest{Key: []byte("/ms")}); err != nil || r.GetCount() != 0 {
		t.Errorf("MetaStorage.Get: %v, %v", r, err)
	}
	ks := keyspacepb.NewKeyspaceClient(conn)
	if r, err := ks.LoadKeyspace(ctx, &keyspacepb.LoadKeyspaceRequest{Header: header, Name: "DEFAULT"}); err != nil || r.GetKeyspace().GetName() != "DEFAULT" {
		t.Errorf("LoadKeyspace: %v, %v", r, err)
	}
	if r, err := ks.LoadKeyspace(ctx, &keyspacepb.LoadKeyspaceRequest{Header: header, Name: "x"}); err != nil || r.GetHeader().GetError() == nil {
		t.Errorf("LoadKeyspace of none: %v, %v, want an error in the header", r, err)
	}
	// A TiKV must learn that it cannot join.
	if _, err := pd.Bootstrap(ctx, &pdpb.BootstrapRequest{Header: header}); status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), "real PD") {
		t.Errorf("Bootstrap: %v", err)
	}
}

// TestCloseIsPromptWithOpenStreams: streams of timestamps and watches never end by
// themselves, and must neither delay Close nor outlive it.
func TestCloseIsPromptWithOpenStreams(t *testing.T) {
	before := runtime.NumGoroutine()
	var logged bytes.Buffer
	log := logrus.New()
	log.SetOutput(&logged)
	s := open(t, embedpd.Options{Logger: log})

	conn := dial(t, s)
	stream, err := pdpb.NewPDClient(conn).Tso(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pdpb.TsoRequest{Header: &pdpb.RequestHeader{ClusterId: s.ClusterID()}, Count: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cli := etcd(t, s)
	created := <-cli.Watch(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	if !created.Created {
		t.Fatalf("watch: %v", created)
	}

	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("Close took %s", took)
	}
	if err := <-ended; err != nil {
		t.Errorf("Wait after Close: %v", err)
	}
	if _, err := stream.Recv(); err == nil {
		t.Error("the stream outlived Close")
	}
	s.Close() // again
	if err := s.Open(t.Context()); !errors.Is(err, embedpd.ErrClosed) {
		t.Errorf("Open after Close: %v", err)
	}
	cli.Close()
	conn.Close()
	awaitGoroutines(t, before)
	if text := logged.String(); strings.Contains(text, "level=warning") || strings.Contains(text, "level=error") {
		t.Errorf("a start and a stop in which nothing went wrong logged:\n%s", text)
	}
}

// awaitGoroutines waits until no more than before run; those of etcd's and gRPC's
// clients take a moment to go.
func awaitGoroutines(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSecondProcessIsRefusedWithACure(t *testing.T) {
	first := open(t, embedpd.Options{DataDir: filepath.Join(t.TempDir(), "data")})
	dir := t.TempDir()
	running := open(t, embedpd.Options{DataDir: dir})
	for _, c := range []struct {
		name string
		opts embedpd.Options
		want error
	}{
		{"the same data", embedpd.Options{Addr: "127.0.0.1:0", DataDir: dir}, embedpd.ErrLocked},
		{"the same port", embedpd.Options{Addr: first.Addr(), DataDir: t.TempDir()}, embedpd.ErrAddrInUse},
	} {
		s, err := embedpd.New(c.opts)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Open(t.Context())
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "use that PD") {
			t.Errorf("%s: got %v, want %v with a cure", c.name, err, c.want)
		}
		if s.Close() != nil {
			t.Errorf("%s: Close after a failed Open", c.name)
		}
	}
	// The refused ones left the running ones alone, and nothing locked behind.
	if _, err := etcd(t, running).Put(t.Context(), "/k", "v"); err != nil {
		t.Error(err)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	dir := t.TempDir()
	for name, opts := range map[string]embedpd.Options{
		"no data directory":    {Addr: "127.0.0.1:0"},
		"no port":              {Addr: "127.0.0.1", DataDir: dir},
		"a host name":          {Addr: "pd.example:2379", DataDir: dir},
		"any, not advertised":  {Addr: "0.0.0.0:2379", DataDir: dir},
		"advertised, no host":  {Addr: "0.0.0.0:2379", AdvertiseAddr: ":2379", DataDir: dir},
		"certificate, no key":  {Addr: "127.0.0.1:0", DataDir: dir, CertFile: "c"},
		"a CA with no key":     {Addr: "127.0.0.1:0", DataDir: dir, CAFile: "ca"},
		"advertised with path": {Addr: "127.0.0.1:0", DataDir: dir, AdvertiseAddr: "http://a:1"},
	} {
		if _, err := embedpd.New(opts); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestStartThatCannotBeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := embedpd.New(embedpd.Options{Addr: "127.0.0.1:0", DataDir: dir, CertFile: "/none", KeyFile: "/none"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err == nil {
		t.Fatal("opened without its certificate")
	}
	open(t, embedpd.Options{DataDir: dir}) // neither locked nor spoilt
}
