package tools

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

// proxies are what stands between clients and consoles.
var proxies = []tool{
	{name: "HAProxy", limits: "`option mysql-check user` needs a user without a password", run: haproxy},
}

// haproxyConfig: two consoles without users behind one address, asked whether they are well
// by a login, and one with users, asked by a handshake alone.
const haproxyConfig = `global
  stats socket %[1]s/stats level operator
defaults
  mode tcp
  timeout connect 10s
  timeout client 1m
  timeout server 1m
  option redispatch
  retries 3
listen consoles
  bind 127.0.0.1:%[2]s
  option mysql-check user root
  default-server inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
  server first %[3]s check
  server second %[4]s check backup
listen secure
  bind 127.0.0.1:%[5]s
  option mysql-check
  server users %[6]s check inter 200ms fall 2 rise 1
`

// haproxy fails over from one console to another while people work.
func haproxy(t *testing.T, s *session) {
	s.version = number(command(t, "", "haproxy", "-v"))
	first, dir := s.serve(t), t.TempDir()
	port, securePort := strconv.Itoa(form.Port(t)), strconv.Itoa(form.Port(t))
	text := fmt.Sprintf(haproxyConfig, dir, port, "127.0.0.1:"+first.after(t, " -P "), "127.0.0.1:"+s.port, securePort, "127.0.0.1:"+s.secure.port)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "Loading success", exec.Command("haproxy", "-W", "-db", "-f", file))
	through := rig{host: "127.0.0.1", port: port}
	db := through.open(t, "")
	s.does(t, "`option mysql-check user`: two consoles behind one address, `SHOW PUMP STATUS`, `CHANGE PUMP`", func(t *testing.T) {
		haproxySays(t, dir, "consoles,first", "UP")
		haproxySays(t, dir, "consoles,second", "UP")
		contains(t, command(t, "", "mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", port, "-u", "root", "-e", "SHOW PUMP STATUS LIKE 'pump1'"),
			"pump1\t127.0.0.1:8250\tOnline\t408553768673342237\t2019-05-22 07:09:04")
		for _, state := range []string{"paused", "online"} {
			if _, err := db.ExecContext(t.Context(), "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", state, s.node); err != nil {
				t.Fatal(err)
			}
			same(t, "state", strings.ToLower(scalar(t, db, "SELECT state FROM pumps WHERE node_id = ?", s.node)), state)
		}
	})
	s.does(t, "one is stopped: the other takes over", func(t *testing.T) {
		first.stop(t)
		haproxySays(t, dir, "consoles,first", "DOWN")
		same(t, "state", scalar(t, through.open(t, ""), "SELECT state FROM pumps WHERE node_id = ?", s.node), "Online")
	})
	s.does(t, "`option mysql-check` of a console with users and TLS, a login through it", func(t *testing.T) {
		haproxySays(t, dir, "secure,users", "UP")
		out, stderr, err := try(t, []string{"MYSQL_PWD=" + s.secure.password}, "", "mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", securePort,
			"-u", "sha2", "--ssl-ca="+s.secure.ca, "--ssl-verify-server-cert", "-N", "-e", "SELECT CURRENT_USER()")
		if err != nil {
			t.Fatalf("%v\n%s%s", err, out, stderr)
		}
		same(t, "user", out, "sha2@%\n")
	})
}

// haproxySays waits until HAProxy's statistics give a server (proxy,server) this state.
func haproxySays(t *testing.T, dir, server, state string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var line string
		for _, l := range strings.Split(haproxyStats(t, dir), "\n") {
			if strings.HasPrefix(l, server+",") {
				line = l
			}
		}
		// Before its first check a server is up too.
		if strings.Contains(line, ","+state+",") && (state != "UP" || strings.Contains(line, ",L7OK,")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not %s: %s", server, state, line)
		}
	}
}

func haproxyStats(t *testing.T, dir string) string {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(dir, "stats"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
