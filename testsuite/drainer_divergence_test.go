package testsuite

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/drainer/downstream"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// remove writes a transaction that deletes a row from a table.
func (u *shop) remove(pumpID string, table, id int64, v string) nodes.TSO {
	u.Helper()
	u.mu.Lock()
	version := u.job
	u.mu.Unlock()
	row := encodedInt(encodedInt(nil, 1), id)
	row = append(binary.AppendVarint(append(encodedInt(row, 2), 2), int64(len(v))), v...)
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: &version, Mutations: []*binlogpb.TableMutation{
		{TableId: &table, DeletedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_DeleteRow}}}})
	if err != nil {
		u.Fatal(err)
	}
	return u.transact(pumpID, &binlogpb.Binlog{PrewriteValue: value})
}

// TestDivergenceIsTold: a row that somebody deleted downstream is named, with table, key and
// commit TS, in the log once, in /status, in what the console asks for, and counted in the metric.
func TestDivergenceIsTold(t *testing.T) {
	u := newShop(t)
	db := mariadbtest.Start(t)
	u.pump(u.pumpOptions("pump1"))
	d := u.drainer("drainer1")
	d.opts.Downstream = &downstream.MySQL{Host: db.Host, Port: db.Port, CheckpointFile: true}
	d.start()
	u.createDatabase("pump1")
	u.createTable("pump1", firstTable)
	for id := range int64(4) {
		u.insert("pump1", firstTable, id, "v")
	}
	d.consumes(u.remove("pump1", firstTable, 0, "v"))
	ask := func() nodes.Status {
		t.Helper()
		st, err := nodes.NewControl(nil, 0).Status(context.Background(), nodes.Drainer, nodes.Record{NodeID: "drainer1", Host: d.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := ask(); st.Problem != "" {
		t.Errorf("before it differs: %s", st.Problem)
	}
	db.Exec("DELETE FROM test.t100 WHERE id IN (1, 2)")
	first := u.remove("pump1", firstTable, 1, "v")
	last := u.remove("pump1", firstTable, 2, "v")
	d.consumes(last)
	eventually(t, 10*time.Second, "the divergences are told", func() (bool, string) {
		told := ask().Problem
		return strings.Contains(told, "and 1 more such statement"), told
	})
	for _, want := range []string{"test.t100", "DELETE", "id=1", "0 rows", first.String()} {
		if told := ask().Problem; !strings.Contains(told, want) {
			t.Errorf("the problem has no %s: %s", want, told)
		}
	}
	if n := strings.Count(d.log.String(), "differs from the upstream"); n != 1 || !strings.Contains(d.log.String(), "id=1") {
		t.Errorf("it is logged %d times:\n%s", n, d.log)
	}
	resp, err := http.Get("http://" + d.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if want := `binlog_drainer_divergences_total{table="test.t100"} 2`; err != nil || !strings.Contains(string(metrics), want+"\n") {
		t.Errorf("the metrics have no %s (%v):\n%s", want, err, metrics)
	}
}
