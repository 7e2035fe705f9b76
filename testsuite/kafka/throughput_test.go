package kafka

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/testsuite/kafkabroker"
)

// BenchmarkThroughput sends as many bytes with Kafka's own tool as with the sink, one after the other, each with
// acks=all and to a topic of its own; the tool has batches of 1 MiB, without which it is several times as slow. It reports MB/s of both, and their ratio.
//
//	go test ./testsuite/kafka -run ^$ -bench Throughput -benchtime 3x
func BenchmarkThroughput(b *testing.B) {
	c := kafkabroker.Start(b, kafkabroker.Options{})
	for _, size := range []int{1 << 10, 10 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			count := 400 << 20 / size
			var tool, ours time.Duration
			bytes := int64(0)
			for b.Loop() {
				topic := fmt.Sprintf("bench-%d-%d", size, bytes)
				c.CreateTopic(topic+"-tool", 1, nil)
				tool += perfTool(b, c, topic+"-tool", size, count)
				ours += bySink(b, c, topic+"-sink", size, count, nil)
				bytes += int64(size * count)
			}
			b.ReportMetric(float64(bytes)/1e6/tool.Seconds(), "tool-MB/s")
			b.ReportMetric(float64(bytes)/1e6/ours.Seconds(), "sink-MB/s")
			b.ReportMetric(tool.Seconds()/ours.Seconds(), "of-tool")
		})
	}
}

// perfTool is how long kafka-producer-perf-test says that it has taken, the start of its JVM left out.
func perfTool(b *testing.B, c *kafkabroker.Cluster, topic string, size, count int) time.Duration {
	b.Helper()
	out := run(b, exec.Command("java", "-Xmx512m", "-cp", c.Classpath(), "org.apache.kafka.tools.ProducerPerformance", "--topic", topic,
		"--num-records", strconv.Itoa(count), "--record-size", strconv.Itoa(size), "--throughput", "-1",
		"--producer-props", "bootstrap.servers="+strings.Join(c.Addrs(), ","), "acks=all", "batch.size=1048576", "linger.ms=5", "max.request.size=2097152", "buffer.memory=67108864"))
	found := regexp.MustCompile(`([0-9.]+) records/sec`).FindAllStringSubmatch(out, -1)
	if len(found) == 0 {
		b.Fatalf("the tool prints:\n%s", out)
	}
	rate, err := strconv.ParseFloat(found[len(found)-1][1], 64) // of all
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(float64(count) / rate * float64(time.Second))
}

// BenchmarkWays sends as many rows in each way that the sink has, one after the other: messages of upstream's protocol, without and
// with a transaction of Kafka's for each batch, as with a standby; Canal-JSON into one partition, and by key into six. It reports MB/s of rows.
//
//	go test ./testsuite/kafka -run ^$ -bench Ways -benchtime 3x
func BenchmarkWays(b *testing.B) {
	c := kafkabroker.Start(b, kafkabroker.Options{})
	canal := func(o *kafka.Options) { o.Protocol, o.Extension = kafka.ProtocolCanalJSON, true }
	ways := []struct {
		name string
		set  func(o *kafka.Options)
	}{
		{"binlog", func(*kafka.Options) {}},
		{"standby", func(o *kafka.Options) { o.Standby = true }},
		{"canal", canal},
		{"canal-6", func(o *kafka.Options) {
			canal(o)
			o.Partitions, o.Partition = 6, kafka.ByIndexValue
		}},
	}
	for _, size := range []int{200, 1 << 10, 10 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			count := min(200<<20/size, 200_000)
			took := make([]time.Duration, len(ways))
			n := 0
			for b.Loop() {
				for i, w := range ways {
					took[i] += bySink(b, c, fmt.Sprintf("ways-%d-%d-%s", size, n, w.name), size, count, w.set)
				}
				n++
			}
			for i, w := range ways {
				b.ReportMetric(float64(n*size*count)/1e6/took[i].Seconds(), w.name+"-MB/s")
			}
		})
	}
}

// bySink is how long the sink takes, encoding included, until the broker has acknowledged everything. set changes its options; nil: none.
func bySink(b *testing.B, c *kafkabroker.Cluster, topic string, size, count int, set func(*kafka.Options)) time.Duration {
	b.Helper()
	s := newStream(b, c, topic)
	s.opts.Logger = logrus.New()
	if set != nil {
		set(&s.opts)
	}
	s.open()
	const rest = 150 // of a message, beside the text
	text := sinktest.Value(sinktest.Table().Columns[1], strings.Repeat("x", size-rest))
	start := time.Now()
	for i := 0; i < count; {
		batch := sink.Batch{}
		for range min(100, count-i) {
			x := sinktest.Insert(s.next)
			x.Changes[0].New[1] = text
			batch.Txns, batch.Passed = append(batch.Txns, x), s.next
			s.next++
			i++
		}
		if err := s.sink.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	s.flush()
	took := time.Since(start)
	s.sink.Close()
	return took
}
