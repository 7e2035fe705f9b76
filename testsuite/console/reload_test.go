package console

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestHangup: SIGHUP has every program reopen its log file and take a new log level, and the console new
// users. A configuration that cannot be used is refused and changes nothing.
func TestHangup(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	hash := strings.TrimSpace(rig.RunToEnd(t, "secret\n", nil, "pumphouse", "passwd").Out)
	user := func(name string) string {
		return fmt.Sprintf("[[users]]\nname = %q\nrole = \"admin\"\npassword = %q\n", name, hash)
	}
	for _, p := range []struct {
		name string
		args []string
		more string // in the configuration, at its end
	}{
		{"pump", []string{"-addr", "127.0.0.1:0", "-node-id", "pump1"}, "[storage]\nstop-write-at-available-space = \"1 MiB\"\n"},
		{"drainer", []string{"-addr", "127.0.0.1:0", "-node-id", "drainer1", "-dest-db-type", "file", "-schema-dir", t.TempDir()}, ""},
		{"pumphouse", []string{"serve", "-addr", "127.0.0.1:0", "-http-addr", "off"}, user("first")},
	} {
		t.Run(p.name, func(t *testing.T) {
			dir := t.TempDir()
			config, log := filepath.Join(dir, "config.toml"), filepath.Join(dir, "node.log")
			head := fmt.Sprintf("pd-urls = %q\nlog-file = %q\n", strings.Join(pd.Endpoints(), ","), log)
			if p.name != "pumphouse" {
				head += fmt.Sprintf("data-dir = %q\n", filepath.Join(dir, "data"))
			}
			write := func(text string) {
				t.Helper()
				if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(head + "log-level = \"info\"\n" + p.more)
			running := rig.Launch(t, p.name, append(p.args, "-config", config)...)
			hangup := func(file, want string) string {
				t.Helper()
				if err := running.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				var text string
				rig.Eventually(t, 60*time.Second, fmt.Sprintf("%s says %q", file, want), func() (bool, string) {
					b, _ := os.ReadFile(file)
					text = string(b)
					return strings.Contains(text, want), text + running.Output()
				})
				return text
			}
			if err := os.Rename(log, log+".1"); err != nil {
				t.Fatal(err)
			}
			write(head + "log-level = \"error\"\n" + p.more + "[")
			hangup(log, "not everything could be reloaded") // it is in the file that was moved, unless that was reopened
			write(head + "log-level = \"warn\"\nheartbeat-interval = 7\n" + p.more)
			if p.name == "pump" {
				hangup(log, "heartbeat-interval")
			}
			write(head + "log-level = \"debug\"\n" + p.more + map[bool]string{true: user("second")}[p.name == "pumphouse"])
			hangup(log, "have been reloaded")
			select {
			case <-running.Done:
				t.Fatalf("%s ended: %v\n%s", p.name, running.Err, running.Output())
			default:
			}
			if p.name == "pumphouse" {
				c := &rig.Console{Proc: running}
				f := strings.Fields(running.Ready)
				c.Host, c.Port = f[3], f[5]
				db := c.OpenAs(t, "second", "secret")
				if got := rig.Ask(t, db, "show pump status"); !strings.Contains(got, "pump1") {
					t.Errorf("the new user sees %q", got)
				}
			}
		})
	}
}

// TestFirstLine: the first line of a log says what runs where on what.
func TestFirstLine(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	dir := t.TempDir()
	urls := strings.Join(pd.Endpoints(), ",")
	for _, p := range []struct {
		name, config string
		args         []string
		want         []string
	}{
		{"pump", "[storage]\nstop-write-at-available-space = \"1 MiB\"\n", []string{"-addr", "127.0.0.1:0", "-node-id", "pump1", "-data-dir", filepath.Join(dir, "pump"), "-log-format", "logfmt"},
			[]string{"pump starts", "node=pump1", `addr="127.0.0.1:0"`, "data_dir=" + filepath.Join(dir, "pump")}},
		{"drainer", "", []string{"-addr", "127.0.0.1:0", "-node-id", "drainer1", "-data-dir", filepath.Join(dir, "drainer"), "-dest-db-type", "file", "-schema-dir", dir, "-log-format", "logfmt"},
			[]string{"drainer starts", "node=drainer1", "data_dir=" + filepath.Join(dir, "drainer"), "downstream=\"binlog files"}},
		{"pumphouse", "", []string{"serve", "-addr", "127.0.0.1:0", "-http-addr", "off"}, []string{"console starts", "addr=", "http_addr=off"}},
	} {
		args := append(p.args, "-pd-urls", urls, "-config", rig.WriteFile(t, "config.toml", p.config))
		running := rig.Launch(t, p.name, args...)
		var line string
		for l := range strings.Lines(running.Output()) {
			if strings.Contains(l, "level=") {
				line = l
				break
			}
		}
		for _, want := range append(p.want, "version=", "pd=", strings.TrimPrefix(pd.Endpoint(0), "http://")) {
			if !strings.Contains(line, want) {
				t.Errorf("%s: the first line lacks %s: %s", p.name, want, line)
			}
		}
		// PD answers at once, or the second line has it.
		rig.Eventually(t, 60*time.Second, "the cluster ID", func() (bool, string) {
			return strings.Contains(running.Output(), fmt.Sprintf("cluster_id=%d", pd.ClusterID())), running.Output()
		})
	}
}

// TestConfigOverHTTP: /config shows the configuration to the node's own machine.
func TestConfigOverHTTP(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	p := c.Start("pump1", "-gc", "8h")
	code, body := p.Ask(http.MethodGet, "/config")
	if code != http.StatusOK || !strings.Contains(body, `"node-id"`) || !strings.Contains(body, "8h") {
		t.Errorf("%d %s", code, body)
	}
}

// TestVersionEverywhere: -V works after every subcommand.
func TestVersionEverywhere(t *testing.T) {
	for _, args := range [][]string{{"-V"}, {"serve", "-V"}, {"pd", "-V"}, {"demo", "-V"}, {"passwd", "-V"}, {"serve", "-addr", "127.0.0.1:0", "--V"}} {
		rig.RunToEnd(t, "", nil, "pumphouse", args...).Expect(t, strings.Join(args, " "), 0, "pumphouse ", "")
	}
	for _, program := range []string{"pump", "drainer", "binlogctl"} {
		rig.RunToEnd(t, "", nil, program, "-V").Expect(t, program, 0, program+" (Pumphouse)", "")
	}
}

// TestWrongTLS: an expired certificate of our own, and PD's address with the wrong scheme, are called by
// their names; what to write fits the program.
func TestWrongTLS(t *testing.T) {
	certs := pdtest.NewCerts(t)
	tls := []string{"-ssl-ca", certs.CAFile, "-ssl-cert", certs.CertFile, "-ssl-key", certs.KeyFile}
	plain, secure := pdtest.StartEmbed(t), pdtest.StartEmbedTLS(t, certs)
	addr := func(c *pdtest.Cluster) string { _, a, _ := strings.Cut(c.Endpoint(0), "://"); return a }
	ctl := func(what, url, says string, args ...string) {
		t.Helper()
		rig.RunToEnd(t, "", nil, "binlogctl", append([]string{"-timeout", "2s", "-pd-urls", url, "-cmd", "pumps"}, args...)...).Expect(t, what, 1, "", says)
	}
	ctl("https to a plain PD", "https://"+addr(plain), "does not speak TLS: write http://"+addr(plain), tls...)
	ctl("http to a PD with TLS", "http://"+addr(secure), "speaks TLS: write https://"+addr(secure))

	// Each program has the flags and keys that its text names.
	for _, program := range []string{"pump", "drainer", "binlogctl", "pumphouse"} {
		run := func(url string, more ...string) rig.Result {
			args := append([]string{"-pd-urls", url}, more...)
			if program == "pumphouse" {
				args = append([]string{"serve"}, args...)
			}
			return rig.RunToEnd(t, "", nil, program, args...)
		}
		run("https://"+addr(secure)).Expect(t, program+" without certificates", 2, "",
			`PD address "https://`+addr(secure)+`" is https, and no certificates are set. Set ssl-ca, ssl-cert and ssl-key (flags, or keys in [security]), or write http://`+addr(secure)+" (-pd-urls)")
		run("http://"+addr(plain), tls...).Expect(t, program+" with certificates", 2, "",
			`PD address "http://`+addr(plain)+`" is plain http, and certificates are set. Write https://`+addr(plain)+" (-pd-urls), or remove ssl-ca, ssl-cert and ssl-key")
	}

	old := pdtest.NewExpiredCerts(t)
	expired := []string{"-ssl-ca", certs.CAFile, "-ssl-cert", old.CertFile, "-ssl-key", old.KeyFile}
	ctl("an expired certificate", "https://"+addr(secure), "the certificate "+old.CertFile+" (CN=pdtest) expired at", expired...)
	config := fmt.Sprintf("pd-urls = %q\ndata-dir = %q\n[security]\nssl-ca = %q\nssl-cert = %q\nssl-key = %q\n", "https://"+addr(secure), t.TempDir(), certs.CAFile, old.CertFile, old.KeyFile)
	p := rig.Spawn(t, "pump", "-addr", "127.0.0.1:0", "-config", rig.WriteFile(t, "pump.toml", config))
	rig.Eventually(t, 60*time.Second, "the pump says that its certificate has expired", func() (bool, string) {
		return strings.Contains(p.Output(), "the certificate "+old.CertFile+" (CN=pdtest) expired at"), p.Output()
	})
}
