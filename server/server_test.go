package server

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"
	"github.com/sirupsen/logrus"

	"pumphouse/server/engine"
	"pumphouse/server/governor"
	"pumphouse/server/session"
	"pumphouse/server/session/infoschema"
	"pumphouse/server/session/privilege"
)

// script is a session whose statements are functions, so that the tests decide what
// the server has to carry: rows of every kind, errors, panics, long waits.
type script struct {
	id  uint32
	acc privilege.Account
	srv infoschema.Server

	mu        sync.Mutex
	multi     bool
	collation uint16
	db        string
	charset   string
	resets    int
	idle      time.Duration
	started   chan struct{} // gets one value when "wait" begins
	args      []engine.Value
}

var stringColumn = engine.Column{Name: "v", Type: gomysql.MYSQL_TYPE_VAR_STRING, Length: 400, Charset: 45}

func oneString(s string) *session.Outcome {
	return &session.Outcome{Status: gomysql.SERVER_STATUS_AUTOCOMMIT, Rows: &engine.Result{
		Columns: []engine.Column{stringColumn}, Rows: [][]engine.Value{{engine.String(s)}}}}
}

func (s *script) Query(ctx context.Context, text string, emit func(*session.Outcome, bool) error) error {
	parts := strings.Split(text, ";")
	if len(parts) > 1 && !s.multi {
		return &engine.Error{Code: 1064, State: "42000", Message: "one statement only"}
	}
	for i, part := range parts {
		o, err := s.one(ctx, strings.TrimSpace(part))
		if err != nil {
			return err
		}
		if err := emit(o, i < len(parts)-1); err != nil {
			return err
		}
	}
	return nil
}

func (s *script) one(ctx context.Context, text string) (*session.Outcome, error) {
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "echo":
		return oneString(rest), nil
	case "whoami":
		return oneString(fmt.Sprintf("%s@%s role %d secure %t", s.acc.Name, s.acc.Host, s.acc.Role, s.acc.Secure)), nil
	case "wait":
		s.started <- struct{}{}
		<-ctx.Done()
		return nil, fmt.Errorf("the statement was cut short: %w", ctx.Err())
	case "panic":
		panic("as asked")
	case "plain":
		return nil, errors.New("something without a number")
	case "KILL":
		var id uint32
		_, _ = fmt.Sscan(rest, &id)
		if !s.srv.Kill(id, false) {
			return nil, &engine.Error{Code: 1094, State: "HY000", Message: "Unknown thread id: " + rest}
		}
	case "charset":
		s.charset = rest
	case "rows":
		var n int
		_, _ = fmt.Sscan(rest, &n)
		o := oneString(strings.Repeat("x", 100))
		for len(o.Rows.Rows) < n {
			o.Rows.Rows = append(o.Rows.Rows, o.Rows.Rows[0])
		}
		return o, nil
	case "big":
		return oneString(strings.Repeat("y", 20<<20)), nil
	case "warn":
		return &session.Outcome{Affected: 3, LastInsertID: 9, Info: "three", Warnings: 2, Status: gomysql.SERVER_STATUS_IN_TRANS}, nil
	}
	return &session.Outcome{Status: gomysql.SERVER_STATUS_AUTOCOMMIT}, nil
}

func (s *script) Prepare(_ context.Context, text string) (*session.Prepared, error) {
	if text == "bad" {
		return nil, &engine.Error{Code: 1064, State: "42000", Message: "cannot prepare"}
	}
	p := new(session.Prepared)
	p.SQL, p.Params = text, strings.Count(text, "?")
	p.Columns = []engine.Column{stringColumn}
	return p, nil
}

func (s *script) Execute(ctx context.Context, p *session.Prepared, args []engine.Value, emit func(*session.Outcome, bool) error) error {
	s.mu.Lock()
	s.args = append([]engine.Value(nil), args...)
	s.mu.Unlock()
	if p.SQL == "types" {
		return emit(everyType(), false)
	}
	if len(args) == 0 {
		return s.Query(ctx, p.SQL, emit)
	}
	row := make([]string, len(args))
	for i, a := range args {
		row[i] = a.Text()
		if a.IsNull() {
			row[i] = "NULL"
		}
	}
	return emit(oneString(strings.Join(row, "|")), false)
}

func (s *script) UseDB(_ context.Context, name string) error {
	if name == "nowhere" {
		return &engine.Error{Code: 1049, State: "42000", Message: "Unknown database 'nowhere'"}
	}
	s.db = name
	return nil
}

func (s *script) FieldList(_ context.Context, table, wildcard string) ([]engine.Column, error) {
	return []engine.Column{{Table: table, Name: wildcard, Type: gomysql.MYSQL_TYPE_LONG, Charset: 63}}, nil
}

func (s *script) Reset()                     { s.resets++; s.db = "" }
func (s *script) SetCollation(id uint16)     { s.collation = id }
func (s *script) SetMultiStatements(on bool) { s.multi = on }
func (s *script) ResultCharset() string      { return s.charset }
func (s *script) ClientCharset() string      { return s.charset }
func (s *script) DB() string                 { return s.db }
func (s *script) Status() uint16             { return gomysql.SERVER_STATUS_AUTOCOMMIT }
func (s *script) Warnings() uint16           { return 0 }
func (s *script) IdleTimeout() time.Duration { return s.idle }

// house is a running server and the scripts of its sessions.
type house struct {
	*Server
	t       *testing.T
	logs    *logBuffer
	started chan struct{} // a "wait" statement has begun

	mu    sync.Mutex
	last  *script
	tweak func(*script)
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func open(t *testing.T, opts Options, tweak func(*script)) *house {
	t.Helper()
	h := &house{t: t, logs: new(logBuffer), started: make(chan struct{}, 16), tweak: tweak}
	log := logrus.New()
	log.SetOutput(io.MultiWriter(h.logs, t.Output()))
	log.SetLevel(logrus.DebugLevel)
	opts.Logger = log
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Grace == 0 {
		opts.Grace = 50 * time.Millisecond
	}
	srv, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	h.Server = srv
	srv.newSession = func(_ session.Options, id uint32, acc privilege.Account) clientSession {
		s := &script{id: id, acc: acc, srv: srv, charset: "utf8mb4", started: h.started}
		if h.tweak != nil {
			h.tweak(s)
		}
		h.mu.Lock()
		h.last = s
		h.mu.Unlock()
		return s
	}
	if err := srv.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return h
}

// session gives the script of the newest session.
func (h *house) session() *script {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// db opens a pool of one connection as user:password, with further DSN parameters.
func (h *house) db(userPassword, params string) *sql.DB {
	h.t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("%s@tcp(%s)/%s", userPassword, h.Addr(), params))
	if err != nil {
		h.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	h.t.Cleanup(func() { _ = db.Close() })
	return db
}

func ask(t *testing.T, db *sql.DB, query string, args ...any) string {
	t.Helper()
	var s string
	if err := db.QueryRow(query, args...).Scan(&s); err != nil {
		t.Fatalf("%.60s: %v", query, err)
	}
	return s
}

func wantError(t *testing.T, err error, code uint16) *mysql.MySQLError {
	t.Helper()
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != code {
		t.Fatalf("got error %v, want number %d", err, code)
	}
	return e
}

func TestRootComesInFromThisMachineOnly(t *testing.T) {
	h := open(t, Options{}, nil)
	if got, want := ask(t, h.db("root", ""), "whoami"), "root@127.0.0.1 role 1 secure false"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e := wantError(t, h.db("root:wrong", "").Ping(), 1045)
	if want := "Access denied for user 'root'@'127.0.0.1' (using password: YES)"; e.Message != want {
		t.Errorf("got %q, want %q", e.Message, want)
	}
	wantError(t, h.db("other", "").Ping(), 1045)

	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8248"} {
		_, err := New(Options{Addr: addr})
		if !errors.Is(err, ErrOpenToAll) || !strings.Contains(err.Error(), "pumphouse passwd") {
			t.Errorf("New on %s without users: %v, want a refusal with its cure", addr, err)
		}
	}
}

// fromAfar is a connection of another machine.
type fromAfar struct{ net.Conn }

func (fromAfar) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000} }

// TestRootFromElsewhere: root without a password is refused to another machine, however it has come in.
func TestRootFromElsewhere(t *testing.T) {
	h := open(t, Options{}, nil)
	theirs, ours := net.Pipe()
	h.admit(fromAfar{ours})
	c := greeted(t, theirs)
	c.send(1, response(rawCaps, "root", "", gomysql.AUTH_NATIVE_PASSWORD))
	p := c.read()
	for p[0] != gomysql.ERR_HEADER && p[0] != gomysql.OK_HEADER { // it may be asked for a password: it has none
		c.send(3, "")
		p = c.read()
	}
	if p[0] != gomysql.ERR_HEADER || binary.LittleEndian.Uint16(p[1:]) != 1045 {
		t.Errorf("got %q, want 1045", p)
	}
	c.expectClosed()
}

func TestStatusBitsCountsAndSeveralResults(t *testing.T) {
	h := open(t, Options{}, nil)
	db := h.db("root", "?multiStatements=true")
	rows, err := db.Query("echo one; echo two; warn; echo three")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for {
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			got = append(got, s)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if want := "one two three"; strings.Join(got, " ") != want || rows.Err() != nil {
		t.Errorf("got %q and error %v, want %q", got, rows.Err(), want)
	}
	res, err := db.Exec("warn")
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := res.RowsAffected(); n != 3 {
		t.Errorf("affected %d, want 3", n)
	}
	if n, _ := res.LastInsertId(); n != 9 {
		t.Errorf("insert ID %d, want 9", n)
	}
	wantError(t, func() error { _, err := db.Exec("plain"); return err }(), 1105)
	_, err = h.db("root", "").Exec("echo a; echo b")
	wantError(t, err, 1064)
}

func TestResultsLargerThanAnyBuffer(t *testing.T) {
	h := open(t, Options{Limits: governor.Limits{Memory: 1 << 30, SessionMemory: 1 << 28}}, nil)
	db := h.db("root", "?maxAllowedPacket=67108864")
	rows, err := db.Query("rows 20000")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if rows.Err() != nil || n != 20000 {
		t.Errorf("%d rows, error %v", n, rows.Err())
	}
	if got := ask(t, db, "big"); len(got) != 20<<20 || strings.Trim(got, "y") != "" {
		t.Errorf("a value over 16 MiB came as %d bytes", len(got))
	}
	// And towards the server, up to its limit.
	if got := ask(t, db, "echo "+strings.Repeat("z", 15<<20)); len(got) != 15<<20 {
		t.Errorf("%d bytes came back", len(got))
	}
}

func TestPanicEndsOneConnectionOnly(t *testing.T) {
	h := open(t, Options{}, nil)
	other := h.db("root", "")
	if err := other.Ping(); err != nil {
		t.Fatal(err)
	}
	_, err := h.db("root", "").Exec("panic")
	wantError(t, err, 1105)
	if got := ask(t, other, "echo alive"); got != "alive" {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(h.logs.String(), "as asked") || !strings.Contains(h.logs.String(), "server_test.go") {
		t.Error("the log lacks the panic or its stack")
	}
}

func TestKillEndsTheStatementOrTheConnection(t *testing.T) {
	h := open(t, Options{}, nil)
	db := h.db("root", "")
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	id := h.session().id
	result := make(chan error, 1)
	wait := func() {
		_, err := db.Exec("wait")
		result <- err
	}
	go wait()
	<-h.started
	if p := h.Processes(); len(p) != 1 || p[0].ID != id || p[0].Command != "Query" || p[0].Info != "wait" || p[0].User != "root" {
		t.Errorf("process list: %+v", p)
	}
	if !h.Kill(id, true) {
		t.Fatal("no such connection")
	}
	wantError(t, <-result, 1317)
	if got := ask(t, db, "echo still here"); got != "still here" || h.session().id != id {
		t.Errorf("KILL QUERY ended the connection")
	}
	go wait()
	<-h.started
	h.Kill(id, false)
	wantError(t, <-result, 1317)
	if h.Kill(id+1000, false) {
		t.Error("killed a connection that does not exist")
	}
	err := db.Ping()
	if errors.Is(err, mysql.ErrInvalidConn) { // the driver met the end only when it used the connection
		err = db.Ping()
	}
	if err != nil || h.session().id == id {
		t.Errorf("error %v; the pool did not have to connect again after KILL", err)
	}
}

func TestIdleClientsAreDropped(t *testing.T) {
	h := open(t, Options{}, func(s *script) { s.idle = 30 * time.Millisecond })
	c := dialRaw(t, h)
	c.login("root")
	c.expectClosed()
}

func TestCloseLetsStatementsEndThenEndsThem(t *testing.T) {
	h := open(t, Options{Grace: 20 * time.Millisecond}, nil)
	idle := dialRaw(t, h)
	idle.login("root")
	db := h.db("root", "")
	result := make(chan error, 1)
	go func() {
		_, err := db.Exec("wait")
		result <- err
	}()
	<-h.started
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, <-result, 1053)
	idle.expectClosed()
	if _, err := net.Dial("tcp", h.Addr().String()); err == nil {
		t.Error("still listening after Close")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if p := h.Processes(); len(p) != 0 {
		t.Errorf("still there: %+v", p)
	}
}

// TestConnections: one user does not keep out the others, nor all users an admin.
func TestConnections(t *testing.T) {
	h := open(t, Options{Limits: governor.Limits{Connections: 3}, Users: testUsers(t)}, nil)
	for range 2 { // three quarters of 3
		if err := h.db("watch:wpass", "").Ping(); err != nil {
			t.Fatal(err)
		}
	}
	err := h.db("watch:wpass", "").Ping()
	wantError(t, err, 1226)
	if !strings.Contains(err.Error(), "max-user-connections") {
		t.Errorf("the error does not name the setting: %v", err)
	}
	for range 1 + governor.AdminConnections {
		if err := h.db("boss:bpass", "").Ping(); err != nil {
			t.Fatalf("no place for an admin: %v", err)
		}
	}
	err = h.db("boss:bpass", "").Ping()
	wantError(t, err, 1040)
	if !strings.Contains(err.Error(), "max-connections (3)") {
		t.Errorf("the error does not name the setting: %v", err)
	}
}

func TestClientThatLeavesEndsItsStatement(t *testing.T) {
	h := open(t, Options{}, nil)
	c := dialRaw(t, h)
	c.login("root")
	c.send(0, "\x03wait")
	<-h.started
	_ = c.nc.Close()
	deadline := time.Now().Add(time.Minute)
	for len(h.Processes()) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the statement of a vanished client is still running")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestUnixSocket(t *testing.T) {
	path := t.TempDir() + "/p.sock"
	h := open(t, Options{Socket: path, Users: testUsers(t)}, nil)
	db, err := sql.Open("mysql", "boss:bpass@unix("+path+")/")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := ask(t, db, "whoami"); !strings.HasPrefix(got, "boss@localhost ") {
		t.Errorf("got %q", got)
	}
	_ = h.Close()
	// The same path can be bound again at once.
	open(t, Options{Socket: path}, nil)
}
