// Command unistore plays TiKV's part in the tests' clusters: TiDB's in-tree storage engine
// behind TiKV's gRPC service, registered with a real PD as its one store. So the tests
// have a whole cluster without TiKV, which is not a Go program.
//
// It has no Raft: one process is the storage. SIGTERM closes the store properly and a new
// process goes on from the same directory. A kill -9 loses the locks of transactions in
// flight, which are held in memory, but nothing committed.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/pingcap/tidb/store/mockstore/unistore/config"
	"github.com/pingcap/tidb/store/mockstore/unistore/pd"
	"github.com/pingcap/tidb/store/mockstore/unistore/server"
	"google.golang.org/grpc"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:20160", "listen on this host:port and register it with PD")
	pdAddrs := flag.String("pd", "127.0.0.1:2379", "PD's client addresses host:port, separated by commas")
	dir := flag.String("data-dir", "", "keep the data here; the directory is made")
	flag.Parse()
	if err := run(*addr, *pdAddrs, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "unistore:", err)
		os.Exit(1)
	}
}

// run serves until a signal, or until the listener fails.
func run(addr, pdAddrs, dir string) error {
	if dir == "" {
		return fmt.Errorf("-data-dir is required")
	}
	// The engine opens the directory kv but does not make it.
	if err := os.MkdirAll(filepath.Join(dir, "kv"), 0o755); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	// Bound first: PD must not hear of an address that another process holds.
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	pdClient, err := pd.NewClient(strings.Split(pdAddrs, ","), "unistore")
	if err != nil {
		return fmt.Errorf("connect to PD at %s: %w", pdAddrs, err)
	}
	store, err := server.New(configure(lis.Addr().String(), pdAddrs, dir), pdClient)
	if err != nil {
		return fmt.Errorf("open the store in %s: %w", dir, err)
	}
	g := grpc.NewServer(grpc.MaxRecvMsgSize(1<<30), grpc.MaxSendMsgSize(1<<30))
	tikvpb.RegisterTikvServer(g, consistent{store})

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		g.Stop()
	}()
	err = g.Serve(lis)
	store.Stop()
	pdClient.Close()
	return err
}

// configure is the store's configuration for tests: what TiDB's own tests use, but kept on disk.
func configure(addr, pdAddrs, dir string) *config.Config {
	c := config.DefaultConf
	c.Server.PDAddr, c.Server.StoreAddr, c.Server.Raft = pdAddrs, addr, false
	c.Engine.DBPath = dir
	c.Engine.ValueThreshold = 0 // all values in the LSM tree; TiDB sets the same
	// Once a table in memory is written to disk, reads as of a time before find definitions of after it. So none
	// is in the short forms of the tests. It is TiDB's size.
	c.Engine.MaxMemTableSize = 64 << 20
	c.Engine.VlogFileSize = 64 << 20
	c.Engine.NumCompactors = 1
	return &c
}
