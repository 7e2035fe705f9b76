package tidbtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
)

// TestServers runs a real TiDB on either storage and PD and sees its DDL and its transactions
// come to the pump that PD names. The last version with binlog is built for the long form only.
func TestServers(t *testing.T) {
	for _, year := range []int{2023, 2024} {
		if year == 2024 && !form.Long() {
			continue
		}
		for _, store := range []string{Unistore, TiKV} {
			t.Run(fmt.Sprint(year, " ", store), func(t *testing.T) {
				pd := pdtest.StartReal(t, 1)
				pump := startRecorder(t, pd, "pump1")
				if store == TiKV {
					StartUnistore(t, pd.Endpoint(0))
				}
				tidb := StartTiDB(t, Options{PD: pd.Endpoint(0), Store: store, Binlog: true, Year: year})
				seesDDLAndRows(t, pd, tidb, pump)
			})
		}
	}
	t.Run("2023 on embedpd", func(t *testing.T) {
		pd := pdtest.StartEmbed(t)
		pump := startRecorder(t, pd, "pump1")
		tidb := StartTiDB(t, Options{PD: pd.Endpoint(0), Binlog: true})
		seesDDLAndRows(t, pd, tidb, pump)
	})
}

func seesDDLAndRows(t *testing.T, pd *pdtest.Cluster, tidb *TiDB, pump *recorder) {
	t.Helper()
	db := tidb.Open(t, "")
	for _, q := range []string{"create table test.t (a int primary key, b text)", "insert into test.t values (1, 'one'), (2, 'two')"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	var ddl, rows int
	for _, a := range pump.settled(t) {
		if a.clusterID != pd.ClusterID() {
			t.Fatalf("cluster ID %d, PD says %d", a.clusterID, pd.ClusterID())
		}
		b := decode(t, a.payload)
		if b.GetTp() != binlogpb.BinlogType_Prewrite {
			continue
		}
		switch {
		case strings.Contains(string(b.GetDdlQuery()), "test.t"), strings.Contains(string(b.GetDdlQuery()), "`test`.`t`"):
			ddl++
		case len(b.GetPrewriteValue()) > 0:
			for _, m := range prewriteValue(t, b).GetMutations() {
				rows += len(m.GetInsertedRows())
			}
		}
	}
	if ddl == 0 || rows < 2 {
		t.Errorf("%d DDL binlogs and %d rows reached the pump", ddl, rows)
	}
	jobs, err := tidb.Jobs()
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) == 0 {
		t.Error("the DDL history is empty")
	}
}

// TestNoPumpNoStart is TiDB's rule that a pump's first start has to respect.
func TestNoPumpNoStart(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	tidb, err := TryStartTiDB(t, Options{PD: pd.Endpoint(0), Binlog: true})
	if err == nil || tidb.Running() {
		t.Fatal("TiDB started with binlog enabled and no pump in PD")
	}
	if !strings.Contains(err.Error(), "no pump found in pd") {
		t.Errorf("it ended because of something else: %v", err)
	}
}

// TestStorageKeepsCommitted kills the storage and a server and finds the rows again.
func TestStorageKeepsCommitted(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	storage := StartUnistore(t, pd.Endpoint(0))
	tidb := StartTiDB(t, Options{PD: pd.Endpoint(0), Store: TiKV})
	db := tidb.Open(t, "")
	for _, q := range []string{"create table test.k (a int primary key)", "insert into test.k values (42)"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []struct {
		how           string
		tidb, storage func()
	}{{"SIGTERM", tidb.Stop, storage.Stop}, {"SIGKILL", tidb.Kill, storage.Kill}} {
		end.tidb()
		end.storage()
		storage.Start(t)
		if err := tidb.Start(t); err != nil {
			t.Fatal(err)
		}
		var a int
		if err := tidb.Open(t, "").QueryRow("select a from test.k").Scan(&a); err != nil || a != 42 {
			t.Fatalf("after %s: %d, %v", end.how, a, err)
		}
	}
}

// TestPumpClient writes through TiDB's client and follows a pump's states in PD.
func TestPumpClient(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	p1, p2 := startRecorder(t, pd, "p1"), startRecorder(t, pd, "p2")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := StartPumpClient(t, Connect{PD: pd.Endpoint(0)})
	p1.setState(t, pd, "p1", nodes.Paused)
	awaitAvailable(t, ctx, c, "p2")

	for i := range int64(10) {
		ts := 1000 + 10*i
		if _, err := c.Write(ctx, Write{Type: Prewrite, StartTS: ts, Key: []byte("k"), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(ctx, Write{Type: Commit, StartTS: ts, CommitTS: ts + 5}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p1.arrivals()); n != 0 {
		t.Errorf("%d binlogs went to a paused pump", n)
	}
	if n := len(p2.arrivals()); n != 20 {
		t.Errorf("%d binlogs reached the online pump, want 20", n)
	}
	p1.setState(t, pd, "p1", nodes.Online)
	awaitAvailable(t, ctx, c, "p1 p2")
}

// awaitAvailable waits until the client chooses among exactly these pumps.
func awaitAvailable(t *testing.T, ctx context.Context, c *PumpClient, want string) {
	t.Helper()
	for {
		pumps, err := c.Pumps(ctx)
		if err != nil {
			t.Fatalf("wait for %s to be available: %v", want, err)
		}
		var ids []string
		for _, p := range pumps {
			if p.Available {
				ids = append(ids, p.NodeID)
			}
		}
		if strings.Join(ids, " ") == want {
			return
		}
		time.Sleep(5 * time.Millisecond) // a poll of what another process sees
	}
}
