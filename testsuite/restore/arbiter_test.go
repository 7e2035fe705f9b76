package restore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/drainer/message"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/tidbtest/golden"
	"pumphouse/testsuite/upstream"
)

const topicName = "7_obinlog"

// topic is a topic of a Kafka broker.
type topic struct {
	t      *testing.T
	broker *kfake.Cluster
	client *kgo.Client

	mu    sync.Mutex
	conns []net.Conn
}

// listener is the broker's: its connections can be cut.
type listener struct {
	net.Listener
	top *topic
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.top.mu.Lock()
		l.top.conns = append(l.top.conns, c)
		l.top.mu.Unlock()
	}
	return c, err
}

// cut ends all connections to the broker.
func (top *topic) cut() {
	top.mu.Lock()
	defer top.mu.Unlock()
	for _, c := range top.conns {
		c.Close()
	}
	top.conns = nil
}

// newTopic makes a topic with messages.
func newTopic(t *testing.T, values ...[]byte) *topic {
	t.Helper()
	top := &topic{t: t}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topicName), kfake.ListenFn(func(network, addr string) (net.Listener, error) {
		l, err := net.Listen(network, addr)
		return listener{l, top}, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	top.broker = c
	top.connect()
	top.add(values...)
	return top
}

// connect makes the client that adds messages.
func (top *topic) connect() {
	top.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(top.broker.ListenAddrs()...), kgo.DefaultProduceTopic(topicName), kgo.ProducerBatchMaxBytes(100<<20), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		top.t.Fatal(err)
	}
	top.t.Cleanup(client.Close)
	top.client = client
}

// recreate deletes the topic and makes it anew.
func (top *topic) recreate() {
	top.t.Helper()
	if err := errors.Join(top.broker.DeleteTopic(topicName), top.broker.CreateTopic(topicName, 1, nil)); err != nil {
		top.t.Fatal(err)
	}
	top.connect()
}

func (top *topic) add(values ...[]byte) {
	top.t.Helper()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Value: v})
	}
	if err := top.client.ProduceSync(top.t.Context(), records...).FirstErr(); err != nil {
		top.t.Fatal(err)
	}
}

// truncate removes the messages before an offset, as retention does.
func (top *topic) truncate(before int64) {
	top.t.Helper()
	if err := top.broker.DeleteRecords(topicName, 0, before); err != nil {
		top.t.Fatal(err)
	}
}

// messages are transactions as a drainer of ours sends them.
func messages(t *testing.T, zone *time.Location, txns []*sink.Txn) (values [][]byte) {
	t.Helper()
	e := message.NewEncoder(zone)
	var last nodes.TSO
	for _, x := range txns {
		for _, rec := range x.Records(last) {
			v, err := e.Encode(rec)
			if err != nil {
				t.Fatal(err)
			}
			values, last = append(values, v), rec.CommitTS
		}
	}
	return values
}

// running is an arbiter.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ready  chan struct{} // closed when it takes signals
	ended  chan struct{}
}

func startArbiter(t *testing.T, top *topic, srv server, args ...string) *running {
	t.Helper()
	at := srv.at()
	config := filepath.Join(t.TempDir(), "arbiter.toml")
	text := fmt.Sprintf("[up]\nkafka-addrs = %q\ntopic = %q\n[down]\nhost = %q\nport = %d\nuser = \"root\"\non-divergence = \"stop\"\n",
		strings.Join(top.broker.ListenAddrs(), ","), topicName, at.Host, at.Port)
	if i := len(args) - 1; i >= 0 && strings.HasPrefix(args[i], "[") {
		text, args = strings.Replace(text, strings.SplitAfter(args[i], "\n")[0], args[i], 1), args[:i]
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &running{t: t, cmd: exec.Command(programs.Path("arbiter"), append([]string{"-config", config, "-addr", "127.0.0.1:0"}, args...)...), ended: make(chan struct{})}
	a.cmd.Stderr = &a.stderr
	a.ready = make(chan struct{})
	said, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(a.ended)
		_, _ = said.Read(make([]byte, 1)) // it is ready, or has ended
		close(a.ready)
		_, _ = io.Copy(io.Discard, said)
		_ = a.cmd.Wait()
	}() // how it has ended is in ProcessState
	t.Cleanup(func() { a.cmd.Process.Kill(); <-a.ended })
	return a
}

// stop ends it in order.
func (a *running) stop() {
	a.t.Helper()
	<-a.ready
	a.cmd.Process.Signal(syscall.SIGTERM)
	if code := a.code(); code != 0 {
		a.t.Fatalf("arbiter ends with %d:\n%s", code, a.stderr.String())
	}
}

// code waits for its end.
func (a *running) code() int {
	a.t.Helper()
	select {
	case <-a.ended:
	case <-time.After(3 * time.Minute):
		a.cmd.Process.Kill()
		<-a.ended
		a.t.Fatalf("arbiter does not end:\n%s", a.stderr.String())
	}
	return a.cmd.ProcessState.ExitCode()
}

// reaches waits until the checkpoint is at a commit TS, while it runs.
func (a *running) reaches(db *sql.DB, ts nodes.TSO) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 5*time.Minute)
	defer cancel()
	for nodes.Sleep(ctx, 20*time.Millisecond) {
		if at, _ := arbiterCheckpoint(db); at >= ts {
			return
		}
		select {
		case <-a.ended:
			a.t.Fatalf("arbiter ends with %d:\n%s", a.code(), a.stderr.String())
		default:
		}
	}
	at, status := arbiterCheckpoint(db)
	a.t.Fatalf("the checkpoint is at %s, status %d, and not at %s", at, status, ts)
}

// arbiterCheckpoint is what upstream's arbiter has in its table.
func arbiterCheckpoint(db *sql.DB) (ts nodes.TSO, status int) {
	if db.QueryRow("SELECT ts, status FROM tidb_binlog.arbiter_checkpoint WHERE topic_name = ?", topicName).Scan(&ts, &status) != nil {
		return 0, -1 // it is not there yet
	}
	return ts, status
}

// applies applies a whole topic and ends.
func applies(t *testing.T, top *topic, srv server, last nodes.TSO, args ...string) *running {
	t.Helper()
	a := startArbiter(t, top, srv, args...)
	a.reaches(srv.open(t), last)
	a.stop()
	return a
}

// What upstream's drainer has sent to Kafka, and what ours sends of real TiDBs' binlogs, is applied as our drainer
// applies the same transactions.
func TestArbiterEqualsDrainer(t *testing.T) {
	check := func(t *testing.T, values [][]byte, txns []*sink.Txn, args ...string) {
		want, got := startMariaDB(t), startMariaDB(t)
		last := txns[len(txns)-1].CommitTS
		top := newTopic(t, values...)
		applies(t, top, got, last, args...)
		same(t, applied(t, want, txns), got.open(t))
		if ts, status := arbiterCheckpoint(got.open(t)); ts != last || status != 0 {
			t.Errorf("the checkpoint is %s, status %d, want %s and 0", ts, status, last)
		}
	}
	t.Run("upstream", func(t *testing.T) {
		check(t, upstream.Messages(t), transactions(t, upstream.Data(t)), "[up]\ntime-zone = \"UTC\"\n")
	})
	for _, year := range golden.Years() {
		t.Run(strconv.Itoa(year), func(t *testing.T) {
			data, err := golden.Load(year)
			if err != nil {
				t.Fatal(err)
			}
			txns := transactions(t, data)
			check(t, messages(t, time.UTC, txns), txns)
		})
	}
}

// keyless are a table without a key, one with a key, and n transactions that insert a row into each.
func keyless(n int) []*sink.Txn {
	statement := func(ts nodes.TSO, query string) *sink.Txn {
		return &sink.Txn{CommitTS: ts, StartTS: ts - 1, Query: query, DDL: &schema.DDL{Schema: "k", Job: &schema.Job{Query: query}}}
	}
	list := []*sink.Txn{
		statement(base, "CREATE DATABASE k"),
		statement(base+1, "CREATE TABLE nokey (a BIGINT, b VARCHAR(100))"),
		statement(base+2, "CREATE TABLE keyed (a BIGINT PRIMARY KEY, b VARCHAR(100))"),
	}
	table := func(id int64, name string, flag uint) *schema.Table {
		t := &schema.Table{ID: id, Schema: "k", Name: name, Columns: []schema.Column{sinktest.Column("a", mysql.TypeLonglong, flag), sinktest.Column("b", mysql.TypeVarchar, 0)}}
		if flag != 0 {
			t.Keys = []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}}
		}
		return t
	}
	tables := []*schema.Table{table(1, "nokey", 0), table(2, "keyed", mysql.PriKeyFlag|mysql.NotNullFlag)}
	for i := range n {
		x := &sink.Txn{CommitTS: base + 3 + nodes.TSO(i)}
		x.StartTS = x.CommitTS - 1
		for _, tab := range tables {
			x.Changes = append(x.Changes, &txn.Change{Table: tab, New: txn.Row{txn.IntOf(int64(i)), txn.TextOf([]byte(strings.Repeat("x", 50)))}})
		}
		list = append(list, x)
	}
	return list
}

// wantsKeyless checks that n transactions of keyless are there once.
func wantsKeyless(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	for _, table := range []string{"nokey", "keyed"} {
		var rows, distinct int
		if err := db.QueryRow("SELECT COUNT(*), COUNT(DISTINCT a) FROM k."+table).Scan(&rows, &distinct); err != nil {
			t.Fatal(err)
		}
		if rows != n || distinct != n {
			t.Errorf("%s has %d rows, %d different ones, want %d", table, rows, distinct, n)
		}
	}
}

// Whatever is killed, whatever connections break, and whatever the drainer sends again, every transaction takes effect once.
func TestArbiterIsKilled(t *testing.T) {
	const n = 20_000
	txns := keyless(n)
	values := messages(t, time.UTC, txns)
	half := len(values) / 2
	top := newTopic(t, values[:half]...)
	top.add(values[half-2000:]...) // the drainer was killed and resumed from an older checkpoint
	srv := startMariaDB(t, "--innodb-flush-log-at-trx-commit=0")
	db := srv.open(t)
	last := txns[len(txns)-1].CommitTS
	killed := 0
	for done := false; !done; {
		a := startArbiter(t, top, srv)
		for before, cut := count(db), 0; !done; done = reached(db, last) {
			now := count(db)
			if now >= before+n/10 {
				break
			}
			if now >= before+n/50*cut {
				cut++
				top.cut()
			}
			select {
			case <-a.ended:
				t.Fatalf("arbiter ends with %d:\n%s", a.code(), a.stderr.String())
			case <-time.After(time.Millisecond): // it asks the database, which answers when it does
			}
		}
		if !done {
			a.cmd.Process.Kill()
			<-a.ended
			killed++
			continue
		}
		a.stop()
	}
	wantsKeyless(t, db, n)
	if killed < 3 {
		t.Errorf("killed %d times", killed)
	}
}

func reached(db *sql.DB, ts nodes.TSO) bool { at, _ := arbiterCheckpoint(db); return at >= ts }

// A checkpoint of upstream's arbiter is taken over: exactly where that ended in order, in safe mode where it was killed.
func TestArbiterTakesOver(t *testing.T) {
	txns := keyless(100)
	top := newTopic(t, messages(t, time.UTC, txns)...)
	last := txns[len(txns)-1].CommitTS
	srv := startMariaDB(t)
	db := srv.open(t)
	takeOver := func(ts nodes.TSO, status int) {
		t.Helper()
		if _, err := db.Exec("REPLACE INTO tidb_binlog.arbiter_checkpoint (topic_name, ts, status) VALUES (?, ?, ?)", topicName, ts, status); err != nil {
			t.Fatal(err)
		}
		applies(t, top, srv, last)
	}
	if _, err := db.Exec(`CREATE DATABASE tidb_binlog; CREATE TABLE tidb_binlog.arbiter_checkpoint(
		topic_name VARCHAR(255) PRIMARY KEY, ts BIGINT NOT NULL, status INT NOT NULL);
		CREATE DATABASE k; CREATE TABLE k.nokey (a BIGINT, b VARCHAR(100)); CREATE TABLE k.keyed (a BIGINT PRIMARY KEY, b VARCHAR(100))`); err != nil {
		t.Fatal(err)
	}
	takeOver(base+2, 0)
	wantsKeyless(t, db, 100)
	// It has applied some of what is after its checkpoint, and was killed.
	if _, err := db.Exec("DELETE FROM k.keyed WHERE a > 50 AND a < 70; TRUNCATE k.nokey"); err != nil {
		t.Fatal(err)
	}
	takeOver(base+3+20, 1)
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM k.keyed").Scan(&n); err != nil || n != 100 {
		t.Errorf("k.keyed has %d rows, %v", n, err)
	}
}

// What cannot be read, or is not there any more, ends arbiter with status 1 and says where it is and what to do.
func TestArbiterRefuses(t *testing.T) {
	txns := keyless(100)
	values := messages(t, time.UTC, txns)
	last := txns[len(txns)-1].CommitTS
	refuses := func(t *testing.T, a *running, wants ...string) {
		t.Helper()
		code := a.code()
		for _, want := range wants {
			if code != 1 || !strings.Contains(a.stderr.String(), want) {
				t.Errorf("it ends with %d, want 1 and %q:\n%s", code, want, a.stderr.String())
			}
		}
	}
	t.Run("topic", func(t *testing.T) {
		top := newTopic(t)
		if err := top.broker.DeleteTopic(topicName); err != nil {
			t.Fatal(err)
		}
		refuses(t, startArbiter(t, top, startMariaDB(t)), "topic \""+topicName+"\" does not exist at kafka "+top.broker.ListenAddrs()[0], "-up.topic")
	})
	t.Run("version", func(t *testing.T) {
		a := startArbiter(t, newTopic(t), startMariaDB(t), "[up]\nkafka-version = \"nonsense\"\n")
		if code := a.code(); code != 2 || !strings.Contains(a.stderr.String(), "kafka-version") {
			t.Errorf("a bad kafka-version ends with %d:\n%s", code, a.stderr.String())
		}
	})
	t.Run("damage", func(t *testing.T) {
		top := newTopic(t, values[:50]...)
		top.add(values[50][:len(values[50])-3])
		top.add(values[51:]...)
		srv := startMariaDB(t)
		refuses(t, startArbiter(t, top, srv), "the message at offset 50 of topic \""+topicName+"\", partition 0, of kafka at 127.0.0.1", "ignore-offsets = [50]")
		applies(t, top, srv, last, "[up]\nignore-offsets = [50]\n")
		wantsKeyless(t, srv.open(t), 99)
	})
	t.Run("protocol", func(t *testing.T) {
		top := newTopic(t, []byte(`{"id":0,"database":"d"}`))
		refuses(t, startArbiter(t, top, startMariaDB(t)), "the message at offset 0 of topic \""+topicName+"\"", "is Canal-JSON", "-up.topic", `protocol = "binlog"`)
	})
	t.Run("retention", func(t *testing.T) {
		top := newTopic(t, values[:60]...)
		srv := startMariaDB(t)
		applies(t, top, srv, txns[59].CommitTS)
		top.add(values[60:80]...)
		top.truncate(60) // all of it was read
		applies(t, top, srv, txns[79].CommitTS)
		top.truncate(80)
		applies(t, top, srv, txns[79].CommitTS) // the topic is empty
		top.add(values[80:]...)
		top.truncate(81)
		refuses(t, startArbiter(t, top, srv), "begins with offset 81, commit TS "+txns[81].CommitTS.String(), "committed after "+txns[79].CommitTS.String(), "arbiter_checkpoint", "-up.initial-commit-ts")
		// Another one, which begins after a dump.
		refuses(t, startArbiter(t, top, startMariaDB(t), "-up.initial-commit-ts", txns[79].CommitTS.String()), "begins with offset 81")
		if _, err := srv.open(t).Exec("DELETE FROM tidb_binlog.arbiter_checkpoint"); err != nil {
			t.Fatal(err)
		}
		applies(t, top, srv, last, "-up.initial-commit-ts", txns[81].CommitTS.String())
		wantsKeyless(t, srv.open(t), 98) // the dump was to have the others
	})
	// Retention, or a topic that is made anew, overtakes an arbiter that runs and does not get on for a while.
	stalled := func(t *testing.T, top *topic, srv server, meanwhile func()) *running {
		t.Helper()
		a := startArbiter(t, top, srv)
		a.reaches(srv.open(t), txns[59].CommitTS)
		a.cmd.Process.Signal(syscall.SIGSTOP)
		top.cut() // with the fetch that waits at the broker
		meanwhile()
		a.cmd.Process.Signal(syscall.SIGCONT)
		return a
	}
	t.Run("overtaken", func(t *testing.T) {
		top := newTopic(t, values[:60]...)
		srv := startMariaDB(t)
		a := stalled(t, top, srv, func() {
			top.add(values[60:]...)
			top.truncate(81)
		})
		refuses(t, a, "the message at offset 60 of topic \""+topicName+"\", partition 0, of kafka at 127.0.0.1", "begins with offset 81, commit TS "+txns[81].CommitTS.String(),
			"committed after "+txns[59].CommitTS.String(), "Restore a dump", "arbiter_checkpoint", "-up.initial-commit-ts")
		if ts, _ := arbiterCheckpoint(srv.open(t)); ts != txns[59].CommitTS {
			t.Errorf("the checkpoint is %s, want %s", ts, txns[59].CommitTS)
		}
		refuses(t, startArbiter(t, top, srv), "begins with offset 81") // until somebody has done what it says
	})
	t.Run("overtaken by all", func(t *testing.T) {
		top := newTopic(t, values[:60]...)
		a := stalled(t, top, startMariaDB(t), func() {
			top.add(values[60:]...)
			top.truncate(int64(len(values)))
		})
		refuses(t, a, "the message at offset 60 of topic \""+topicName+"\", partition 0, of kafka at 127.0.0.1", fmt.Sprintf("up to offset %d", len(values)-1), "-up.initial-commit-ts")
	})
	t.Run("recreated meanwhile", func(t *testing.T) {
		top := newTopic(t, values[:60]...)
		a := stalled(t, top, startMariaDB(t), top.recreate)
		refuses(t, a, "topic \""+topicName+"\"", "was deleted or recreated while arbiter ran", "start arbiter again")
	})
	t.Run("row", func(t *testing.T) {
		top := newTopic(t, values...)
		srv := startMariaDB(t)
		a := startArbiter(t, top, srv)
		a.reaches(srv.open(t), last)
		lost := &sink.Txn{CommitTS: last + 1, Changes: []*txn.Change{{Table: txns[3].Changes[1].Table, Op: txn.Delete, Old: txn.Row{txn.IntOf(1000), txn.TextOf(nil)}}}}
		top.add(messages(t, time.UTC, append([]*sink.Txn{lost}, keyless(10)[3:]...))...)
		refuses(t, a, "the message at offset 103 of topic", "k.keyed", "ignore-txn-commit-ts = ["+lost.CommitTS.String()+"]", "in [down] of arbiter's configuration file", "then start arbiter again")
	})
	t.Run("recreated with a gap", func(t *testing.T) { // and as long as it was
		top := newTopic(t, values[:20]...)
		srv := startMariaDB(t)
		applies(t, top, srv, txns[19].CommitTS)
		top.recreate()
		top.add(values[40:]...)
		refuses(t, startArbiter(t, top, srv), "begins with offset 0, commit TS "+txns[40].CommitTS.String(), "it was recreated", "committed after "+txns[19].CommitTS.String(), "-up.initial-commit-ts")
	})
	t.Run("recreated", func(t *testing.T) {
		top := newTopic(t, values[:60]...)
		srv := startMariaDB(t)
		applies(t, top, srv, txns[59].CommitTS)
		top.recreate()
		refuses(t, startArbiter(t, top, srv), "ends before offset 0", "commit TS "+txns[59].CommitTS.String(), "or was recreated")
		top.add(values[59:]...) // the drainer has written everything after that again
		if _, err := srv.open(t).Exec("DELETE FROM tidb_binlog.arbiter_checkpoint"); err != nil {
			t.Fatal(err)
		}
		applies(t, top, srv, last, "-up.initial-commit-ts", txns[59].CommitTS.String())
		wantsKeyless(t, srv.open(t), 100)
	})
}
