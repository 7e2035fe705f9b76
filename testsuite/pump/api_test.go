package pump

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/stats"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// TestPumpHTTP holds the HTTP API to what upstream tools expect.
func TestPumpHTTP(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	c.Drainer("drainer1", "127.0.0.1:8249", nodes.Offline, 7)
	p := c.Start("pump1")
	cli := p.Client()
	start, err := cli.Prewrite([]byte{8, 42})
	if err != nil {
		t.Fatal(err)
	}
	last, err := cli.Commit(start)
	if err != nil {
		t.Fatal(err)
	}
	cli.Pull(0).Until(last)

	t.Run("status", func(t *testing.T) {
		code, body := p.Ask(http.MethodGet, "/status")
		var s map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
			t.Fatalf("%d %v %s", code, err, body)
		}
		for _, key := range []string{"status", "CommitTS", "Checkpoint", "ErrMsg"} {
			if _, ok := s[key]; !ok {
				t.Errorf("%s is missing in %s", key, body)
			}
		}
		var records map[string]nodes.Record
		if err := json.Unmarshal(s["status"], &records); err != nil || records["pump1"].Host != p.Addr || records["pump1"].State != nodes.Online {
			t.Errorf("status %s, %v", s["status"], err)
		}
		if string(s["ErrMsg"]) != `""` || string(s["Checkpoint"]) != "{}" {
			t.Errorf("ErrMsg %s, Checkpoint %s", s["ErrMsg"], s["Checkpoint"])
		}
		if ts, err := nodes.ParseTSO(string(s["CommitTS"])); err != nil || ts < last {
			t.Errorf("CommitTS %s, want at least %d", s["CommitTS"], last)
		}
	})

	for _, c := range []struct {
		method, path string
		code         int
		json         bool
		want         string
	}{
		{"GET", "/drainers", 200, true, `"nodeId":"drainer1","host":"127.0.0.1:8249","state":"offline"`},
		{"GET", "/state/pump1/pause", 405, false, ""},
		{"POST", "/state/pump1/close", 405, false, ""},
		{"PUT", "/state/pump2/pause", 404, true, "this is pump pump1, not pump2"},
		{"PUT", "/state/pump1/explode", 400, true, "use pause or close"},
		{"PUT", "/status", 405, false, ""},
		{"GET", "/nothing", 404, false, ""},
		{"GET", fmt.Sprint("/debug/binlog/", start), 200, false, fmt.Sprint("commit TS: ", last)},
		{"GET", fmt.Sprint("/debug/binlog/", last), 200, false, fmt.Sprint("start_ts:", start)},
		{"GET", "/debug/binlog/17", 404, true, "has no binlog with start or commit TS 17"},
		{"GET", "/debug/binlog/x", 400, true, "is not a TSO"},
		{"GET", "/debug/gc/trigger", 405, false, ""},
		{"POST", "/debug/gc/trigger", 200, false, "0 segments"},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			code, body := p.Ask(c.method, c.path)
			if code != c.code || !strings.Contains(body, c.want) {
				t.Fatalf("%d %s, want %d with %s", code, body, c.code, c.want)
			}
			if c.json && code != 200 {
				var r nodes.Reply
				if err := json.Unmarshal([]byte(body), &r); err != nil || r.Code != c.code || r.Message == "" {
					t.Errorf("the body of a refusal: %s, %v", body, err)
				}
			}
		})
	}

	t.Run("metrics", func(t *testing.T) {
		for series, want := range map[string]string{
			`binlog_pump_rpc_duration_seconds_count{label="succ",method="WriteBinlog"}`: "2",
			`binlog_pump_rpc_duration_seconds_count{label="fail",method="WriteBinlog"}`: "0",
			`binlog_pump_rpc_duration_seconds_count{label="fail",method="PullBinlogs"}`: "0",
			`binlog_pump_loss_binlog_count`:                                             "0",
			`binlog_pump_detected_drainer_binlog_purge_count{id="drainer1"}`:            "0",
			`binlog_pump_storage_deleted_kv_total`:                                      "0",
			`binlog_pump_storage_query_tikv_count`:                                      "0",
			`binlog_pump_storage_error_count{type="append"}`:                            "0",
			`binlog_pump_storage_write_binlog_size_count{type="prewrite"}`:              "1",
			`binlog_pump_storage_write_binlog_size_count{type="rollback"}`:              "0",
			`binlog_pump_storage_write_binlog_duration_time_count{type="batch"}`:        "2",
			`binlog_pump_waiting_for_drainers`:                                          "0",
		} {
			if got := p.Metric(series); got != want {
				t.Errorf("%s is %q, want %s", series, got, want)
			}
		}
		for _, series := range []string{"binlog_pump_storage_gc_ts", "binlog_pump_storage_done_gc_ts", "binlog_pump_storage_max_commit_ts",
			`binlog_pump_storage_storage_size_bytes{type="capacity"}`, `binlog_pump_storage_storage_size_bytes{type="available"}`,
			"process_resident_memory_bytes"} {
			if got := p.Metric(series); got == "" || got == "0" {
				t.Errorf("%s is %q", series, got)
			}
		}
	})

	t.Run("pause", func(t *testing.T) {
		if code, body := p.Ask(http.MethodPut, "/state/pump1/pause"); code != 200 || body != `{"message":"apply action pause success!","code":200,"data":null}`+"\n" {
			t.Errorf("%d %s", code, body)
		}
		p.Ends(0)
	})
}

// TestPumpSocket talks over the Unix socket, also after a crash left it behind.
func TestPumpSocket(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	dir, err := os.MkdirTemp("", "pump") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "pump.sock")
	p := c.Start("pump1", "-socket", "unix://"+socket)
	last := c.Dial("unix:" + socket).Transaction([]byte("v"))
	p.Client().Pull(0).Until(last)
	other := c.Node("pump2", "-socket", socket)
	other.Spawn()
	other.Ends(1)
	other.Says("another process listens on the Unix socket", "-socket")
	p.Kill()
	p.Launch()
	c.Dial("unix:" + socket).Transaction([]byte("v"))
	p.Signal(syscall.SIGTERM)
	p.Ends(0)
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// TestPumpTLS uses TLS on everything the port offers.
func TestPumpTLS(t *testing.T) {
	certs := pdtest.NewCerts(t)
	c := rig.NewPumps(t, pdtest.StartEmbedTLS(t, certs))
	config := func(name, cn string) string {
		file := filepath.Join(t.TempDir(), name)
		text := fmt.Sprintf("[security]\nssl-ca = %q\nssl-cert = %q\nssl-key = %q\ncert-allowed-cn = [%q]\n[storage]\nstop-write-at-available-space = \"1 MiB\"\n",
			certs.CAFile, certs.CertFile, certs.KeyFile, cn)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	d := c.LiveDrainer("drainer1", "pump1")
	p := c.Start("pump1", "-config", config("right.toml", "pdtest"))
	if got := d.Notified(); len(got) != 1 {
		t.Errorf("the drainer was notified %d times", len(got))
	}
	last := p.Client().Transaction([]byte("v"))
	p.Client().Pull(0).Until(last)
	// This HTTP client offers HTTP/2, as browsers and curl do.
	if code, body := p.Ask(http.MethodGet, "/status"); code != 200 {
		t.Errorf("/status: %d %s", code, body)
	}
	// No certificate, no answer, in gRPC and in HTTP.
	stranger := *c
	stranger.TLS = certs.Client()
	stranger.TLS.Certificates = nil
	rig.Refused(t, &stranger, p.Addr)
	plain := *c
	plain.TLS = nil
	rig.Refused(t, &plain, p.Addr)
	out, err := exec.Command(programs.Path("binlogctl"), "-pd-urls", c.Endpoints[0], "-ssl-ca", certs.CAFile, "-ssl-cert", certs.CertFile, "-ssl-key", certs.KeyFile,
		"-cmd", "pause-pump", "-node-id", "pump1").CombinedOutput()
	if err != nil {
		t.Errorf("binlogctl with TLS: %v %s", err, out)
	}
	p.Ends(0)

	picky := c.Start("pump2", "-config", config("picky.toml", "somebody else"))
	rig.Refused(t, c, picky.Addr)
}

// TestPumpPushesMetrics takes the place of a Prometheus push gateway.
func TestPumpPushesMetrics(t *testing.T) {
	pushed := make(chan string, 100)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		pushed <- r.URL.Path + " " + string(body)
	}))
	defer gateway.Close()
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	p := c.Start("pump1", "-metrics-addr", strings.TrimPrefix(gateway.URL, "http://"), "-metrics-interval", "1")
	select {
	case got := <-pushed:
		if !strings.HasPrefix(got, "/metrics/job/binlog/instance/pump1 ") || !strings.Contains(got, "binlog_pump_storage_max_commit_ts") {
			t.Errorf("pushed %.200s", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing is pushed")
	}
	p.Signal(syscall.SIGTERM)
	p.Ends(0)
}

// gzipSeen counts the messages that came compressed.
type gzipSeen struct{ messages, compressed atomic.Int64 }

func (*gzipSeen) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*gzipSeen) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*gzipSeen) HandleConn(context.Context, stats.ConnStats)                       {}
func (g *gzipSeen) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InPayload); ok && in.Length > 1000 {
		g.messages.Add(1)
		if in.CompressedLength < in.Length/10 {
			g.compressed.Add(1)
		}
	}
}

// TestPumpGzip asks for compression as old drainers do.
func TestPumpGzip(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	p := c.Start("pump1")
	last := p.Client().Transaction([]byte(strings.Repeat("compressible ", 10_000)))
	for _, use := range []bool{true, false} {
		var seen gzipSeen
		var opts []grpc.CallOption
		if use {
			opts = append(opts, grpc.UseCompressor(gzip.Name))
		}
		p.Client(grpc.WithStatsHandler(&seen)).Pull(0, opts...).Until(last)
		if m, z := seen.messages.Load(), seen.compressed.Load(); m != 1 || (z == 1) != use {
			t.Errorf("asked for gzip: %v; %d of %d messages are compressed", use, z, m)
		}
	}
	// And what comes compressed is understood.
	cli := p.Client(grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	p.Client().Pull(last).Until(cli.Transaction([]byte("v")))
}

// TestPumpConfigFile starts with every key of a configuration that upstream uses; a flag
// wins over the file.
func TestPumpConfigFile(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	dir := t.TempDir()
	config := filepath.Join(dir, "pump.toml")
	text := fmt.Sprintf(`addr = "127.0.0.1:0"
advertise-addr = "localhost:0"
node-id = "from-the-file"
socket = ""
gc = 7
data-dir = %q
heartbeat-interval = 1
pd-urls = %q
fake-binlog-interval = 3
log-level = "warn"
log-file = %q
max-message-size = 1073741824
metrics-addr = ""
metrics-interval = 15
[security]
ssl-ca = ""
ssl-cert = ""
ssl-key = ""
cert-allowed-cn = []
[storage]
sync-log = true
stop-write-at-available-space = "1 MiB"
`, filepath.Join(dir, "data"), c.Endpoints[0], filepath.Join(dir, "pump.log"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := rig.Launch(t, "pump", "-config", config, "-node-id", "from-the-flag", "-L", "info")
	if !strings.HasPrefix(p.Ready, "ready: pump from-the-flag at 127.0.0.1:") {
		t.Errorf("%s", p.Ready)
	}
	port := p.Ready[strings.LastIndex(p.Ready, ":")+1:]
	if got := c.Record("from-the-flag").Host; got != "localhost:"+port {
		t.Errorf("it advertises %s", got)
	}
	log, err := os.ReadFile(filepath.Join(dir, "pump.log"))
	if err != nil || !strings.Contains(string(log), "pump is online") {
		t.Errorf("log-file holds %q, %v", log, err)
	}
	// Without another word it is in TiDB's format.
	unified := regexp.MustCompile(`^\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00\] \[(DEBUG|INFO|WARN|ERROR)\] \[[a-z_]+\.go:\d+\] \[.*\]\n$`)
	for line := range strings.Lines(string(log)) {
		if !unified.MatchString(line) {
			t.Errorf("not TiDB's format: %s", line)
		}
	}
}
