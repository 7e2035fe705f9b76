package server

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
	"pumphouse/server/session"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
)

// nodeRows is a result like SHOW PUMP STATUS of n nodes.
func nodeRows(n int) *session.Outcome {
	text := func(name string) engine.Column {
		return engine.Column{Name: name, Type: gomysql.MYSQL_TYPE_VAR_STRING, Length: 1024, Charset: 45}
	}
	r := &engine.Result{Columns: []engine.Column{text("NodeID"), text("Address"), text("State"),
		{Name: "Max_Commit_Ts", Type: gomysql.MYSQL_TYPE_LONGLONG, Length: 20, Charset: 63}, text("Update_Time")}}
	for i := range n {
		r.Rows = append(r.Rows, []engine.Value{
			engine.String(fmt.Sprintf("pump%d", i)), engine.String("127.0.0.1:8250"), engine.String("Online"),
			engine.Int(408553768673342237), engine.String("2019-05-01 00:00:01"),
		})
	}
	return &session.Outcome{Rows: r, Kept: new(result.Kept), Status: gomysql.SERVER_STATUS_AUTOCOMMIT}
}

// fixed is a session with one answer, so that only the protocol is measured.
type fixed struct {
	script
	outcome *session.Outcome
}

func (f *fixed) Query(_ context.Context, _ string, emit func(*session.Outcome, bool) error) error {
	return emit(f.outcome, false)
}

func openFixed(b *testing.B, rows int) *Server {
	srv, err := New(Options{Addr: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	outcome := nodeRows(rows)
	srv.newSession = func(session.Options, uint32, privilege.Account) clientSession {
		return &fixed{script: script{charset: "utf8mb4"}, outcome: outcome}
	}
	if err := srv.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = srv.Close() })
	return srv
}

// BenchmarkDriver asks through go-sql-driver, by 1 and by 16 clients at once.
func BenchmarkDriver(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			srv := openFixed(b, 10)
			db, err := sql.Open("mysql", "root@tcp("+srv.Addr().String()+")/")
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			db.SetMaxOpenConns(clients)
			db.SetMaxIdleConns(clients)
			b.ReportAllocs()
			var wg sync.WaitGroup
			for k := range clients {
				wg.Go(func() {
					for i := k; i < b.N; i += clients {
						rows, err := db.Query("SHOW PUMP STATUS")
						if err != nil {
							b.Error(err)
							return
						}
						for rows.Next() {
						}
						_ = rows.Close()
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
		})
	}
}

// BenchmarkRaw asks through a client that does nothing but count bytes: what is left
// is the server and two system calls on each side.
func BenchmarkRaw(b *testing.B) {
	for _, rows := range []int{10, 1000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) { benchmarkRaw(b, rows) })
	}
}

func benchmarkRaw(b *testing.B, rows int) {
	srv := openFixed(b, rows)
	nc, err := net.Dial("tcp", srv.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	skip := func() []byte {
		var h [4]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			b.Fatal(err)
		}
		p := make([]byte, int(h[0])|int(h[1])<<8|int(h[2])<<16)
		if _, err := io.ReadFull(r, p); err != nil {
			b.Fatal(err)
		}
		return p
	}
	skip()
	login := response(rawCaps, "root", "", gomysql.AUTH_NATIVE_PASSWORD)
	_, _ = nc.Write(append([]byte{byte(len(login)), 0, 0, 1}, login...))
	skip()
	query := []byte("\x11\x00\x00\x00\x03SHOW PUMP STATUS")
	_, _ = nc.Write(query)
	size := 0
	for eofs := 0; eofs < 2; {
		p := skip()
		size += 4 + len(p)
		if p[0] == gomysql.EOF_HEADER {
			eofs++
		}
	}
	answer := make([]byte, size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := nc.Write(query); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(r, answer); err != nil {
			b.Fatal(err)
		}
	}
}
