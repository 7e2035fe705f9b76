package pdtest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/pdtest"
)

// TestClientsOfOtherYears runs PD's own clients as TiDB servers of 2023 and of 2026 use
// them against the embedded PD; that of 2024 is in TestOfficialClient. Each must find
// its way at once: what an embedded PD does not know, it says without delay.
func TestClientsOfOtherYears(t *testing.T) {
	c := pdtest.StartEmbed(t)
	want := strconv.FormatUint(c.ClusterID(), 10)
	for _, year := range []string{"2023", "2026"} {
		t.Run(year, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), "client")
			build := exec.Command("go", "build", "-mod=readonly", "-o", binary, ".")
			build.Dir = filepath.Join("..", "pdclients", "y"+year)
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("build the client of %s: %v\n%s", year, err, out)
			}
			var out, log bytes.Buffer
			client := exec.Command(binary, c.Endpoint(0))
			client.Stdout, client.Stderr = &out, &log
			if err := client.Run(); err != nil {
				t.Fatalf("%v\n%s%s", err, log.Bytes(), out.Bytes())
			}
			// The client logs to standard output too; its result is the last line but
			// for what it says while closing.
			for line := range strings.Lines(out.String()) {
				words := strings.Fields(line)
				if len(words) != 4 || words[0] != want {
					continue
				}
				if took, err := time.ParseDuration(words[3]); err != nil || took > 30*time.Second {
					t.Errorf("the first timestamp took %s (%v)", took, err)
				}
				return
			}
			t.Errorf("no result for cluster %s:\n%s", want, out.Bytes())
		})
	}
}
