package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// TestSamplesStart: the sample configurations start as they are, on a real PD, and a MariaDB with the user and the
// rights that docs/downstream-user.md names. Only ports, directories and, as there is no TiKV, the place of the DDL jobs are overridden.
func TestSamplesStart(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	db := mariadbtest.Start(t)
	text, err := os.ReadFile(filepath.Join(programs.Root, "docs", "downstream-user.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, grants, _ := strings.Cut(string(text), "```sql\n")
	grants, _, _ = strings.Cut(grants, "```")
	for line := range strings.Lines(strings.Replace(grants, "'pass word'", "''", 1)) { // the sample's password
		db.Exec(strings.TrimSuffix(strings.TrimSpace(line), ";"))
	}
	sample := func(name string, args ...string) []string {
		return append([]string{"-config", filepath.Join(programs.Root, "packaging", "etc", name+".toml"), "-pd-urls", pd.Endpoint(0), "-addr", "127.0.0.1:0"}, args...)
	}
	rig.Launch(t, "pump", sample("pump", "-data-dir", t.TempDir(), "-node-id", "pump1")...)
	drainer := exec.Command(programs.Path("drainer"), sample("drainer", "-data-dir", t.TempDir(), "-schema-dir", t.TempDir(), "-node-id", "drainer1")...)
	drainer.Env = []string{fmt.Sprintf("MYSQL_PORT=%d", db.Port)}
	rig.AwaitReady(t, rig.SpawnCommand(t, drainer))
	console := rig.StartConsole(t, []string{pd.Endpoint(0)}, "-config", filepath.Join(programs.Root, "packaging", "etc", "pumphouse.toml"), "-http-addr", "127.0.0.1:0")
	sql := console.Open(t)
	for kind, id := range map[nodes.Kind]string{nodes.Pump: "pump1", nodes.Drainer: "drainer1"} {
		rig.Eventually(t, time.Minute, id+" online", func() (bool, string) {
			got := rig.Ask(t, sql, fmt.Sprintf("show %s status like '%s'", kind, id))
			return strings.Contains(got, "|Online|"), got
		})
	}
}
