package pump

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pumphouse/testsuite/rig"
)

// TestNodesInAPod: nodes that are started as tidb-operator, tiup's and old scripts do, without -addr, are reached at the address that
// they advertise; and one that is not says so.
func TestNodesInAPod(t *testing.T) {
	p := rig.NewPod(t)
	p.Run(nil, "pumphouse", "pd", "-data-dir", filepath.Join(p.Dir, "pd"))
	empty := filepath.Join(p.Dir, "pump.toml") // what the operator writes where nothing is configured
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := func(name string) string { return filepath.Join(p.Dir, name) }

	pump := p.Run(nil, "pump", "-pd-urls=http://127.0.0.1:2379", "-L", "info", "-log-file=", "-advertise-addr=10.1.1.1:8250", "-data-dir="+dir("pump"), "--config="+empty, "-enable-debug", "-enable-tolerant")
	p.Reached("a pump that is told what to advertise", "10.1.1.1:8250")
	p.Reached("the same at loopback", "127.0.0.1:8250")
	drainer := p.Run(nil, "drainer", "-pd-urls=http://127.0.0.1:2379", "-advertise-addr=10.1.1.1:8249", "-data-dir="+dir("drainer"), "-dest-db-type=file", "-schema-dir="+p.Dir)
	p.Reached("a drainer that is told what to advertise", "10.1.1.1:8249")
	if text := pump.Output() + drainer.Output(); strings.Contains(text, "cannot be reached at the address") {
		t.Errorf("it warns of an address that is right:\n%s", text)
	}
	// Profiles: of the pump, which has -enable-debug, for everybody; of the drainer for its own machine.
	for _, c := range []struct{ from, addr, want string }{
		{"10.1.1.2", "10.1.1.1:8250", "200 OK"}, {"10.1.1.2", "10.1.1.1:8249", "403 Forbidden"}, {"10.1.1.1", "10.1.1.1:8249", "200 OK"},
	} {
		if line, err := p.GetFrom(c.from, c.addr, "/debug/pprof/cmdline"); err != nil || line != "HTTP/1.1 "+c.want {
			t.Errorf("a profile of %s for %s: %q, %v, want %s", c.addr, c.from, line, err, c.want)
		}
	}
	drainer.Stop(t)
	pump.Stop(t)

	// Nothing said, but in the environment: the pod's address.
	env := []string{"PUMP_PD_URLS=http://127.0.0.1:2379", "PUMP_DATA_DIR=" + dir("pump2"), "PUMP_NODE_ID=pump2",
		"BINLOG_SERVER_PD_URLS=http://127.0.0.1:2379", "BINLOG_SERVER_DATA_DIR=" + dir("drainer2"), "BINLOG_SERVER_NODE_ID=drainer2", "BINLOG_SERVER_DEST_DB_TYPE=file"}
	pump = p.Run(env, "pump")
	p.Reached("a pump that is told nothing", "10.1.1.1:8250")
	if _, err := p.Get("127.0.0.1:8250"); err == nil {
		t.Error("it listens at loopback too")
	}
	drainer = p.Run(env, "drainer", "-schema-dir="+p.Dir)
	p.Reached("a drainer that is told nothing", "10.1.1.1:8249")
	drainer.Stop(t)
	pump.Stop(t)

	// As tiup's scripts do.
	tiup := func(name, port string, more ...string) *rig.Proc {
		return p.Run(nil, name, append([]string{"--node-id=10.1.1.1:" + port, "--addr=0.0.0.0:" + port, "--advertise-addr=10.1.1.1:" + port, "--pd-urls=http://127.0.0.1:2379",
			"--data-dir=" + dir("tiup-"+name), "--log-file=" + dir(name+".log"), "--config=" + empty}, more...)...)
	}
	pump = tiup("pump", "8250")
	p.Reached("tiup's pump", "10.1.1.1:8250")
	drainer = tiup("drainer", "8249", "--initial-commit-ts=-1", "-dest-db-type=file", "-schema-dir="+p.Dir)
	p.Reached("tiup's drainer", "10.1.1.1:8249")
	drainer.Stop(t)
	pump.Stop(t)

	pump = p.Run(nil, "pump", "-node-id=pump3", "-data-dir="+dir("pump3"), "-addr=127.0.0.1:8250", "-advertise-addr=10.1.1.1:8250")
	rig.Eventually(t, 0, "it says that nobody reaches it", func() (bool, string) {
		return strings.Contains(pump.Output(), "cannot be reached at the address that it advertises, 10.1.1.1:8250"), pump.Output()
	})
}
