package upstream_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/tikv"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/nodes/tikvconn"
	"pumphouse/pump"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
	"pumphouse/testsuite/upstream"
)

// The same statements on a real TiDB, through our pump and our drainer: the file has what upstream's
// pump and drainer made of them, value by value, whatever the timestamps are.
func TestSameStatementsThroughOurs(t *testing.T) {
	time.Local = time.UTC // in which the drainer prints timestamps
	cluster := pdtest.StartReal(t, 1)
	tidbtest.StartUnistore(t, cluster.Endpoint(0))
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	t.Cleanup(tikvconn.RedirectLogs(quiet))
	clock, err := pd.New(pd.Options{Endpoints: cluster.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clock.Close() })
	registry := nodes.NewRegistry(cluster.Etcd(), 5*time.Second)
	p, err := pump.New(pump.Options{Options: life.Options{NodeID: "pump1", Addr: "127.0.0.1:0", DataDir: t.TempDir(), PD: clock, Registry: registry}, StopWriteAtAvailable: 1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	db := tidbtest.StartTiDB(t, tidbtest.Options{PD: cluster.Endpoint(0), Store: tidbtest.TiKV, Binlog: true}).Open(t, "")

	jobs, err := tikv.New(cluster.Endpoints(), certfile.Security{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { jobs.Close() })
	dir := t.TempDir()
	d, err := drainer.New(drainer.Options{Options: life.Options{NodeID: "drainer1", Addr: "127.0.0.1:0", DataDir: t.TempDir(), PD: clock, Registry: registry, Logger: quiet},
		Schema: jobs, Downstream: downstream.File{Dir: dir}, InitialCommitTS: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })

	run(t, db)
	want := texts(t, upstream.BinlogFile(t))
	var got []string
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		got = got[:0]
		paths, err := binlogfile.Files(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			got = append(got, texts(t, path)...)
		}
		if len(got) >= len(want) || time.Now().After(end) {
			break
		}
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("record %d:\n%s\ntheirs:\n%s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d records, theirs are %d", len(got), len(want))
	}
}

// run runs the statements in one session.
func run(t *testing.T, db *sql.DB) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := "set time_zone = '+00:00';\n" + upstream.Statements(t) + "insert into g.nopk (a,b) values (31,'later')"
	var kept bytes.Buffer
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "--") {
			kept.WriteString(line)
		}
	}
	for q := range strings.SplitSeq(kept.String(), ";") {
		if q = strings.TrimSpace(q); q == "" {
			continue
		}
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%.100s: %v", q, err)
		}
	}
}

// texts are the records of a file without their timestamps. The last may be being written.
func texts(t *testing.T, path string) (list []string) {
	t.Helper()
	_ = binlogfile.Each(path, func(r binlogfile.Record) error {
		b, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%v %s\n", b.GetTp(), b.GetDdlQuery())
		for _, e := range b.GetDmlData().GetEvents() {
			fmt.Fprintf(&text, "%v %s.%s\n", e.GetTp(), e.GetSchemaName(), e.GetTableName())
			for _, raw := range e.GetRow() {
				c := new(pbfile.Column)
				if err := proto.Unmarshal(raw, c); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintln(&text, prototext.Format(c))
			}
		}
		list = append(list, text.String())
		return nil
	})
	return list
}
