package tools

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver that open uses
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
)

// Commit timestamps of the records of the operations document.
const (
	pump1TS    = 408553768673342237
	pump2TS    = 408553768673342335
	drainer1TS = 408553768673342532
)

// rig is a PD and a console on it, with the records of the operations document.
type rig struct {
	pd         *process
	console    *process
	etcd       *clientv3.Client
	host, port string // of the SQL port
	page       string // URL of the console's page
	pdURL      string
	secure     secure
}

// secure is a second console on the same PD, with a certificate and with users: sha2 logs in by
// caching_sha2_password, native by mysql_native_password; both are admins.
type secure struct {
	port     string
	ca       string // file with the authority's certificate, which is for localhost and 127.0.0.1
	password string // of both
}

// newRig starts a rig that lives as long as the test. own are pumps that hold more records,
// one for each test that changes states.
func newRig(t testing.TB, own ...string) *rig {
	t.Helper()
	r := &rig{pd: start(t, "ready:", exec.Command(programs.Path("pumphouse"), "pd", "-addr", "127.0.0.1:0", "-data-dir", t.TempDir()))}
	endpoint := r.pd.after(t, "-pd-urls ")
	var err error
	r.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.etcd.Close() })
	r.put(t, "pump", "pump1", "127.0.0.1:8250", "online", "null", pump1TS)
	r.put(t, "pump", "pump2", "127.0.0.2:8250", "online", `{"labels":{"zone":"a"}}`, pump2TS)
	r.put(t, "pump", "pump3", "127.0.0.5:8250", "offline", "null", 1)
	r.put(t, "drainer", "drainer1", "127.0.0.3:8249", "online", "null", drainer1TS)
	for _, node := range own {
		r.put(t, "pump", node, "127.0.0.9:8250", "online", "null", pump1TS)
	}
	r.pdURL = endpoint
	r.console = r.serve(t)
	r.host, r.port, r.page = r.console.after(t, " -h "), r.console.after(t, " -P "), r.console.after(t, "page: ")
	r.startSecure(t)
	return r
}

// serve starts a console on the rig's PD.
func (r *rig) serve(t testing.TB, more ...string) *process {
	t.Helper()
	serve := exec.Command(programs.Path("pumphouse"), append([]string{"serve", "-addr", "127.0.0.1:0", "-http-addr", "127.0.0.1:0", "-pd-urls", r.pdURL}, more...)...)
	serve.Env = append(os.Environ(), "TZ=UTC")
	return start(t, "ready:", serve)
}

// startSecure starts the console with users.
func (r *rig) startSecure(t testing.TB) {
	t.Helper()
	certs := pdtest.NewCerts(t)
	r.secure.ca, r.secure.password = certs.CAFile, "pass word'1"
	config := fmt.Sprintf("tls-cert = %q\ntls-key = %q\n", certs.CertFile, certs.KeyFile)
	for name, plugin := range map[string]string{"sha2": "caching_sha2_password", "native": "mysql_native_password"} {
		hash := exec.Command(programs.Path("pumphouse"), "passwd", "-plugin", plugin)
		hash.Stdin = strings.NewReader(r.secure.password + "\n")
		out, err := hash.Output()
		if err != nil {
			t.Fatalf("%s: %v", hash, err)
		}
		config += fmt.Sprintf("[[users]]\nname = %q\nrole = \"admin\"\npassword = '%s'\n", name, strings.TrimSpace(string(out)))
	}
	file := filepath.Join(t.TempDir(), "console.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r.secure.port = r.serve(t, "-config", file).after(t, " -P ")
}

// put writes a record as old nodes write it.
func (r *rig) put(t testing.TB, kind, node, host, state, label string, ts uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	value := fmt.Sprintf(`{"nodeId":%q,"host":%q,"state":%q,"isAlive":false,"score":0,"label":%s,"maxCommitTS":%d,"updateTS":%[5]d}`, node, host, state, label, ts)
	if _, err := r.etcd.Put(ctx, "/tidb-binlog/v1/"+kind+"s/"+node, value); err != nil {
		t.Fatalf("put %s %s: %v", kind, node, err)
	}
}

// open connects go-sql-driver; parameters are those of its DSN.
func (r *rig) open(t testing.TB, parameters string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", "root@tcp("+net.JoinHostPort(r.host, r.port)+")/binlog?"+parameters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// scalar is the one value of a statement as text.
func scalar(t testing.TB, db *sql.DB, query string, args ...any) string {
	t.Helper()
	var v sql.NullString
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v.String
}
