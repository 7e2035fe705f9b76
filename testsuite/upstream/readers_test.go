package upstream_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/message"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/file"
	"pumphouse/testsuite/upstream"
)

// The tests of this file read what we write with protoc and the .proto that upstream has published, which
// is in the module of TiDB: nothing of ours takes part, neither our .proto nor code that was generated of it.

// protoc prints a message as text.
func protoc(t *testing.T, value []byte, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("protoc")
	if err != nil {
		t.Fatalf("%v: testsuite/deps.sh installs it", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(value)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("protoc %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// addition is a field that only ours has; readers of upstream's skip it.
var addition = regexp.MustCompile(`(?m)^10[0-9]: .*\n`)

func transactions(t *testing.T) []*sink.Txn {
	return slices.DeleteFunc(upstream.Data(t).Transactions(t), func(x *sink.Txn) bool { return x.DDL != nil && x.DDL.Skip != "" })
}

// To protoc and upstream's .proto our messages are what upstream's drainer sent, and the time zone beside it.
func TestProtocReadsMessages(t *testing.T) {
	args := append(upstream.Published(t), "--decode=slave.binlog.Binlog", "secondary_binlog.proto")
	theirs, ours := upstream.Messages(t), transactions(t)
	if len(ours) != len(theirs) {
		t.Fatalf("%d messages, theirs are %d", len(ours), len(theirs))
	}
	e := message.NewEncoder(time.UTC)
	for i, x := range ours {
		value, err := e.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		got, zone := strings.CutSuffix(addition.ReplaceAllString(protoc(t, value, args...), ""), "time_zone: \"UTC\"\n")
		want := protoc(t, theirs[i], args...)
		if got != want || !zone || !strings.Contains(got, fmt.Sprintf("commit_ts: %d\n", x.CommitTS)) {
			t.Errorf("message %d:\n%s\ntheirs:\n%s", i, got, want)
		}
	}
}

// payloads takes the records out of a binlog file by the format alone: magic number (uint32), length (uint64),
// payload, CRC-32C (uint32), all little-endian.
func payloads(t *testing.T, path string) (list [][]byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < 16 || le.Uint32(b) != 471532804 || uint64(len(b)) < 16+le.Uint64(b[4:]) {
			t.Fatalf("%s: no record %d bytes before the end", path, len(b))
		}
		payload, rest := b[12:12+le.Uint64(b[4:])], b[12+le.Uint64(b[4:]):]
		if le.Uint32(rest) != crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) {
			t.Fatalf("%s: wrong checksum %d bytes before the end", path, len(b))
		}
		list, b = append(list, payload), rest[4:]
	}
	return list
}

// To protoc, which knows nothing of the fields' meaning, the records of our file are those of upstream's.
func TestProtocReadsFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := file.New(file.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	txns := transactions(t)
	if err := s.Apply(t.Context(), sink.Batch{Txns: txns, Passed: txns[len(txns)-1].CommitTS}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "binlog-*"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	ours, theirs := payloads(t, paths[0]), payloads(t, upstream.BinlogFile(t))
	if len(ours) != len(theirs) || len(ours) == 0 {
		t.Fatalf("%d records, theirs are %d", len(ours), len(theirs))
	}
	for i := range ours {
		if got, want := protoc(t, ours[i], "--decode_raw"), protoc(t, theirs[i], "--decode_raw"); got != want {
			t.Errorf("record %d:\n%s\ntheirs:\n%s", i, got, want)
		}
	}
}
