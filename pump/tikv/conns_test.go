package tikv

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/pingcap/log"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"pumphouse/internal/certfile"
	"pumphouse/testsuite/pdtest"
)

// hotKey serves a key with as many bytes of versions as it is asked for in the key.
type hotKey struct {
	tikvpb.UnimplementedTikvServer
}

func (*hotKey) MvccGetByKey(_ context.Context, req *kvrpcpb.MvccGetByKeyRequest) (*kvrpcpb.MvccGetByKeyResponse, error) {
	info := &kvrpcpb.MvccInfo{}
	value := make([]byte, 1<<20)
	for range int(req.Key[0]) {
		info.Values = append(info.Values, &kvrpcpb.MvccValue{Value: value})
	}
	return &kvrpcpb.MvccGetByKeyResponse{Info: info}, nil
}

// TestLargeAnswers: an answer within the bound arrives whole, one beyond it is told apart
// from a store that fails.
func TestLargeAnswers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(grpc.MaxSendMsgSize(1 << 30))
	tikvpb.RegisterTikvServer(g, &hotKey{})
	served := make(chan error)
	go func() { served <- g.Serve(ln) }()
	defer func() { g.Stop(); <-served }()

	c := newConns(nil)
	addr := ln.Addr().String()
	resp, err := c.mvccGetByKey(t.Context(), addr, &kvrpcpb.MvccGetByKeyRequest{Key: []byte{maxAnswer>>20 - 1}})
	if err != nil || len(resp.GetInfo().GetValues()) != maxAnswer>>20-1 {
		t.Errorf("just below the bound: %d values, %v", len(resp.GetInfo().GetValues()), err)
	}
	if _, err := c.mvccGetByKey(t.Context(), addr, &kvrpcpb.MvccGetByKeyRequest{Key: []byte{maxAnswer>>20 + 1}}); !errors.Is(err, errTooLarge) {
		t.Errorf("beyond the bound: %v", err)
	}
	if _, err := c.checkTxnStatus(t.Context(), addr, &kvrpcpb.CheckTxnStatusRequest{}); err == nil || errors.Is(err, errTooLarge) {
		t.Errorf("a call the store does not have: %v", err)
	}
	c.close()
	c.close()
	if _, err := c.mvccGetByKey(t.Context(), addr, &kvrpcpb.MvccGetByKeyRequest{Key: []byte{1}}); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// slow answers only the small question.
type slow struct {
	tikvpb.UnimplementedTikvServer
}

func (*slow) MvccGetByKey(ctx context.Context, _ *kvrpcpb.MvccGetByKeyRequest) (*kvrpcpb.MvccGetByKeyResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*slow) KvCheckTxnStatus(context.Context, *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error) {
	return &kvrpcpb.CheckTxnStatusResponse{CommitVersion: 7}, nil
}

// TestSlowAnswer: an answer that does not come in time counts as too large, unless it is
// the caller who waits no longer. The store wants TLS and our certificate.
func TestSlowAnswer(t *testing.T) {
	certs := pdtest.NewCerts(t)
	sec := certfile.Security{CA: certs.CAFile, Cert: certs.CertFile, Key: certs.KeyFile}
	server, err := sec.Server()
	if err != nil {
		t.Fatal(err)
	}
	client, err := sec.Client()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(grpc.Creds(credentials.NewTLS(server)))
	tikvpb.RegisterTikvServer(g, &slow{})
	served := make(chan error)
	go func() { served <- g.Serve(ln) }()
	defer func() { g.Stop(); <-served }()

	c := newConns(client)
	defer c.close()
	addr := ln.Addr().String()
	for range 100 { // who notices first that it is over is chance
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if _, err := c.mvccGetByKey(ctx, addr, &kvrpcpb.MvccGetByKeyRequest{}); err == nil || errors.Is(err, errTooLarge) {
			t.Errorf("the caller's time is over: %v", err)
		}
		cancel()
	}
	if _, err := c.mvccGetByKey(t.Context(), addr, &kvrpcpb.MvccGetByKeyRequest{}); !errors.Is(err, errTooLarge) {
		t.Errorf("the store's time is over: %v", err)
	}
	if resp, err := c.checkTxnStatus(t.Context(), addr, &kvrpcpb.CheckTxnStatusRequest{}); err != nil || resp.CommitVersion != 7 {
		t.Errorf("the small question: %v, %v", resp, err)
	}
	inTheClear := newConns(nil)
	defer inTheClear.close()
	if _, err := inTheClear.checkTxnStatus(t.Context(), addr, &kvrpcpb.CheckTxnStatusRequest{}); err == nil {
		t.Error("the store answers without TLS")
	}
}

// TestRedirectLogs: what the libraries say goes to the program's own log, at level debug.
func TestRedirectLogs(t *testing.T) {
	var out bytes.Buffer
	to := logrus.New()
	to.SetOutput(&out)
	restore := RedirectLogs(to)
	defer restore()
	log.Error("[pd] cannot update member", zap.String("url", "here"))
	if out.Len() != 0 {
		t.Errorf("said at level info: %s", out.Bytes())
	}
	to.SetLevel(logrus.DebugLevel)
	log.L().With(zap.Int("n", 7)).Warn("[pd] still not", zap.String("url", "here"))
	log.Info("[pd] a detail")
	for _, want := range []string{"still not", "url=here", "n=7"} {
		if !bytes.Contains(out.Bytes(), []byte(want)) {
			t.Errorf("no %q in %s", want, out.Bytes())
		}
	}
	if bytes.Contains(out.Bytes(), []byte("a detail")) {
		t.Errorf("details are said: %s", out.Bytes())
	}
}
