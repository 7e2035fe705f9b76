package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/downstream"
	"pumphouse/internal/secret"
	"pumphouse/testsuite/pdtest"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drainer.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An upstream configuration, with every key it may have, is understood; the command line
// wins over it.
func TestConfigOfTheField(t *testing.T) {
	path := write(t, `
addr = "127.0.0.1:8249"
advertise-addr = "10.0.0.9:8249"
node-id = "drainer9"
pd-urls = "https://10.0.0.1:2379"
data-dir = "/var/lib/drainer"
detect-interval = 10
initial-commit-ts = 470642465486929921
synced-check-time = 7
compressor = "gzip"
log-file = ""
log-level = "warn"
[security]
ssl-ca = "`+pdtest.NewCerts(t).CAFile+`"
[syncer]
db-type = "mysql"
sql-mode = "ANSI_QUOTES"
ignore-txn-commit-ts = [7, 8]
ignore-schemas = "mysql,sys"
txn-batch = 50
worker-count = 4
disable-dispatch = false
enable-detect = true
safe-mode = true
loopback-control = true
channel-id = 3
sync-ddl = false
on-divergence = "stop"
ddl-check = "warn"
replicate-do-db = ["~^shop.*", "test"]
[[syncer.replicate-do-table]]
db-name = "log"
tbl-name = "~.*"
[[syncer.ignore-table]]
db-name = "test"
tbl-name = "scratch"
[syncer.relay]
log-dir = "relay"
max-file-size = 1000
[syncer.to]
host = "db"
port = 3307
user = "repl"
password = "open sesame"
sync-mode = 2
read-timeout = "2m"
[syncer.to.security]
[syncer.to.checkpoint]
type = "mysql"
schema = "cp"
`)
	c, warnings, err := parseConfig([]string{"-config", path, "-c", "9", "-disable-detect"}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	o := c.options(nil)
	if o.NodeID != "drainer9" || o.AdvertiseAddr != "10.0.0.9:8249" || !o.Gzip || o.InitialCommitTS != 470642465486929921 ||
		o.SyncedAfter != 7*time.Minute || !o.SkipDDL || len(o.IgnoreTxns) != 2 || o.Keep == nil || !o.Keep("retl", "_drainer_repl_mark") {
		t.Errorf("options: %+v", o)
	}
	m, ok := c.down.(*downstream.MySQL)
	if !ok || m.String() != "mysql repl@db:3307" || m.Password != "open sesame" || m.Workers != 9 || m.TxnBatch != 50 || !m.SafeMode ||
		m.SQLMode != "ANSI_QUOTES" || m.ChannelID != 3 || !m.StopAtDivergence || !m.WarnOfDefinitions || !m.PartialColumns || m.Schema != "cp" || m.ReadTimeout != 2*time.Minute || m.RelayDir != "relay" || m.RelayMaxFileBytes != 1000 {
		t.Errorf("downstream: %s, %T", c.down, c.down)
	}
	all := strings.Join(warnings, "\n")
	for _, want := range []string{"-disable-detect", "syncer.enable-detect"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning about %s in %q", want, all)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c, warnings, err := parseConfig([]string{"-dest-db-type", "file"}, new(bytes.Buffer))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if o := c.options(nil); o.InitialCommitTS != -1 || o.SkipDDL || o.Gzip || o.Addr != "" || o.DataDir != "data.drainer" ||
		strings.Join(o.Filter.IgnoreSchemas, ",") != "INFORMATION_SCHEMA,PERFORMANCE_SCHEMA,mysql" {
		t.Errorf("%+v", o)
	}
}

// What cannot be done is refused with the name of the key, and the exit code says so; no
// message repeats a password.
func TestConfigRefused(t *testing.T) {
	for text, want := range map[string]string{
		"[syncer]\nunheard-of = 1\n":                                                                 "syncer.unheard-of",
		"[syncer]\ndb-type = \"oracle\"\n":                                                           `db-type "oracle"`,
		"[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nzookeeper-addrs = \"z:2181\"\n":                 "zookeeper-addrs",
		"[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nkafka-compression = \"rar\"\n":                  "syncer.to.kafka-compression \"rar\"",
		"[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nprotocol = \"avro\"\n":                          "syncer.to.protocol \"avro\": use binlog or canal-json",
		"[syncer]\ndb-type = \"kafka\"\n[syncer.to]\npartition = \"table\"\n":                        "syncer.to.partition is for protocol canal-json",
		"[syncer]\ndb-type = \"kafka\"\n[syncer.to]\ntopic-partitions = -1\n":                        "syncer.to.topic-partitions -1",
		"[syncer]\ndb-type = \"kafka\"\n[syncer.to]\ntopic-replication-factor = 40000\n":             "syncer.to.topic-replication-factor 40000",
		"[syncer]\ndb-type = \"kafka\"\n[syncer.to.security]\nsasl-password = \"secret!\"\n":         "syncer.to.security.sasl-password is set and sasl-mechanism is not",
		"[syncer.to.security]\nsasl-mechanism = \"PLAIN\"\n":                                         "syncer.to.security.sasl-mechanism is for db-type kafka, not for mysql",
		"[syncer]\nplugin-path = \"p\"\n":                                                            "plugin-path",
		"[syncer]\nreplicate-do-db = [\"~(\"]\n":                                                     "replicate-do-db",
		"[syncer]\nworker-count = 0\n":                                                               "worker-count",
		"standby = true\n":                                                                           "standby: the processes that take turns need the same node-id",
		"node-id = \"d\"\nstandby = true\n[syncer]\ndb-type = \"file\"\n":                            "db-type file cannot have a standby",
		"node-id = \"d\"\nstandby = true\n[syncer.relay]\nlog-dir = \"r\"\n":                         "the relay log is on this machine",
		"node-id = \"d\"\nstandby = true\n[syncer.to.checkpoint]\ntype = \"file\"\n":                 "the checkpoint is in this machine's data directory",
		"compressor = \"zip\"\n":                                                                     "compressor",
		"initial-commit-ts = -2\n":                                                                   "initial-commit-ts",
		"[syncer.to]\nencrypted_password = \"secret!\"\n":                                            "encrypted_password",
		"[syncer.to]\nread-timeout = \"soon\"\n":                                                     "read-timeout",
		"[syncer.to]\nread-timeout = \"0s\"\n":                                                       "read-timeout \"0s\"",
		"synced-check-time = 0\n":                                                                    "synced-check-time 0: must be at least 1 minute",
		"[syncer.to.checkpoint]\ntype = \"stone\"\n":                                                 "checkpoint.type",
		"[syncer.to.checkpoint]\ntype = \"mysql\"\nhost = \"h\"\nencrypted_password = \"secret!\"\n": "checkpoint.encrypted_password",
	} {
		var out, errs bytes.Buffer
		if code := run([]string{"-config", write(t, text)}, &out, &errs); code != 2 || !strings.Contains(errs.String(), want) {
			t.Errorf("%q: exit %d, %q", text, code, errs.String())
		}
		if strings.Contains(errs.String()+out.String(), "secret!") {
			t.Errorf("%q: %q repeats a secret", text, errs.String())
		}
	}
}

// TestExitCodeOfAFailure: what is understood and cannot be done is said, with exit code 1.
func TestExitCodeOfAFailure(t *testing.T) {
	dir := t.TempDir()
	for what, c := range map[string]struct {
		args []string
		want string
	}{
		"PD away":       {[]string{"-pd-urls", "http://127.0.0.1:1", "-addr", "127.0.0.1:0"}, "PD at"},
		"a log file":    {[]string{"-log-file", filepath.Join(dir, "none", "log")}, "open log-file"},
		"no comparison": {[]string{"-compare"}, "-compare compares databases, and db-type is \"file\""},
		"no failure":    {[]string{"-check-config", "-metrics-interval", "0"}, ""},
	} {
		var out, errs bytes.Buffer
		code := run(append([]string{"-db-type", "file", "-data-dir", filepath.Join(dir, "data")}, c.args...), &out, &errs)
		if want := min(len(c.want), 1); code != want || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, want %d and %q: %s", what, code, want, c.want, errs.String())
		}
	}
}

// TestDispatch: whoever turned dispatching off, under either of its names, gets one connection downstream.
func TestDispatch(t *testing.T) {
	for text, want := range map[string]int{
		"": 16, "disable-dispatch = true": 1, "disable-dispatch = false": 16, "enable-dispatch = false": 1, "enable-dispatch = true": 16,
		"enable-dispatch = true\ndisable-dispatch = true": 1, "worker-count = 4\nenable-dispatch = false": 1,
	} {
		c, _, err := parseConfig([]string{"-config", write(t, "[syncer]\n"+text+"\n")}, new(bytes.Buffer))
		if err != nil {
			t.Fatal(err)
		}
		if m := c.down.(*downstream.MySQL); m.Workers != want {
			t.Errorf("%q: %d connections, want %d", text, m.Workers, want)
		}
	}
}

// The password that binlogctl -cmd encrypt made comes back.
func TestEncryptedPassword(t *testing.T) {
	t.Setenv("BINLOG_SECRET_KEY", "")
	if got, err := secret.Password("other", "encrypted_password", encryptedSesame); err != nil || got != "open sesame" {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("BINLOG_SECRET_KEY", "zz")
	if _, err := secret.Password("", "encrypted_password", encryptedSesame); err == nil {
		t.Error("a key that is none is taken")
	}
}

func TestVersionHelpAndPrint(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"-V"}, &out, &errs); code != 0 || !strings.HasPrefix(out.String(), "drainer (Pumphouse) ") {
		t.Errorf("-V: %d, %q", code, out.String())
	}
	out.Reset()
	if code := run([]string{"-h"}, &out, &errs); code != 0 || !strings.Contains(out.String(), "-initial-commit-ts") || !strings.Contains(out.String(), "-print FILE") {
		t.Errorf("-h: %d, %q", code, out.String())
	}
	if code := run([]string{"-print"}, &out, &errs); code != 2 {
		t.Errorf("-print without files: %d", code)
	}
	if code := run([]string{"-print", filepath.Join(t.TempDir(), "none")}, &out, &errs); code != 1 {
		t.Errorf("-print of a file that is not there: %d", code)
	}
}

// drainer -print DIR/* prints the binlog files of a drainer's directory; what else is there is named and
// is not a failure, unless there is nothing else.
func TestPrintDirectory(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("..", "..", "testsuite", "upstream", "data", "binlog-0000000000000000-20261127235154"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"binlog-0000000000000000-20261127235154": string(golden), "savepoint": "commitTS = 470642465486929921\n", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "relay"), 0o700); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(append([]string{"-print"}, paths...), &out, &errs); code != 0 || errs.Len() > 0 {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
	for _, name := range []string{"savepoint", "relay"} {
		if want := "# " + filepath.Join(dir, name) + "\n# not a binlog file: left out\n"; !strings.Contains(out.String(), want) {
			t.Errorf("%s is not named:\n%s", name, out.String()[:min(out.Len(), 2000)])
		}
	}
	if strings.Contains(out.String(), "damaged") || strings.Count(out.String(), "-- commit TS") < 10 {
		t.Errorf("printed:\n%s", out.String()[:min(out.Len(), 2000)])
	}
	out.Reset()
	if code := run([]string{"-print", filepath.Join(dir, "savepoint")}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "not a binlog file") {
		t.Errorf("a savepoint alone: %d, %s", code, errs.String())
	}
	out.Reset()
	errs.Reset()
	if err := os.WriteFile(filepath.Join(dir, "binlog-0000000000000001-20261127235154"), []byte("garbage, and much of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"-print", filepath.Join(dir, "binlog-0000000000000001-20261127235154")}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "damaged at byte 0") {
		t.Errorf("a damaged binlog file: %d, %s", code, errs.String())
	}
	if code := run([]string{"-L", "info", "-print", paths[0]}, &out, &errs); code != 2 || !strings.Contains(errs.String(), "-print comes first") {
		t.Errorf("-print after another flag: %d, %s", code, errs.String())
	}
}

// encryptedSesame is "open sesame" under the key that everybody has.
const encryptedSesame = "rSxhxPGNIh2ZJ/t0MuaV1kDcpYrvSFuaLHOnRA=="
