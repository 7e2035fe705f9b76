package standby

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/rig"
)

// lost is what a drainer logs that has lost its place.
const lost = "this process is not the active drainer any more"

// turns are ways in which an active drainer loses its place to the other one. Each returns when both processes run again, one of them active.
var turns = []struct {
	name string
	do   func(p *pair, a, b *one, r *rand.Rand)
}{
	{"kill -9", func(p *pair, a, b *one, _ *rand.Rand) {
		at := time.Now()
		a.kill()
		p.leads(b, at)
		p.again(a)
	}},
	{"cut " + fromPD.String(), cutOff(fromPD)},
	{"switch-drainer", func(p *pair, a, b *one, _ *rand.Rand) {
		at := time.Now()
		out, ok := p.pumps.Binlogctl("-cmd", "switch-drainer", "-node-id", nodeID)
		if !ok || !strings.Contains(out, "is online at "+b.Addr) {
			p.Fatalf("switch-drainer: %s\n%s\n%s", out, tail(a), tail(b))
		}
		p.leads(b, at)
		p.waits(a)
	}},
	{"suspended", func(p *pair, a, b *one, _ *rand.Rand) {
		losses := a.losses()
		at := time.Now()
		a.signal(syscall.SIGSTOP)
		p.leads(b, at)
		a.signal(syscall.SIGCONT)
		p.loses(a, losses)
		p.waits(a)
	}},
	{"cut " + fromAll.String(), cutOff(fromAll)},
	{"a signal", func(p *pair, a, b *one, _ *rand.Rand) {
		at := time.Now()
		a.signal(syscall.SIGTERM)
		p.leads(b, at)
		a.Ends(0)
		p.again(a)
	}},
	{"cut " + down.String(), cutOff(down)},
}

// cutOff cuts the active process off. The other one takes its place and, sooner or later, the first one finds that out.
func cutOff(how cut) func(p *pair, a, b *one, r *rand.Rand) {
	return func(p *pair, a, b *one, r *rand.Rand) {
		losses := a.losses()
		at := time.Now()
		heal := a.link.cut(how)
		p.leads(b, at)
		p.loses(a, losses)
		time.Sleep(time.Duration(r.Int64N(int64(2 * time.Second)))) // how long the network is cut
		heal()
		p.waits(a)
	}
}

// losses is how often a process has lost its place so far.
func (d *one) losses() int { return strings.Count(d.Output(), lost) }

// loses waits until a process has found out that it has lost its place once more.
func (p *pair) loses(d *one, before int) {
	p.Helper()
	rig.Eventually(p.TB, time.Minute, "the drainer at "+d.Addr+" has stopped writing", func() (bool, string) { return d.losses() > before, tail(d) })
}

// run has the turns change again and again while rows are written, and stops the writes.
func (p *pair) run(seed uint64) {
	p.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	many := len(turns)
	if form.Long() {
		many = 100
	}
	took := map[string][]time.Duration{}
	defer func() {
		for _, t := range turns {
			if all := took[t.name]; len(all) > 0 {
				slices.Sort(all)
				p.Logf("%3d × %s: the standby was active after %s, at most %s", len(all), t.name, all[len(all)/2], all[len(all)-1])
			}
		}
	}()
	stop := p.SellOn("pump1")
	for i := range many {
		t := turns[i%len(turns)]
		if i >= len(turns) {
			t = turns[r.IntN(len(turns))]
		}
		a, b := p.active()
		t.do(p, a, b, r)
		p.Logf("%d of %d, %s: the standby was active after %s", i+1, many, t.name, p.last)
		took[t.name] = append(took[t.name], p.last)
	}
	last := stop()
	rig.Eventually(p.TB, 2*time.Minute, "everything is downstream", func() (bool, string) {
		e, err := p.pumps.Registry.Get(p.Context(), nodes.Drainer, nodeID)
		return err == nil && e.Record.MaxCommitTS >= last, fmt.Sprint(e.Record, err, tail(p.both[0]), tail(p.both[1]))
	})
}

// TestTurnsIntoMariaDB: whatever ends the turn of an active drainer, under load, every row is downstream and was written there once.
func TestTurnsIntoMariaDB(t *testing.T) {
	t.Parallel()
	srv := mariadbtest.Start(t)
	p := newPair(t, mariaDB(srv))
	db := srv.Open()
	rig.Eventually(t, time.Minute, "the table is downstream", func() (bool, string) {
		var n int
		err := db.QueryRow("SELECT COUNT(*) FROM test.t100").Scan(&n)
		return err == nil, fmt.Sprint(err)
	})
	srv.Exec("CREATE DATABASE audit", "CREATE TABLE audit.t (id BIGINT)", "CREATE TRIGGER test.noted AFTER INSERT ON test.t100 FOR EACH ROW INSERT INTO audit.t VALUES (NEW.id)")
	p.run(form.Seed(t))
	var rows, once, writes int64
	if err := db.QueryRow("SELECT COUNT(*), (SELECT COUNT(DISTINCT id) FROM audit.t), (SELECT COUNT(*) FROM audit.t) FROM test.t100").Scan(&rows, &once, &writes); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows", rows)
	if rows != p.Sold || once != p.Sold || writes != p.Sold {
		t.Errorf("%d rows are downstream, of %d; %d were written %d times", rows, p.Sold, once, writes)
	}
}

// TestTurnsIntoKafka: the same into a topic: readers of committed messages see each once and in order, those of
// uncommitted ones too, when they drop what they have seen.
func TestTurnsIntoKafka(t *testing.T) {
	t.Parallel()
	k := kafkabroker.Start(t, kafkabroker.Options{})
	p := newPair(t, fmt.Sprintf("[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nkafka-addrs = %q\ntopic-name = \"turns\"\n", k.Addrs()[0]))
	p.run(form.Seed(t))
	var want []int64
	for _, ts := range p.Commits() {
		want = append(want, int64(ts))
	}
	committed := p.topic(k, kgo.ReadCommitted())
	if !slices.Equal(committed, want) {
		t.Errorf("committed messages: %s", differ(committed, want))
	}
	all := p.topic(k, kgo.ReadUncommitted())
	var seen []int64
	for _, ts := range all {
		if len(seen) == 0 || ts > seen[len(seen)-1] {
			seen = append(seen, ts)
		}
	}
	if !slices.Equal(seen, want) {
		t.Errorf("messages that are newer than those before: %s", differ(seen, want))
	}
	t.Logf("%d messages, %d with those that were not committed", len(committed), len(all))
}

// topic gives the commit TSs of the messages in the topic.
func (p *pair) topic(k *kafkabroker.Cluster, level kgo.IsolationLevel) (list []int64) {
	p.Helper()
	ends, err := k.Admin().ListEndOffsets(p.Context(), "turns")
	if err != nil {
		p.Fatal(err)
	}
	end, _ := ends.Lookup("turns", 0)
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...), kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"turns": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		p.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(p.Context(), 2*time.Minute)
	defer cancel()
	for {
		for _, r := range client.PollFetches(ctx).Records() {
			if !r.Attrs.IsControl() {
				b := new(pbkafka.Binlog)
				if err := proto.Unmarshal(r.Value, b); err != nil {
					p.Fatal(err)
				}
				list = append(list, b.GetCommitTs())
			}
			if r.Offset >= end.Offset-1 {
				return list
			}
		}
		if ctx.Err() != nil {
			p.Fatalf("of %d offsets only %d messages could be read", end.Offset, len(list))
		}
	}
}

// differ says where two lists part.
func differ(got, want []int64) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%d, want %d; they part at %d: %v, want %v", len(got), len(want), i, got[i:min(len(got), i+5)], want[i:min(len(want), i+5)])
}
