package upstream

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Published are the directories with upstream's definition of Kafka messages, secondary_binlog.proto, and with what it imports, as protoc
// is given them. They are in modules of [testsuite/pumpclient].
func Published(t testing.TB) (include []string) {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/pingcap/tidb", "github.com/gogo/protobuf")
	cmd.Dir, cmd.Stderr = filepath.Join("..", "pumpclient"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var m struct{ Path, Dir string }
		if err := dec.Decode(&m); err != nil {
			t.Fatal(err)
		}
		if m.Path == "github.com/pingcap/tidb" {
			m.Dir = filepath.Join(m.Dir, "tidb-binlog", "proto", "proto")
		}
		include = append(include, "-I"+m.Dir)
		if m.Path == "github.com/gogo/protobuf" {
			include = append(include, "-I"+filepath.Join(m.Dir, "protobuf")) // descriptor.proto
		}
	}
	return include
}
