package upstream_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/testsuite/upstream"
)

var update = flag.Bool("update", false, "write the texts of the golden messages anew")

// TestGoldenMessages: beside each golden file of Kafka messages is what they say, for those who review a change
// of it. The text is protoc's, with upstream's .proto; what it does not know (Complete) has a number for a name.
func TestGoldenMessages(t *testing.T) {
	args := append(upstream.Published(t), "--decode=slave.binlog.Binlog", "secondary_binlog.proto")
	for _, name := range []string{"messages", "complete"} {
		path := filepath.Join("..", "..", "drainer", "message", "testdata", "golden", name)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		for i := 0; len(raw) > 0; i++ {
			value, n := protowire.ConsumeBytes(raw)
			if n < 0 {
				t.Fatalf("%s: message %d: %v", path, i, protowire.ParseError(n))
			}
			fmt.Fprintf(&text, "# message %d, %d bytes\n%s\n", i, len(value), protoc(t, value, args...))
			raw = raw[n:]
		}
		if *update {
			if err := os.WriteFile(path+".txt", text.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text.Bytes(), want) {
			t.Errorf("%s.txt is not what the messages say: go test ./testsuite/upstream -run TestGoldenMessages -update", path)
		}
	}
}
