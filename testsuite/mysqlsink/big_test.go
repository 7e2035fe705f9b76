package mysqlsink

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
)

// bigPump is a pump with one large transaction.
type bigPump struct {
	binlogpb.UnimplementedPumpServer
	commitTS nodes.TSO
	payload  []byte
}

func (p *bigPump) PullBinlogs(req *binlogpb.PullBinlogReq, stream binlogpb.Pump_PullBinlogsServer) error {
	if ts := int64(p.commitTS); ts > req.GetStartFrom().GetOffset() {
		err := stream.Send(&binlogpb.PullBinlogResp{Entity: &binlogpb.Entity{
			Pos: &binlogpb.Pos{Offset: ts}, Payload: p.payload, Meta: &binlogpb.Meta{StartTs: ts - 1, CommitTs: ts}}})
		if err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return nil
}

// bigTransaction inserts rows with a text of so many bytes into table 10.
func bigTransaction(t *testing.T, ts nodes.TSO, rows, bytesEach int) []byte {
	t.Helper()
	m := &binlogpb.TableMutation{TableId: proto.Int64(10)}
	text := bytes.Repeat([]byte("x'"), bytesEach/2+1)[:bytesEach]
	datum := func(b []byte, n int) []byte { return binary.AppendVarint(append(b, 8), int64(n)) }
	for i := range rows {
		b := datum(datum(datum(make([]byte, 0, bytesEach+32), i), 1), i)
		b = binary.AppendVarint(append(datum(b, 2), 2), int64(bytesEach))
		m.InsertedRows = append(m.InsertedRows, append(b, text...))
		m.Sequence = append(m.Sequence, binlogpb.MutationType_Insert)
	}
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: proto.Int64(2), Mutations: []*binlogpb.TableMutation{m}})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: proto.Int64(int64(ts) - 1), CommitTs: proto.Int64(int64(ts)), PrewriteValue: value})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// TestBigTransaction: what a drainer needs for a large transaction into a MariaDB with its
// default packet size is not more than five times the transaction.
func TestBigTransaction(t *testing.T) {
	size := 60 << 20
	if form.Long() {
		size = 300 << 20
	}
	drainer := filepath.Join(t.TempDir(), "drainer")
	if out, err := exec.Command("go", "build", "-o", drainer, "pumphouse/cmd/drainer").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, each := range []int{100, 1000, 100_000} {
		t.Run(fmt.Sprintf("rows of %d bytes", each), func(t *testing.T) {
			srv := mariadbtest.Start(t, "--max-allowed-packet=16M", "--innodb-flush-log-at-trx-commit=0")
			srv.Exec("CREATE DATABASE one", "CREATE TABLE one.t (id INT NOT NULL, body LONGTEXT)")
			peak, took := drainOne(t, drainer, srv, size/(each+12), each)
			t.Logf("a transaction of %d MB: the drainer's RSS was %d MB at most, %.1f times that; %.1f s", size>>20, peak>>20, float64(peak)/float64(size), took.Seconds())
			const itself = 60 << 20 // the program, with nothing to do
			if peak > 5*int64(size)+itself {
				t.Error("that is more than five times the transaction")
			}
		})
	}
}

// drainOne runs a drainer that applies one transaction: its largest RSS in bytes.
func drainOne(t *testing.T, program string, srv *mariadbtest.Server, rows, each int) (peak int64, took time.Duration) {
	t.Helper()
	ctx := context.Background()
	cluster := pdtest.NewView(t)
	base, err := cluster.PD.TSO(ctx)
	if err != nil {
		t.Fatal(err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	binlogpb.RegisterPumpServer(server, &bigPump{commitTS: base + 10, payload: bigTransaction(t, base+10, rows, each)})
	go server.Serve(l)
	defer server.Stop()
	if _, err := cluster.Registry.Put(ctx, nodes.Pump, nodes.Record{NodeID: "pump1", Host: l.Addr().String(), State: nodes.Online, UpdateTS: base}, 0); err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	for id, job := range []string{
		`"type":1,"binlog":{"DBInfo":{"id":1,"db_name":{"O":"one","L":"one"}},`,
		`"type":3,"table_id":10,"binlog":{"TableInfo":{"id":10,"name":{"O":"t","L":"t"},"state":5,"cols":[
			{"id":1,"name":{"O":"id","L":"id"},"offset":0,"state":5,"type":{"Tp":3,"Flag":1}},
			{"id":2,"name":{"O":"body","L":"body"},"offset":1,"state":5,"type":{"Tp":251,"Charset":"utf8mb4","Collate":"utf8mb4_bin"}}]},`,
	} {
		text := fmt.Sprintf(`{"id":%d,"state":6,"schema_id":1,"start_ts":1,%s"SchemaVersion":%d,"FinishedTS":%d}}`, id+1, job, id+1, base-20+nodes.TSO(id))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", id+1)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "drainer.toml")
	text := fmt.Sprintf("[syncer]\ndb-type = \"mysql\"\n[syncer.to]\nhost = %q\nport = %d\nuser = \"root\"\n", srv.Host, srv.Port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(program, "-addr", "127.0.0.1:0", "-node-id", "drainer1", "-pd-urls", cluster.URL, "-data-dir", filepath.Join(dir, "data"),
		"-schema-dir", dir, "-config", config, "-initial-commit-ts", base.String())
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	}()
	for {
		if e, err := cluster.Registry.Get(ctx, nodes.Drainer, "drainer1"); err == nil && e.Record.MaxCommitTS >= base+10 {
			break
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the drainer ended: %v\n%s", err, out.String())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("it is not applied after %s", time.Since(began))
		}
	}
	took = time.Since(began)
	var n int
	if err := srv.Open().QueryRow("SELECT COUNT(*) FROM one.t").Scan(&n); err != nil || n != rows {
		t.Fatalf("%d rows of %d are there, %v", n, rows, err)
	}
	if peak = largestRSS(cmd.Process.Pid); peak == 0 {
		t.Fatalf("the drainer has ended, or this is no Linux:\n%s", out.String())
	}
	return peak, took
}

// largestRSS is the largest a process has had, in bytes, 0 when it is not known.
func largestRSS(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	text, _, _ := strings.Cut(after, "kB")
	kb, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}
