package takeover

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/binlogfile"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
	old "pumphouse/testsuite/upstream"
)

// TestReplaceUpstream replaces an upstream pump and its drainers by our programs, on a real PD: what the
// operator of docs/upgrading.md does. A subtest finds no node in PD.
func TestReplaceUpstream(t *testing.T) {
	all := rig.NewPumps(t, pdtest.StartReal(t, 1))
	for _, c := range []struct {
		name string
		test func(*rig.Pumps)
	}{
		{"a pump that was killed", func(c *rig.Pumps) { replaceGolden(c, false) }},
		{"a pump that was stopped", func(c *rig.Pumps) { replaceGolden(c, true) }},
		{"into Kafka", replaceIntoKafka},
		{"damage", replaceDamaged},
		{"the way back", wayBack},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(all.In(t)) })
	}
}

const oldPumpID = "old-pump:8250"

// replacing prepares our pump on the data directory of an upstream pump, beside the record that it has left in PD.
func replacing(c *rig.Pumps, stopped bool) (n *rig.PumpNode, dir string) {
	c.T.Helper()
	dir = c.T.TempDir()
	old.PumpDir(c.T, dir, stopped)
	for name, text := range map[string]string{".node": oldPumpID, ".lock": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			c.T.Fatal(err)
		}
	}
	left := theirs(c.T, stopped)
	rec := nodes.Record{NodeID: oldPumpID, Host: "10.0.0.1:8250", State: nodes.Online, MaxCommitTS: left[len(left)-1].ts}
	if stopped {
		rec.State = nodes.Paused
	}
	raw, err := nodes.EncodeRecord(rec) // not updated for long
	if err != nil {
		c.T.Fatal(err)
	}
	rig.Put(c.T, c.Etcd, nodes.Pump.Key(oldPumpID), string(raw))
	return c.Node(oldPumpID, "-data-dir", dir), dir
}

// one is a transaction as a drainer has written it.
type one struct {
	ts      nodes.TSO
	payload string
}

// theirs is what upstream's drainer wrote of an upstream pump that was killed, or then started again and stopped.
func theirs(t testing.TB, stopped bool) []one {
	t.Helper()
	all := recordsOf(t, old.BinlogFile(t))
	if len(all) != 32 {
		t.Fatalf("%d records", len(all))
	}
	if !stopped {
		all = all[:31] // the last was written after the pump had come back
	}
	return all
}

// recordsOf are the records of binlog files.
func recordsOf(t testing.TB, paths ...string) (all []one) {
	t.Helper()
	for _, path := range paths {
		err := binlogfile.Each(path, func(r binlogfile.Record) error {
			b, err := r.Decode()
			if err != nil {
				return err
			}
			all = append(all, one{nodes.TSO(b.GetCommitTs()), string(r.Payload)})
			return nil
		})
		var torn *binlogfile.DamageError // by a drainer that is writing
		if err != nil && !errors.As(err, &torn) {
			t.Fatal(err)
		}
	}
	return all
}

// resumes starts a drainer that has an upstream drainer's checkpoint, or none: 0.
func resumes(c *rig.Pumps, id, jobs string, from nodes.TSO) *rig.DrainerNode {
	c.T.Helper()
	d := c.NewDrainer(id)
	d.Args = append(d.Args, "-schema-dir", jobs, "-initial-commit-ts", "0")
	if from > 0 {
		if err := os.WriteFile(filepath.Join(d.Dir, "savepoint"), fmt.Appendf(nil, "commitTS = %d\n", from), 0o600); err != nil {
			c.T.Fatal(err)
		}
	}
	return d.Launch()
}

// has waits until everything is downstream and pauses the drainer, and checks that nothing is missing, changed or there twice.
func has(n *rig.DrainerNode, want []one) {
	t := n.Pumps.T
	t.Helper()
	read := func() []one {
		paths, err := binlogfile.Files(n.Dir)
		if err != nil {
			t.Fatal(err)
		}
		return recordsOf(t, paths...)
	}
	if len(want) > 0 {
		last := want[len(want)-1].ts
		rig.Eventually(t, rig.Timeout, fmt.Sprintf("%s has brought %s", n.ID, last), func() (bool, string) {
			got := read()
			return len(got) > 0 && got[len(got)-1].ts >= last, n.Output()
		})
	}
	n.Signal(syscall.SIGTERM)
	n.Ends(0)
	got := read()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: record %d has the commit TS %s and\n%q\nupstream's has %s and\n%q", n.ID, i, got[i].ts, got[i].payload, want[i].ts, want[i].payload)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s wrote %d records, upstream's %d", n.ID, len(got), len(want))
	}
}

// replaceGolden: drainers that come with positions before, inside and after what the old pump holds get what upstream's drainer
// made of it, to the byte, and what is written afterwards.
func replaceGolden(c *rig.Pumps, stopped bool) {
	t := c.T
	n, dir := replacing(c, stopped)
	want, jobs := theirs(t, stopped), string(old.Data(t).History(t))
	n.Launch()
	n.Says("the data directory is that of an upstream pump", "the upstream pump's log is imported")
	n.HasState(nodes.Online)
	if rec := c.Record(oldPumpID); rec.Host != n.Addr || rec.MaxCommitTS < want[len(want)-1].ts {
		t.Errorf("its record is %+v", rec)
	}
	for name, there := range map[string]bool{"value": false, "kv": false, "old/value/000000.vlog": true, "old/kv": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil != there {
			t.Errorf("%s is there: %v", name, err == nil)
		}
	}
	first, middle, last := want[0].ts, want[len(want)/2].ts, want[len(want)-1].ts
	for i, from := range []nodes.TSO{first - 1, first, middle - 1, middle, last - 1, last} {
		after := slices.IndexFunc(want, func(x one) bool { return x.ts > from })
		if after < 0 {
			after = len(want)
		}
		d := resumes(c, fmt.Sprintf("drainer%d", i), jobs, from)
		if after == len(want) {
			rig.Eventually(t, rig.Timeout, d.ID+" passes its position", func() (bool, string) { return d.Record().MaxCommitTS > from, d.Output() })
		}
		has(d, want[after:])
	}
	n.Signal(syscall.SIGTERM)
	n.Ends(0)
	n.HasState(nodes.Paused)
	n.Launch() // as any pump
	if got := n.Client().Pull(last - 1).Until(last); len(got) != 1 {
		t.Errorf("after a restart: %v", got)
	}
}

// replaceIntoKafka: a drainer into Kafka that takes over an upstream drainer's checkpoint sends the messages that upstream's sent,
// value by value, and the time zone beside them.
func replaceIntoKafka(c *rig.Pumps) {
	t := c.T
	n, _ := replacing(c, true)
	n.Launch()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "golden"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	want := theirs(t, true)
	d := c.NewDrainer("kafka")
	d.Args = append(d.Args, "-dest-db-type", "kafka", "-schema-dir", string(old.Data(t).History(t)), "-initial-commit-ts", (want[0].ts - 1).String(), "-config",
		rig.WriteFile(t, "drainer.toml", fmt.Sprintf("[syncer.to]\nkafka-addrs = %q\nkafka-version = \"2.0.0\"\ntopic-name = \"golden\"\n", strings.Join(broker.ListenAddrs(), ","))))
	d.Launch()
	for i, got := range messages(t, broker, "golden", len(want)) {
		ours, upstreams := new(pbkafka.Binlog), new(pbkafka.Binlog)
		if err := errors.Join(proto.Unmarshal(got, ours), proto.Unmarshal(old.Messages(t)[i], upstreams)); err != nil {
			t.Fatal(err)
		}
		if ours.GetTimeZone() != "UTC" {
			t.Errorf("message %d has the time zone %q", i, ours.GetTimeZone())
		}
		if ours.TimeZone = nil; !proto.Equal(ours, upstreams) || ours.GetCommitTs() != int64(want[i].ts) {
			t.Errorf("message %d:\n%v\nupstream's:\n%v", i, ours, upstreams)
		}
	}
	d.Signal(syscall.SIGTERM)
	d.Ends(0)
}

// messages reads a topic until there are so many.
func messages(t testing.TB, broker *kfake.Cluster, topic string, n int) (all [][]byte) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Timeout)
	defer cancel()
	for len(all) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v: %d messages, want %d", err, len(all), n)
		}
		for _, rec := range fetches.Records() {
			all = append(all, rec.Value)
		}
	}
	if len(all) != n {
		t.Fatalf("%d messages, want %d", len(all), n)
	}
	return all
}

// replaceDamaged: the pump refuses a damaged log with file and byte, changes neither the directory nor its record, and imports
// the log when the file is restored.
func replaceDamaged(c *rig.Pumps) {
	t := c.T
	n, dir := replacing(c, true)
	path := filepath.Join(dir, "value", "000000.vlog")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	record := 0 // where the one begins that holds the byte in the middle
	for next := 0; next <= len(whole)/2; next += 16 + int(binary.LittleEndian.Uint64(whole[next+4:])) {
		record = next
	}
	bad := bytes.Clone(whole)
	bad[len(bad)/2] ^= 1
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	before := rig.Get(t, c.Etcd, nodes.Pump.Key(oldPumpID))
	for range 2 {
		n.Spawn()
		n.Ends(1)
		n.Says(fmt.Sprintf("%s is damaged at byte %d", path, record), "Restore the file from a copy", "nothing was changed")
	}
	if now := rig.Get(t, c.Etcd, nodes.Pump.Key(oldPumpID)); now != before {
		t.Errorf("the record has become\n%s\nit was\n%s", now, before)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, bad) {
		t.Errorf("the refused log was changed, %v", err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	n.Launch()
	want := theirs(t, true)
	if got := n.Client().Pull(want[0].ts - 1).Until(want[len(want)-1].ts); len(got) != len(want) {
		t.Errorf("%d transactions, want %d", len(got), len(want))
	}
}

// wayBack goes back to upstream's pump, before and after the new one has been online: its directory is as it was, or empty, and nothing
// that is left in PD stands in the way of a pump with the same node ID. Drainers resume.
func wayBack(c *rig.Pumps) {
	t := c.T
	n, dir := replacing(c, true)
	whole, err := os.ReadFile(filepath.Join(dir, "value", "000000.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}

	// It has imported and cannot go online, because a drainer is away: back by renaming.
	c.Drainer("away", form.Addr(t), nodes.Online, 0)
	n.Spawn()
	n.Ends(1)
	n.Says("the upstream pump's log is imported", "away")
	rename("binlog", "binlog.moved")
	rename("old/value", "value")
	rename("old/kv", "kv")
	if now, err := os.ReadFile(filepath.Join(dir, "value", "000000.vlog")); err != nil || !bytes.Equal(now, whole) {
		t.Errorf("the upstream pump's log was changed, %v", err)
	}
	if rec := c.Record(oldPumpID); rec.State != nodes.Paused {
		t.Errorf("its record is %+v", rec)
	}
	if _, _, err := c.Registry.SetState(t.Context(), nodes.Drainer, "away", nodes.Offline, nil); err != nil {
		t.Fatal(err)
	}

	// It goes online, takes writes, drains and leaves.
	n.Launch()
	tr := c.NewTradeOf(n)
	d := tr.Drainer("drainer1")
	last := theirs(t, true)
	if err := os.WriteFile(filepath.Join(d.Dir, "savepoint"), fmt.Appendf(nil, "commitTS = %d\n", last[len(last)-1].ts), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Launch()
	for range 3 {
		tr.Sell(oldPumpID)
	}
	if out, ok := c.Binlogctl("-cmd", "offline-pump", "-node-id", oldPumpID); !ok {
		t.Fatal(out)
	}
	n.Ends(0)
	n.HasState(nodes.Offline)
	d.Consumes(tr, tr.Want[len(tr.Want)-1].TS)
	leavesNothing(c)

	// An upstream pump begins under the same node ID with an empty directory.
	back := c.OldPump(oldPumpID)
	for range 3 {
		back.Deliver <- tr.Row()
	}
	d.Consumes(tr, tr.Want[len(tr.Want)-1].TS)
	d.Signal(syscall.SIGTERM)
	d.Ends(0)
	d.Exact(tr)
}

// leavesNothing checks what a pump of ours that is offline has left in PD: the record, with upstream's fields, and nothing that holds back TiKV's
// garbage collection.
func leavesNothing(c *rig.Pumps) {
	t := c.T
	resp, err := c.Etcd.Get(t.Context(), "/tidb-binlog/v1/pumps", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Kvs) != 1 || string(resp.Kvs[0].Key) != nodes.Pump.Key(oldPumpID) {
		t.Errorf("below the pumps in PD are %v", resp.Kvs)
	}
	var fields map[string]any
	if err := json.Unmarshal(resp.Kvs[0].Value, &fields); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, []string{"host", "isAlive", "label", "maxCommitTS", "nodeId", "score", "state", "updateTS"}) {
		t.Errorf("the record has the fields %q", got)
	}
	answer, err := http.Get(c.Endpoints[0] + "/pd/api/v1/gc/safepoint")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || strings.Contains(string(text), oldPumpID) {
		t.Errorf("safe points in PD: %d, %v, %s", answer.StatusCode, err, text)
	}
}
