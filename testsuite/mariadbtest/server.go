package mariadbtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"pumphouse/testsuite/form"
)

const (
	startLimit = 60 * time.Second // for recovery on a busy machine
	stopLimit  = 30 * time.Second // after SIGTERM; then it is killed
)

// Server is a mariadbd process with a data directory and a port that stay its own until
// the test ends. Its only user is root, without a password.
type Server struct {
	Host string
	Port int
	Dir  string // holds data/ and the server's log

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// Start makes a server and waits until it answers. args are further options of mariadbd,
// --name=value; they come last and so override what is set here. Durability is mariadbd's
// default: every commit is synced.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "mariadb")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Host: "127.0.0.1", Port: form.Port(t), Dir: dir, t: t, args: args}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the end of MariaDB's log:\n%s", s.tail(40))
		}
		os.RemoveAll(dir)
	})
	if err := os.CopyFS(s.data(), os.DirFS(s.template())); err != nil {
		t.Fatalf("copy MariaDB's data directory: %v", err)
	}
	s.StartAgain()
	return s
}

// find finds a program on PATH, or where Debian has it when PATH has no sbin. Without it the test cannot be run here.
func (s *Server) find(name string) string {
	s.t.Helper()
	for _, try := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(try); err == nil {
			return path
		}
	}
	form.Missing(s.t, "no %s on this machine: install MariaDB's server (Debian: mariadb-server), or run testsuite/deps.sh", name)
	return ""
}

func (s *Server) user() string {
	u, err := user.Current()
	if err != nil {
		s.t.Fatal(err)
	}
	return u.Username
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }
func (s *Server) log() string  { return filepath.Join(s.Dir, "mariadbd.log") }

// StartAgain runs the server with what is in its data directory, and waits until it answers.
// It must not be running.
func (s *Server) StartAgain() {
	s.t.Helper()
	out, err := os.OpenFile(s.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	s.cmd = exec.Command(s.find("mariadbd"), append([]string{
		"--no-defaults", "--user=" + s.user(), "--datadir=" + s.data(), "--tmpdir=" + s.Dir,
		"--bind-address=" + s.Host, fmt.Sprintf("--port=%d", s.Port), "--socket=" + filepath.Join(s.Dir, "sock"),
		"--pid-file=" + filepath.Join(s.Dir, "pid"), "--skip-name-resolve", "--performance-schema=OFF",
		"--innodb-buffer-pool-size=256M", "--innodb-log-file-size=96M", "--character-set-server=utf8mb4",
		"--max-allowed-packet=64M",
	}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := form.Start(s.cmd); err != nil {
		s.t.Fatalf("start mariadbd: %v", err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}(s.cmd, s.done)
	s.await()
}

func (s *Server) await() {
	s.t.Helper()
	deadline := time.After(startLimit)
	for {
		err := s.ping()
		if err == nil {
			return
		}
		select {
		case <-s.done:
			s.t.Fatalf("mariadbd ended at its start:\n%s", s.tail(40))
		case <-deadline:
			s.t.Fatalf("mariadbd does not answer after %s: %v\n%s", startLimit, err, s.tail(40))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) ping() error {
	db, err := s.pool()
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

// Stop shuts the server down in good order.
func (s *Server) Stop() {
	s.t.Helper()
	if s.done == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // gone already: nothing to stop
	select {
	case <-s.done:
	case <-time.After(stopLimit):
		s.Kill()
		s.t.Errorf("mariadbd did not stop within %s", stopLimit)
	}
}

// Kill ends the server with SIGKILL, as a crash of it would.
func (s *Server) Kill() {
	if s.done == nil {
		return
	}
	_ = s.cmd.Process.Kill() // gone already: nothing to kill
	<-s.done
}

// PID is the process ID of the server, for those who measure it.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Addr is host:port.
func (s *Server) Addr() string { return fmt.Sprintf("%s:%d", s.Host, s.Port) }

// DSN is the server for go-sql-driver, without a database. Connections may send several
// statements in one text, and their time zone is UTC.
func (s *Server) DSN() string {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.MultiStatements = "root", "tcp", s.Addr(), true
	c.Params = map[string]string{"time_zone": "'+00:00'"}
	return c.FormatDSN()
}

func (s *Server) pool() (*sql.DB, error) {
	c, err := mysql.ParseDSN(s.DSN())
	if err != nil {
		return nil, err
	}
	c.Logger = &mysql.NopLogger{} // connections that fail while the server is down are no news
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Open gives a pool of connections that is closed with the test.
func (s *Server) Open() *sql.DB {
	s.t.Helper()
	db, err := s.pool()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { db.Close() })
	return db
}

// Exec runs statements, which must succeed.
func (s *Server) Exec(statements ...string) {
	s.t.Helper()
	db := s.Open()
	defer db.Close()
	for _, q := range statements {
		if _, err := db.ExecContext(s.t.Context(), q); err != nil {
			s.t.Fatalf("%.200s: %v", q, err)
		}
	}
}

// tail is the last lines of the server's log.
func (s *Server) tail(lines int) []byte {
	text, err := os.ReadFile(s.log())
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))
}
