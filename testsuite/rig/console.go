package rig

import (
	"crypto/tls"
	"database/sql"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Console is a running `pumphouse serve`.
type Console struct {
	*Proc
	Host, Port string
}

func StartConsole(t testing.TB, endpoints []string, args ...string) *Console {
	t.Helper()
	args = append([]string{"serve", "-addr", "127.0.0.1:0", "-pd-urls", strings.Join(endpoints, ",")}, args...)
	c := &Console{Proc: Launch(t, "pumphouse", args...)}
	f := strings.Fields(c.Ready)
	for i := 0; i+1 < len(f); i++ {
		switch f[i] {
		case "-h":
			c.Host = f[i+1]
		case "-P":
			c.Port = f[i+1]
		}
	}
	return c
}

func (c *Console) Addr() string { return net.JoinHostPort(c.Host, c.Port) }

// Open connects go-sql-driver; params are its DSN parameters (key=value).
func (c *Console) Open(t testing.TB, params ...string) *sql.DB {
	t.Helper()
	return c.OpenAs(t, "root", "", params...)
}

func (c *Console) OpenAs(t testing.TB, user, password string, params ...string) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN("root@tcp(" + c.Addr() + ")/?" + strings.Join(params, "&"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Passwd = user, password
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

// Page is the address that the console prints for its page.
func (c *Console) Page(t testing.TB) string {
	t.Helper()
	m := regexp.MustCompile(`page: (\S+)`).FindStringSubmatch(c.Output())
	if m == nil {
		t.Fatalf("the console names no page:\n%s", c.Output())
	}
	return m[1]
}

// Login connects as a user; a nil config means no TLS.
func (c *Console) Login(t testing.TB, user, password string, config *tls.Config) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.TLS = user, password, "tcp", c.Addr(), config
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

// MariaDB runs statements through the command line client.
func (c *Console) MariaDB(t testing.TB, user, password, text string, args ...string) Result {
	t.Helper()
	args = append([]string{"--no-defaults", "-h", c.Host, "-P", c.Port, "-u", user, "--batch", "-e", text}, args...)
	return RunCommand(t, "", []string{"MYSQL_PWD=" + password}, "mariadb", args...)
}

// Client runs statements in the command line client.
func (c *Console) Client(t testing.TB, text string) Result {
	t.Helper()
	return RunCommand(t, "", nil, "mariadb", "--no-defaults", "-h", c.Host, "-P", c.Port, "-u", "root", "--batch", "--show-warnings", "-e", text)
}

// Events is what the audit says, oldest first: node, states, source, statement, result.
func (c *Console) Events(t testing.TB) []string {
	t.Helper()
	rows, err := c.Open(t).Query("SELECT node_id, ifnull(lower(old_state), '-'), ifnull(lower(new_state), '-'), source, ifnull(statement, '-'), " +
		"ifnull(user, '-'), ifnull(from_host, '-'), result FROM binlog.events ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, row := range ScanRows(t, rows) {
		out = append(out, strings.ReplaceAll(row, "|", " "))
	}
	return out
}

// Usage is what a leak shows in.
type Usage struct{ Goroutines, Files int }

// Usage reads it through a connection that is there every time.
func (c *Console) Usage(t testing.TB) Usage {
	t.Helper()
	db := c.Open(t)
	defer db.Close()
	var name, value string
	if err := db.QueryRow("SHOW STATUS LIKE 'Pumphouse_goroutines'").Scan(&name, &value); err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return Usage{n, len(files)}
}

// Settled waits until what a console uses has not moved for a second, and gives it.
func (c *Console) Settled(t testing.TB) Usage {
	t.Helper()
	var last Usage
	since := time.Now()
	Eventually(t, 30*time.Second, "the console comes to rest", func() (bool, string) {
		now := c.Usage(t)
		if now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second, fmt.Sprintf("%+v", now)
	})
	return last
}

// Peak is the most that has been resident, in bytes.
func (c *Console) Peak(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kb << 10
}
