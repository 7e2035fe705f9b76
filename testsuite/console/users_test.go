package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

const pausePump1 = "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'"

// withUsers is a configuration with an admin and a monitor, with passwords as
// `pumphouse passwd` hashes them for new and for old clients.
func withUsers(t *testing.T, more string) string {
	t.Helper()
	hash := func(plugin, password string) string {
		r := rig.RunToEnd(t, password+"\n", nil, "pumphouse", "passwd", "-plugin", plugin)
		if r.Code != 0 || strings.Contains(r.Out+r.Stderr, password) {
			t.Fatalf("pumphouse passwd: exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
		}
		return strings.TrimSpace(r.Out)
	}
	return rig.WriteFile(t, "console.toml", more+fmt.Sprintf(`
[[users]]
name = "boss"
role = "admin"
password = '%s'
[[users]]
name = "chief"
role = "admin"
password = '%s'
[[users]]
name = "watch"
role = "monitor"
password = '%s'
`, hash("caching_sha2_password", "b0ss"), hash("mysql_native_password", "ch1ef"), hash("mysql_native_password", "w4tch")))
}

// wantMySQLError checks number and text.
func wantMySQLError(t testing.TB, what string, err error, number uint16, text string) {
	t.Helper()
	var my *mysql.MySQLError
	if !errors.As(err, &my) || my.Number != number || !strings.Contains(my.Message, text) {
		t.Errorf("%s: %v, want %d %s", what, err, number, text)
	}
}

func TestUsersOverTLS(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	cli := rig.Etcd(t, pd.Endpoints())
	rig.Put(t, cli, rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	certs := pdtest.NewCerts(t)
	config := withUsers(t, fmt.Sprintf("require-secure-transport = true\ntls-cert = %q\ntls-key = %q\n", certs.CertFile, certs.KeyFile))
	c := rig.StartConsole(t, pd.Endpoints(), "-config", config)
	trust := &tls.Config{RootCAs: certs.Client().RootCAs, ServerName: "127.0.0.1"}
	verified := []string{"--ssl-ca=" + certs.CAFile, "--ssl-verify-server-cert"}

	for _, u := range []struct {
		name, password string
		admin          bool
	}{{"boss", "b0ss", true}, {"chief", "ch1ef", true}, {"watch", "w4tch", false}} {
		t.Run(u.name, func(t *testing.T) {
			rig.Put(t, cli, rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
			db := c.Login(t, u.name, u.password, trust)
			rows, err := db.Query("SHOW PUMP STATUS")
			if err != nil {
				t.Fatal(err)
			}
			if got := rig.ScanRows(t, rows); len(got) != 1 || !strings.HasPrefix(got[0], "pump1|127.0.0.1:8250|Online|") {
				t.Errorf("rows %q", got)
			}
			var name, cipher string
			if err := db.QueryRow("SHOW STATUS LIKE 'ssl_cipher'").Scan(&name, &cipher); err != nil || !strings.HasPrefix(cipher, "TLS_") {
				t.Errorf("%s %q, error %v", name, cipher, err)
			}
			_, err = db.ExecContext(context.Background(), pausePump1)
			viaClient := c.MariaDB(t, u.name, u.password, pausePump1+"; SELECT CURRENT_USER()", verified...)
			if u.admin {
				if err != nil {
					t.Error(err)
				}
				viaClient.Expect(t, "mariadb", 0, u.name+"@%", "")
				if got := stateOf(t, rig.Get(t, cli, rig.NodesPrefix+"pumps/pump1")); got != "paused" {
					t.Errorf("PD says %s", got)
				}
			} else {
				wantMySQLError(t, "CHANGE by a monitor", err, 1227, "Access denied; CHANGE needs the role admin, and user '"+u.name+"' has the role monitor: log in as an admin, or have its role in [[users]] of the console's configuration changed")
				viaClient.Expect(t, "mariadb", 1, "", "ERROR 1227 (42000) at line 1: Access denied; CHANGE needs the role admin")
				if got := rig.Get(t, cli, rig.NodesPrefix+"pumps/pump1"); got != rig.Pump1Record {
					t.Errorf("PD holds %s", got)
				}
			}
			wantMySQLError(t, "a wrong password", c.Login(t, u.name, "wrong", trust).Ping(), 1045,
				"Access denied for user '"+u.name+"'@'127.0.0.1' (using password: YES)")
			wantMySQLError(t, "no TLS", c.Login(t, u.name, u.password, nil).Ping(), 3159,
				"Connections using insecure transport are prohibited while --require_secure_transport=ON.")
		})
	}
	wantMySQLError(t, "an unknown user", c.Login(t, "nobody", "x", trust).Ping(), 1045,
		"Access denied for user 'nobody'@'127.0.0.1' (using password: YES)")
	c.MariaDB(t, "root", "", "SELECT 1", verified...).Expect(t, "root without a password", 1,
		"", "ERROR 1045 (28000): Access denied for user 'root'@'127.0.0.1' (using password: NO)")
	for _, reason := range []string{"wrong password", "it is not over TLS, and require-secure-transport is on", "there is no such user in [[users]]"} {
		rig.Eventually(t, 0, fmt.Sprintf("the log says %q of a refused login", reason), func() (bool, string) {
			return strings.Contains(c.Output(), fmt.Sprintf("reason=%q", reason)), c.Output()
		})
	}
	// What the console itself says is to be typed, with the users and the TLS there are.
	command, note, _ := strings.Cut(strings.TrimPrefix(c.Ready, "ready: "), " (")
	if !strings.HasSuffix(command, " -u boss -p") || note != "over TLS: the MariaDB client needs --ssl)" {
		t.Fatalf("the console announces %q", c.Ready)
	}
	typed := strings.Fields(strings.TrimSuffix(command, " -p") + " --ssl --batch --skip-column-names")
	rig.RunCommand(t, "", []string{"MYSQL_PWD=b0ss"}, "mariadb", append(append([]string{"--no-defaults"}, typed[1:]...), "-e", "SELECT CURRENT_USER()")...).
		Expect(t, "the announced command", 0, "boss@%", "")
	if strings.Contains(c.Output(), "b0ss") || strings.Contains(c.Output(), "w4tch") {
		t.Error("a password stands in the log")
	}
}

// TestEveryChangeIsLogged: who, from where, which node, from what to what, and what came
// of it.
func TestEveryChangeIsLogged(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	rig.Put(t, rig.Etcd(t, pd.Endpoints()), rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	c := rig.StartConsole(t, pd.Endpoints(), "-config", withUsers(t, ""))
	boss, watch := c.Login(t, "boss", "b0ss", nil), c.Login(t, "watch", "w4tch", nil)
	boss.Exec(pausePump1)
	boss.Exec("CHANGE DRAINER TO NODE_STATE = 'online' FOR NODE_ID 'd\"1'")
	watch.Exec(pausePump1)
	for _, want := range [][]string{
		{`msg="CHANGE done"`, "user=boss", "addr=127.0.0.1", "kind=pump", "node=pump1", "old_state=online", "new_state=paused", "result=done"},
		{`msg="CHANGE failed"`, "user=boss", "kind=drainer", `node="d\"1"`, "new_state=online", "result=failed", "not found"},
		{`msg="CHANGE refused"`, "user=watch", "addr=127.0.0.1", "kind=pump", "node=pump1", "new_state=paused", "result=denied"},
	} {
		rig.Eventually(t, 5e9, "the log has "+want[0], func() (bool, string) {
			for line := range strings.Lines(c.Output()) {
				if strings.Contains(line, want[0]) {
					for _, word := range want {
						if !strings.Contains(line, word) {
							t.Fatalf("%s is missing in %s", word, line)
						}
					}
					return true, ""
				}
			}
			return false, c.Output()
		})
	}
}

// TestWhatServeRefuses: exit code 2 for what it does not understand, 1 for what does not
// work, and a message that names the cure.
func TestWhatServeRefuses(t *testing.T) {
	taken := rig.StartConsole(t, []string{"http://127.0.0.1:1"}) // starts without PD
	for _, c := range []struct {
		what   string
		args   []string
		code   int
		stderr string
	}{
		{"no users, all addresses", []string{"serve", "-addr", "0.0.0.0:0"}, 2, "configure [[users]] with hashes made by `pumphouse passwd`, or listen on 127.0.0.1"},
		{"an unknown key", []string{"serve", "-config", rig.WriteFile(t, "c.toml", "max-conections = 7\n")}, 2, "unknown key max-conections"},
		{"an unknown key of a user", []string{"serve", "-config", rig.WriteFile(t, "c.toml", "[[users]]\nname='a'\npass='b'\n")}, 2, "unknown key users.pass"},
		{"a file that is not TOML", []string{"serve", "-config", rig.WriteFile(t, "c.toml", "a = \nb\n")}, 2, "line 1"},
		{"no file", []string{"serve", "-config", "/nonexistent/c.toml"}, 2, "/nonexistent/c.toml"},
		{"a password in plain", []string{"serve", "-config", rig.WriteFile(t, "c.toml", "[[users]]\nname='a'\nrole='admin'\npassword='secret'\n")}, 2, "pumphouse passwd"},
		{"a role that does not exist", []string{"serve", "-config", rig.WriteFile(t, "c.toml", "[[users]]\nname='a'\nrole='king'\npassword=''\n")}, 2, "king"},
		{"TLS without a certificate", []string{"serve", "-require-secure-transport"}, 2, "require-secure-transport needs a certificate"},
		{"https without certificates", []string{"serve", "-addr", "127.0.0.1:0", "-pd-urls", "https://127.0.0.1:1"}, 2, "Set ssl-ca, ssl-cert and ssl-key (flags, or keys in [security]), or write http://127.0.0.1:1"},
		{"a certificate without a key", []string{"serve", "-tls-cert", "server.pem"}, 2, "tls-cert and tls-key go together: name both or neither"},
		{"a certificate that is not there", []string{"serve", "-tls-cert", "/nowhere/server.pem", "-tls-key", "/nowhere/server.key"}, 2, "read TLS certificate /nowhere/server.pem with key /nowhere/server.key"},
		{"a taken port", []string{"serve", "-addr", taken.Addr()}, 1, taken.Addr()},
		{"a bad flag", []string{"serve", "-adr", "x"}, 2, "unknown flag -adr, did you mean -addr?"},
		{"an argument", []string{"serve", "now"}, 2, `unexpected argument "now"`},
		{"a bad value", []string{"serve", "-compat", "mysql"}, 2, "use docs or tidb"},
		{"a bad level", []string{"serve", "-log-level", "loud"}, 2, "use debug, info, warn, error or fatal"},
		{"no command", nil, 2, "Usage: pumphouse COMMAND"},
		{"an unknown command", []string{"start"}, 2, `there is no command "start"`},
		{"a plugin that does not exist", []string{"passwd", "-plugin", "md5"}, 2, "md5"},
	} {
		rig.RunToEnd(t, "x\n", nil, "pumphouse", c.args...).Expect(t, c.what, c.code, "", c.stderr)
	}
	rig.RunToEnd(t, "", nil, "pumphouse", "passwd").Expect(t, "no password", 1, "", "no password was given")
	for _, flag := range []string{"-V", "--version"} {
		rig.RunToEnd(t, "", nil, "pumphouse", flag).Expect(t, flag, 0, "pumphouse ", "")
	}
	rig.RunToEnd(t, "", nil, "pumphouse", "serve", "-h").Expect(t, "serve -h", 0, "-pd-urls", "")
}

// TestServeSaysWhichPDIsAway: it starts without PD, and statements say what is missing.
func TestServeSaysWhichPDIsAway(t *testing.T) {
	c := rig.StartConsole(t, []string{"http://127.0.0.1:1"}, "-pd-timeout", "200ms")
	db := c.Open(t)
	for _, statement := range []string{"SHOW PUMP STATUS", "SHOW DRAINER STATUS", pausePump1, "SHOW VARIABLES LIKE 'log_bin'"} {
		_, err := db.Exec(statement)
		wantMySQLError(t, statement, err, 1105, "PD at 127.0.0.1:1 gives no answer")
	}
	if _, err := db.Exec("SELECT 1"); err != nil {
		t.Errorf("what needs no PD: %v", err)
	}
}

// TestConsoleCertificateIsRenewed: what clients are shown follows its files, without a restart
// and without a moment in which nobody can log in.
func TestConsoleCertificateIsRenewed(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	before, after := pdtest.NewCerts(t), pdtest.NewCerts(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	replace := func(path, with string) {
		b, err := os.ReadFile(with)
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	replace(cert, before.CertFile)
	replace(key, before.KeyFile)
	c := rig.StartConsole(t, pd.Endpoints(), "-config", withUsers(t, fmt.Sprintf("tls-cert = %q\ntls-key = %q\n", cert, key)))
	old := &tls.Config{RootCAs: before.Client().RootCAs, ServerName: "127.0.0.1"}
	renewed := &tls.Config{RootCAs: after.Client().RootCAs, ServerName: "127.0.0.1"}
	if err := c.Login(t, "watch", "w4tch", old).Ping(); err != nil {
		t.Fatal(err)
	}
	replace(cert, after.CertFile) // without its key
	if err := c.Login(t, "watch", "w4tch", old).Ping(); err != nil {
		t.Errorf("while the files do not fit together: %v", err)
	}
	replace(key, after.KeyFile)
	rig.Eventually(t, 20*time.Second, "the renewed certificate is shown", func() (bool, string) {
		err := c.Login(t, "watch", "w4tch", renewed).Ping()
		return err == nil, fmt.Sprint(err)
	})
}
