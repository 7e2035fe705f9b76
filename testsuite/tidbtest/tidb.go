package tidbtest

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"

	"pumphouse/testsuite/form"
)

// Where a TiDB server keeps its data.
const (
	// Unistore is the storage inside the tidb-server process: fast to start, gone with
	// the process, with time stamps of its own (the machine's clock, not PD's TSO).
	Unistore = "unistore"
	// TiKV is the storage that PD names; in tests the one that StartUnistore runs.
	TiKV = "tikv"
)

const (
	tidbReady = 5 * time.Minute  // to bootstrap, on a busy machine
	tidbGrace = 10 * time.Second // to end after SIGTERM
)

// Options says which TiDB server StartTiDB runs.
type Options struct {
	PD     string // PD's client URLs (or host:port), separated by commas. Required.
	Store  string // Unistore (default) or TiKV
	Binlog bool   // write binlogs; TiDB then needs a pump record in PD to start
	Config string // more lines of TOML, from the top level on
	Year   int    // of the version: 2023 (default), or 2024, the last one with binlog
	// Lease is for how long definitions hold while PD is away, after which statements fail, and how long a DDL
	// waits for servers that do not answer. Default 1s.
	Lease string
}

// server is the path of the program for this version.
func (o Options) server(t testing.TB) string {
	t.Helper()
	switch o.Year {
	case 0, 2023:
		return binary(t, "testsuite/tidb/build.sh", "tidb-server-2023")
	case 2024:
		return binary(t, "testsuite/tidb2024/build.sh")
	}
	t.Fatalf("tidbtest: no TiDB of %d", o.Year)
	return ""
}

// TiDB is a running tidb-server.
type TiDB struct {
	Addr   string // host:port for SQL
	Status string // URL of the status API, without a slash at the end

	options Options
	dir     string
	path    string
	process *process
}

// StartTiDB runs a tidb-server and returns when it answers SQL. The user root has no password.
func StartTiDB(t testing.TB, o Options) *TiDB {
	t.Helper()
	s, err := TryStartTiDB(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TryStartTiDB is StartTiDB for tests of a start that fails; the error holds the end of the log.
func TryStartTiDB(t testing.TB, o Options) (*TiDB, error) {
	t.Helper()
	if o.PD == "" {
		t.Fatal("tidbtest: Options.PD is required")
	}
	if o.Store == "" {
		o.Store = Unistore
	}
	s := &TiDB{options: o, dir: t.TempDir(), path: o.server(t)}
	config := `
socket = ""
skip-register-to-dashboard = true
enable-telemetry = false
split-table = false # regions of its own for every table: slow, and no use with one store
tmp-storage-path = "tmp"
` + o.Config + `
[performance]
run-auto-analyze = false
[tikv-client]
max-batch-size = 0 # what the tests' unistore expects
`
	if err := os.WriteFile(filepath.Join(s.dir, "tidb.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return s, s.Start(t)
}

// Start runs the server again, after Stop or Kill, on another port: Addr changes.
func (s *TiDB) Start(t testing.TB) error {
	t.Helper()
	port, status := form.Port(t), form.Port(t)
	s.Addr = fmt.Sprintf("127.0.0.1:%d", port)
	s.Status = fmt.Sprintf("http://127.0.0.1:%d", status)
	s.process = start(t, "tidb-server", s.dir, tidbGrace, s.path,
		"-config", "tidb.toml", "-store", s.options.Store, "-path", hostPorts(s.options.PD),
		"-host", "127.0.0.1", "-P", strconv.Itoa(port),
		"-status-host", "127.0.0.1", "-status", strconv.Itoa(status),
		"-lease", cmp.Or(s.options.Lease, "1s"),
		"-enable-binlog="+strconv.FormatBool(s.options.Binlog))
	db, err := sql.Open("mysql", s.DSN(""))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := s.process.await(tidbReady, db.Ping); err != nil {
		return err
	}
	return s.options.prepare(db)
}

// prepare turns off what servers do by default and unistore cannot: to build indexes with files that
// they hand to the storage. That of 2023 does it, but beside rows the job now and then never ends.
func (o Options) prepare(db *sql.DB) error {
	if o.Store != TiKV {
		return nil
	}
	list := []string{"set global tidb_ddl_enable_fast_reorg = off"}
	if o.Year == 2024 {
		list = append(list, "set global tidb_enable_dist_task = off")
	}
	for _, q := range list {
		if _, err := db.Exec(q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

// DSN is for go-sql-driver; params are in its form, such as "parseTime=true&loc=UTC".
func (s *TiDB) DSN(params string) string {
	return "root@tcp(" + s.Addr + ")/?" + params
}

// Open connects; the connections are closed with the test.
func (s *TiDB) Open(t testing.TB, params string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN(params))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Jobs is the DDL history as TiDB's own JSON, by job ID.
func (s *TiDB) Jobs() ([]json.RawMessage, error) {
	resp, err := http.Get(s.Status + "/ddl/history")
	if err != nil {
		return nil, fmt.Errorf("get the DDL history: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the DDL history: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get the DDL history: %s: %s", resp.Status, body)
	}
	var jobs []json.RawMessage
	if err := json.Unmarshal(body, &jobs); err != nil {
		return nil, fmt.Errorf("decode the DDL history: %w", err)
	}
	return jobs, nil
}

// PID is the server's process.
func (s *TiDB) PID() int { return s.process.cmd.Process.Pid }

// Running is false once the server has ended by itself or by Stop or Kill. TiDB ends by itself
// when no pump takes a binlog.
func (s *TiDB) Running() bool { return s.process.running() }

// Stop ends the server with SIGTERM and waits for it.
func (s *TiDB) Stop() { s.process.stop(tidbGrace) }

// Kill ends the server with SIGKILL and waits for it.
func (s *TiDB) Kill() { s.process.kill() }

// Freeze stops the server's process where it is, as a machine does that hangs, until Thaw.
func (s *TiDB) Freeze() error { return s.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *TiDB) Thaw() error { return s.process.cmd.Process.Signal(syscall.SIGCONT) }

// LogTail is the end of the server's log.
func (s *TiDB) LogTail(lines int) string { return string(s.process.tail(lines)) }
