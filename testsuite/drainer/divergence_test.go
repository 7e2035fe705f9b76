package drainer

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/downstream"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/rig"
)

// TestDivergenceIsTold: a row that somebody deleted downstream is named, with table, key and
// commit TS, in the log once, in /status, in what the console asks for, and counted in the metric.
func TestDivergenceIsTold(t *testing.T) {
	u := rig.NewShop(t)
	db := mariadbtest.Start(t)
	u.Pump(u.PumpOptions("pump1"))
	d := u.Drainer("drainer1")
	d.Opts.Downstream = &downstream.MySQL{Host: db.Host, Port: db.Port, CheckpointFile: true}
	d.Start()
	u.CreateDatabase("pump1")
	u.CreateTable("pump1", rig.FirstTable)
	for id := range int64(4) {
		u.Insert("pump1", rig.FirstTable, id, "v")
	}
	d.Consumes(u.Remove("pump1", rig.FirstTable, 0, "v"))
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
	first := u.Remove("pump1", rig.FirstTable, 1, "v")
	last := u.Remove("pump1", rig.FirstTable, 2, "v")
	d.Consumes(last)
	rig.Eventually(t, 10*time.Second, "the divergences are told", func() (bool, string) {
		told := ask().Problem
		return strings.Contains(told, "and 1 more such statement"), told
	})
	for _, want := range []string{"test.t100", "DELETE", "id=1", "0 rows", first.String()} {
		if told := ask().Problem; !strings.Contains(told, want) {
			t.Errorf("the problem has no %s: %s", want, told)
		}
	}
	if n := strings.Count(d.Log.String(), "differs from the upstream"); n != 1 || !strings.Contains(d.Log.String(), "id=1") {
		t.Errorf("it is logged %d times:\n%s", n, d.Log)
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
