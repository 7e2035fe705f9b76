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

const showPumps = "SHOW PUMP STATUS"

// benchConsole measures SHOW PUMP STATUS through go-sql-driver against a TCP echo of the
// same number of bytes.
func benchConsole(bin string, d time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
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
	pdURL := lastField(pd.line)

	fmt.Printf("### Console: `%s`, go-sql-driver, text protocol\n\n", showPumps)
	fmt.Println("| records | connections | statements/s | TCP echo of the same bytes/s | ratio |")
	fmt.Println("|---:|---:|---:|---:|---:|")
	for _, records := range []int{10, 1000} {
		if err := seed(pdURL, records); err != nil {
			return err
		}
		if err := benchConsoleWith(bin, self, pdURL, records, d); err != nil {
			return err
		}
	}
	return nil
}

func benchConsoleWith(bin, self, pdURL string, records int, d time.Duration) error {
	console, err := start("ready:", bin, "serve", "-addr", "127.0.0.1:0", "-pd-urls", pdURL, "-log-level", "error")
	if err != nil {
		return err
	}
	defer console.stop()
	time.Sleep(time.Second) // the figure at rest is taken at rest
	rest, err := console.rss()
	if err != nil {
		return err
	}
	addr := portOf(console.line)
	respLen, err := responseBytes(addr)
	if err != nil {
		return err
	}
	reqLen := 5 + len(showPumps)
	echo, err := start("ready:", self, "echo", fmt.Sprint(reqLen), fmt.Sprint(respLen))
	if err != nil {
		return err
	}
	defer echo.stop()
	for _, conns := range []int{1, 16, 128} {
		limit, err := echoRate(lastField(echo.line), conns, reqLen, respLen, d)
		if err != nil {
			return err
		}
		got, err := showRate(addr, conns, records, d)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %d | %.0f | %.0f | %.2f |\n", records, conns, got, limit, got/limit)
	}
	after, err := console.rss()
	if err != nil {
		return err
	}
	fmt.Printf("\n%d records: start to ready %v; resident memory at rest %.1f MB, after the load %.1f MB; one answer is %d bytes.\n\n",
		records, console.start.Round(time.Millisecond), float64(rest)/1e6, float64(after)/1e6, respLen)
	return nil
}

func showRate(addr string, conns, records int, d time.Duration) (float64, error) {
	return rate(conns, d, func(int) (func() error, func(), error) {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Net, cfg.Addr = "root", "tcp", addr
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return nil, nil, err
		}
		db := sql.OpenDB(connector)
		conn, err := db.Conn(context.Background())
		if err != nil {
			return nil, nil, err
		}
		var id, host, state, updated sql.RawBytes
		var ts int64
		once := func() error {
			rows, err := conn.QueryContext(context.Background(), showPumps)
			if err != nil {
				return err
			}
			n := 0
			for rows.Next() {
				if err := rows.Scan(&id, &host, &state, &ts, &updated); err != nil {
					return err
				}
				n++
			}
			if err := rows.Close(); err != nil {
				return err
			}
			if n != records {
				return fmt.Errorf("%d rows, want %d", n, records)
			}
			return rows.Err()
		}
		return once, func() { conn.Close(); db.Close() }, nil
	})
}

// responseBytes asks once through a counting connection.
func responseBytes(addr string) (int, error) {
	counter := &countingDialer{}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "tcp", addr
	cfg.DialFunc = counter.dial
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return 0, err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	before := counter.read
	rows, err := conn.QueryContext(context.Background(), showPumps)
	if err != nil {
		return 0, err
	}
	for rows.Next() {
	}
	if err := rows.Close(); err != nil {
		return 0, err
	}
	return counter.read - before, nil
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

// seed fills PD with fresh records of online pumps.
func seed(pdURL string, n int) error { return seedState(pdURL, n, nodes.Online) }

// seedState fills PD with fresh records of pumps in a state.
func seedState(pdURL string, n int, state nodes.State) error {
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
