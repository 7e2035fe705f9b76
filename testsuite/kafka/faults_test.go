package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/kafkabroker"
)

// trouble is what the sink says of brokers that do not take messages; "" while they do.
type trouble struct{ text atomic.Value }

func (tr *trouble) say(err error) {
	if err == nil {
		tr.text.Store("")
	} else {
		tr.text.Store(err.Error())
	}
}

// names waits until the sink says all of this; meanwhile, if it is not nil, is done each time.
func (tr *trouble) names(t testing.TB, meanwhile func(), want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the sink says %q", want), func() (bool, string) {
		if meanwhile != nil {
			meanwhile()
		}
		text, _ := tr.text.Load().(string)
		for _, w := range want {
			if !strings.Contains(text, w) {
				return false, text
			}
		}
		return true, text
	})
}

// wide is a transaction of many rows.
func wide(ts nodes.TSO, rows int) *sink.Txn {
	x := sinktest.Insert(ts)
	for i := range rows - 1 {
		x.Changes = append(x.Changes, sinktest.Insert(ts*1_000_000+nodes.TSO(i)).Changes...)
	}
	return x
}

// sendWide is one wide transaction.
func (s *stream) sendWide(ctx context.Context, rows int) error {
	err := s.sink.Apply(ctx, sink.Batch{Txns: []*sink.Txn{wide(s.next, rows)}, Passed: s.next})
	if err == nil {
		s.next++
	}
	return err
}

// TestOneBroker: what one broker can do to a drainer.
func TestOneBroker(t *testing.T) {
	disk := smallDisk(t)
	c := kafkabroker.Start(t, kafkabroker.Options{LogDir: disk, Settings: map[string]string{"log.index.size.max.bytes": "65536"}})
	t.Run("too large", func(t *testing.T) { tooLarge(t, c) })
	t.Run("suspended", func(t *testing.T) { suspended(t, c) })
	t.Run("killed", func(t *testing.T) { killed(t, c) })
	t.Run("canal-json", func(t *testing.T) {
		canalJSON(t, c, "canal-by-table", kafka.ByTable, 1, func(string) {
			c.Nodes[0].Kill()
			c.Nodes[0].Launch()
		})
	})
	t.Run("drainers", func(t *testing.T) { drainers(t, c) })
	t.Run("disk full", func(t *testing.T) { diskFull(t, c, disk) })
}

// tooLarge: a transaction that the topic does not take, known before or not, stops the sink with the command that raises the
// limit; after that a restart goes on with it.
func tooLarge(t *testing.T, c *kafkabroker.Cluster) {
	const topic, key = "too-large", "max.message.bytes"
	c.CreateTopic(topic, 1, map[string]string{key: "1000000"})
	s := newStream(t, c, topic)
	for _, lowered := range []bool{true, false} {
		if lowered { // when the sink has asked for it
			s.open()
			c.SetTopic(topic, key, "2000")
		} else {
			c.SetTopic(topic, key, "2000")
			s.open()
		}
		s.must(3)
		s.flush()
		ts := s.next
		err := s.sendWide(t.Context(), 100)
		if err == nil {
			err = s.sink.Flush(t.Context())
			s.next = ts
		}
		says(t, err, fmt.Sprintf("commit TS %s (100 rows of `sinktest`.`t`)", ts), `topic "too-large"`, "kafka-configs.sh --bootstrap-server "+s.opts.Addrs[0], key)
		c.SetTopic(topic, key, "1000000")
		s.open()
		if err := s.sendWide(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		s.flush()
	}
	if n := s.exact(); n > 0 {
		t.Errorf("%d messages are there twice", n)
	}
}

// suspended: a broker that keeps its connections and answers nothing blocks the sink, which keeps a bounded number of
// bytes, and goes on when the broker does.
func suspended(t *testing.T, c *kafkabroker.Cluster) {
	var tr trouble
	s := newStream(t, c, "suspended")
	s.opts.Stalled = tr.say
	s.open()
	s.must(1)
	s.flush()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.Nodes[0].Suspend()
	defer c.Nodes[0].Resume()
	const rows, bytes, room = 2000, 70_000, 64 << 20 // bytes: a message has more
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent atomic.Int64
	full := make(chan error, 1)
	go func() {
		for {
			if err := s.sendWide(ctx, rows); err != nil {
				full <- err
				return
			}
			sent.Add(1)
		}
	}()
	tr.names(t, nil, "kafka at "+s.opts.Addrs[0], `topic "suspended"`)
	last, same := int64(-1), 0
	eventually(t, "the sink takes nothing more", func() (bool, string) {
		if now := sent.Load(); now != last {
			last, same = now, 0
		}
		same++
		return same > 100, fmt.Sprint(last)
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := sent.Load(); n*bytes > room || int64(after.HeapAlloc)-int64(before.HeapAlloc) > 2*room {
		t.Errorf("%d messages of more than %d bytes wait; the heap has grown from %d to %d", n, bytes, before.HeapAlloc, after.HeapAlloc)
	}
	cancel()
	if err := <-full; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c.Nodes[0].Resume()
	s.flush()
	if n := s.exact(); n > 0 {
		t.Errorf("%d messages are there twice", n)
	}
}

// killed: the broker is killed while it is sent to, and the drainer is, with a checkpoint that is older than what was sent.
func killed(t *testing.T, c *kafkabroker.Cluster) {
	s := newStream(t, c, "killed")
	s.open()
	for range rounds(2) {
		stop := s.feed()
		s.reaches(300)
		c.Nodes[0].Kill()
		c.Nodes[0].Launch()
		s.reaches(600)
		stop()
		s.restart(s.sink.Applied() - 200)
		s.flush()
	}
	if n := s.exact(); n > 0 {
		t.Errorf("%d messages are there twice", n)
	}
}

// diskFull: a broker whose disk is full refuses messages, and ends. The drainer says so, and goes on when there is room again.
func diskFull(t *testing.T, c *kafkabroker.Cluster, disk string) {
	var tr trouble
	s := newStream(t, c, "disk-full")
	s.opts.Stalled = tr.say
	s.open()
	s.must(50)
	s.flush()
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	tr.names(t, func() { s.must(1) }, "kafka at "+s.opts.Addrs[0], `topic "disk-full"`)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	c.Nodes[0].Kill()
	c.Nodes[0].Launch()
	s.must(50)
	s.flush()
	s.exact() // some may be there twice: the broker did not say whether it had them
}

// smallDisk is a file system of 200 MB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("pumphouse", dir, "tmpfs", 0, "size=200m"); err != nil {
		form.Missing(t, "mount a small tmpfs: %v: run the tests as root", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill makes a file of all the room that there is.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for b := make([]byte, size); err == nil; {
			_, err = f.Write(b)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}
