package kafka

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"pumphouse/nodes"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// example is the nth configuration in docs/kafka.md, with these texts in the place of others.
func example(t *testing.T, n int, is map[string]string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(programs.Root, "docs", "kafka.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```toml\n")
	if len(blocks) <= n {
		t.Fatalf("docs/kafka.md has %d configurations", len(blocks)-1)
	}
	text, _, _ := strings.Cut(blocks[n], "```")
	for old, is := range is {
		if !strings.Contains(text, old) {
			t.Fatalf("docs/kafka.md has no %s in:\n%s", old, text)
		}
		text = strings.ReplaceAll(text, old, is)
	}
	return text
}

// drainers: programs, one for each protocol, fed by a pump, bring every transaction into their topics in order though the broker is killed
// and suspended, and they are killed. They report brokers that do not answer.
func drainers(t *testing.T, c *kafkabroker.Cluster) {
	config := func(name, text string) []string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-config", path, "-dest-db-type", "kafka"}
	}
	const plain, canal = "program_binlog", "program_canal"
	addrs := strings.Join(c.Addrs(), ",")
	tr := rig.NewPumps(t, pdtest.StartEmbed(t)).NewTrade("pump1")
	binlog := tr.Drainer("binlog", config("binlog.toml", fmt.Sprintf("[syncer.to]\nkafka-addrs = %q\ntopic-name = %q\n", addrs, plain))...)
	rows := tr.Drainer("canal", config("canal.toml", example(t, 2, map[string]string{
		"kafka1.example.com:9093,kafka2.example.com:9093": addrs, "shop_canal": canal}))...)
	both := []*rig.DrainerNode{binlog, rows}
	for _, d := range both {
		d.Launch()
	}
	stop := tr.SellOn("pump1")
	goOn := func() {
		t.Helper()
		from := tr.TSO()
		eventually(t, "both topics go on", func() (bool, string) {
			a, b := binlog.Status().LastTS, rows.Status().LastTS
			return min(a, b) > from, fmt.Sprint(a, b)
		})
	}
	goOn()
	c.Nodes[0].Kill()
	c.Nodes[0].Launch()
	goOn()
	c.Nodes[0].Suspend()
	for _, d := range both {
		eventually(t, d.ID+" reports the broker", func() (bool, string) {
			_, body := d.Ask(http.MethodGet, "/status")
			return strings.Contains(body, string(nodes.ProblemDownstreamDown)) && strings.Contains(body, "kafka at "+addrs), body
		})
		if err := d.Cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-d.Done
	}
	c.Nodes[0].Resume()
	for _, d := range both {
		d.Launch()
	}
	goOn()
	last := stop()
	eventually(t, "both topics have the last transaction", func() (bool, string) {
		a, b := binlog.Status().LastTS, rows.Status().LastTS
		return min(a, b) >= last, fmt.Sprint(a, b, last)
	})
	if got := commits(t, c, plain); !slices.Equal(got, tr.Commits()) {
		t.Errorf("topic %s has %d transactions, want %d", plain, len(got), len(tr.Want))
	}
	// A transaction is a statement or one row: all of them, in the order of commit TSs in each partition.
	var got []nodes.TSO
	for p, list := range readAll(t, c, canal, 6) {
		highest := nodes.TSO(0)
		for _, r := range list {
			var m canalMessage
			if err := json.Unmarshal(r.Value, &m); err != nil {
				t.Fatal(err)
			}
			if ts := m.TiDB.CommitTS; ts > highest {
				got, highest = append(got, ts), ts
			}
		}
		if highest == 0 {
			t.Errorf("partition %d has no rows", p)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, tr.Commits()) {
		t.Errorf("topic %s has %d transactions, want %d", canal, len(got), len(tr.Want))
	}
}

// shape: a topic that the sink makes has the partitions and replicas that are configured, or the brokers' default of these; what brokers
// cannot do is an error that names the key.
func shape(t *testing.T, c *kafkabroker.Cluster) {
	for topic, want := range map[string][2]int{"shape-3-2": {3, 2}, "shape-default": {1, 1}} {
		s := newStream(t, c, topic)
		if want[1] > 1 {
			s.opts.Partitions, s.opts.Replicas = int32(want[0]), int16(want[1])
		}
		s.open()
		var list kadm.TopicDetails
		eventually(t, "topic "+topic, func() (bool, string) {
			var err error
			list, err = c.Admin().ListTopics(t.Context(), topic)
			return err == nil && len(list[topic].Partitions) == want[0], fmt.Sprint(list, err)
		})
		for _, p := range list[topic].Partitions {
			if len(p.Replicas) != want[1] {
				t.Errorf("%s: partition %d is on the brokers %v", topic, p.Partition, p.Replicas)
			}
		}
	}
	s := newStream(t, c, "shape-9")
	s.opts.Replicas = 9
	says(t, s.tryOpen(), `topic "shape-9"`, "INVALID_REPLICATION_FACTOR", "set topic-replication-factor to at most the number of brokers", s.opts.Addrs[0])
}
