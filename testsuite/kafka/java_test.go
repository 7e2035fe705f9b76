package kafka

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/upstream"
)

// javaMessage is a message as testdata/Read.java prints it.
type javaMessage struct {
	topic    string
	commitTS nodes.TSO
	mark     string
	columns  string // table.column:type(flen,decimal); of each column
	value    []byte // written by the generated classes
}

// javaReads reads topics with Kafka's own client and with classes that protoc generates from the .proto that
// upstream has published. props are the client's.
func javaReads(t testing.TB, c *kafkabroker.Cluster, props map[string]string, topics ...string) []javaMessage {
	t.Helper()
	dir := t.TempDir()
	jars := filepath.Join(form.Clients(t, programs.Root, "kafka"), "lib")
	protoc, err := filepath.Glob(filepath.Join(jars, "protoc-*.exe"))
	if err != nil || len(protoc) != 1 {
		t.Fatalf("protoc in %s: %v %v", jars, protoc, err)
	}
	run(t, exec.Command(protoc[0], append(upstream.Published(t), "--java_out="+dir, "secondary_binlog.proto", "gogoproto/gogo.proto")...))
	sources := []string{filepath.Join("testdata", "Read.java")}
	for _, pattern := range []string{"slave/binlog/*.java", "com/google/protobuf/*.java"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, found...)
	}
	run(t, exec.Command("javac", append([]string{"-nowarn", "--release", "17", "-cp", jars + "/*", "-d", dir}, sources...)...))
	file := clientProperties(t, dir, props)
	var list []javaMessage
	for line := range strings.Lines(run(t, c.Java(dir, "Read", append([]string{file}, topics...)...))) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("Read printed %q", line)
		}
		ts, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		value, err := base64.StdEncoding.DecodeString(f[4])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, javaMessage{topic: f[0], commitTS: nodes.TSO(ts), mark: f[2], columns: f[3], value: value})
	}
	return list
}

// clientProperties writes a file with what a client of Kafka is told, and gives its path.
func clientProperties(t testing.TB, dir string, props map[string]string) string {
	t.Helper()
	var text strings.Builder
	for key, value := range props {
		text.WriteString(key + "=" + value + "\n")
	}
	file := filepath.Join(dir, "client.properties")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run gives what a command prints.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	return string(out)
}
