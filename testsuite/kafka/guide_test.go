package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/nodes"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

func TestMain(m *testing.M) { programs.Main(m) }

// guide: the configuration and the rights of docs/kafka.md are enough for a drainer, which writes every transaction
// though it is killed in between.
func guide(t *testing.T, c *secured) {
	const topic, user = "shop_binlog", "User:pumphouse"
	answers, err := c.Admin().AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: "pumphouse", Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}})
	if err == nil {
		err = answers.Error()
	}
	if err == nil {
		_, err = c.Admin().CreateACLs(t.Context(), kadm.NewACLs().Allow(user).AllowHosts("*").Topics(topic).ResourcePatternType(kadm.ACLPatternLiteral).
			Operations(kadm.OpWrite, kadm.OpDescribe, kadm.OpDescribeConfigs, kadm.OpRead))
	}
	if err != nil {
		t.Fatal(err)
	}
	c.CreateTopic(topic, 1, map[string]string{"max.message.bytes": "67108864"})

	text := example(t, 1, map[string]string{
		"kafka1.example.com:9093,kafka2.example.com:9093": strings.Join(c.AddrsOf(kafkabroker.SASLTLS), ","),
		"/etc/pumphouse/kafka-ca.pem":                     c.certs.CAFile,
		"/etc/pumphouse/kafka.password":                   c.file(t, "guide-password", password+"\n"),
	})
	tr := rig.NewPumps(t, pdtest.StartEmbed(t)).NewTrade("pump1")
	d := tr.Drainer("drainer1", "-config", c.file(t, "drainer.toml", text), "-dest-db-type", "kafka")
	d.Launch()
	stop := tr.SellOn("pump1")
	for range rounds(2) {
		before := len(read(t, c.Cluster, topic))
		eventually(t, "the drainer writes", func() (bool, string) {
			n := len(read(t, c.Cluster, topic))
			return n > before+20, fmt.Sprint(n)
		})
		if err := d.Cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-d.Done
		d.Launch()
	}
	last := stop()
	var got []nodes.TSO
	eventually(t, "the last transaction is in the topic", func() (bool, string) {
		got = commits(t, c.Cluster, topic)
		return len(got) > 0 && got[len(got)-1] >= last, fmt.Sprintf("%d of %d", len(got), len(tr.Want))
	})
	if !slices.Equal(got, tr.Commits()) {
		t.Errorf("the topic has %d transactions, want %d", len(got), len(tr.Want))
	}
}

// commits are the commit TSs in a topic, those left out that are not greater than the one before.
func commits(t testing.TB, c *kafkabroker.Cluster, topic string) (got []nodes.TSO) {
	t.Helper()
	for _, r := range read(t, c, topic) {
		b := new(pbkafka.Binlog)
		if err := proto.Unmarshal(r.Value, b); err != nil {
			t.Fatal(err)
		}
		if ts := nodes.TSO(b.GetCommitTs()); len(got) == 0 || ts > got[len(got)-1] {
			got = append(got, ts)
		}
	}
	return got
}
