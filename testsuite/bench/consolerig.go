package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"pumphouse/nodes"
)

// withPD runs a PD with data of its own, for as long as do takes.
func withPD(bin string, do func(url string) error) error {
	dir, err := os.MkdirTemp("", "pumphouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	pd, err := start("ready:", bin, "pd", "-addr", "127.0.0.1:0", "-data-dir", filepath.Join(dir, "pd"))
	if err != nil {
		return err
	}
	defer pd.stop()
	return do(lastField(pd.line))
}

// startConsole starts a console, and gives its resident memory at rest, too.
func startConsole(bin, pdURL string) (console *process, rest int64, err error) {
	console, err = start("ready:", bin, "serve", "-addr", "127.0.0.1:0", "-pd-urls", pdURL, "-log-level", "error")
	if err != nil {
		return nil, 0, err
	}
	time.Sleep(time.Second) // the figure at rest is taken at rest
	if rest, err = console.rss(); err != nil {
		console.stop()
	}
	return console, rest, err
}

// startEcho starts the server whose [echoRate] is the limit.
func startEcho(reqLen, respLen int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start("ready:", self, "echo", fmt.Sprint(reqLen), fmt.Sprint(respLen))
}

// connect makes one connection to a console, with dial unless it is nil.
func connect(addr string, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (conn *sql.Conn, hangUp func(), err error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DialFunc = "root", "tcp", addr, dial
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(connector)
	if conn, err = db.Conn(context.Background()); err != nil {
		db.Close()
		return nil, nil, err
	}
	return conn, func() { conn.Close(); db.Close() }, nil
}

// answerBytes asks once, through a connection that counts.
func answerBytes(addr, query string) (int, error) {
	counter := &countingDialer{}
	conn, hangUp, err := connect(addr, counter.dial)
	if err != nil {
		return 0, err
	}
	defer hangUp()
	before := counter.read
	rows, err := conn.QueryContext(context.Background(), query)
	if err != nil {
		return 0, err
	}
	for rows.Next() {
	}
	if err := rows.Close(); err != nil {
		return 0, err
	}
	return counter.read - before, rows.Err()
}

type countingDialer struct{ read int }

func (d *countingDialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return &countingConn{Conn: c, d: d}, err
}

type countingConn struct {
	net.Conn
	d *countingDialer
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.d.read += n
	return n, err
}

// seed fills PD with fresh records of pumps in a state.
func seed(pdURL string, n int, state nodes.State) error {
	cli, err := clientv3.New(clientv3.Config{Endpoints: []string{pdURL}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	now := nodes.MakeTSO(time.Now().Add(time.Hour), 1) // reporting for as long as the run takes
	var puts []clientv3.Op
	for i := range n {
		id := fmt.Sprintf("pump-%04d", i)
		b, err := nodes.EncodeRecord(nodes.Record{NodeID: id, Host: fmt.Sprintf("10.0.%d.%d:8250", i/250, i%250),
			State: state, MaxCommitTS: now, UpdateTS: now})
		if err != nil {
			return err
		}
		puts = append(puts, clientv3.OpPut(nodes.Pump.Key(id), string(b)))
		if len(puts) == 100 || i == n-1 {
			if _, err := cli.Txn(ctx).Then(puts...).Commit(); err != nil {
				return err
			}
			puts = puts[:0]
		}
	}
	return nil
}

func lastField(s string) string {
	f := strings.Fields(s)
	return f[len(f)-1]
}

// portOf finds host and port in "ready: mysql -h HOST -P PORT -u root".
func portOf(line string) string {
	f := strings.Fields(line)
	var host, port string
	for i := 0; i+1 < len(f); i++ {
		switch f[i] {
		case "-h":
			host = f[i+1]
		case "-P":
			port = f[i+1]
		}
	}
	return net.JoinHostPort(host, port)
}
