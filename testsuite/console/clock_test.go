package console

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/pd"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// setAhead makes PD's timestamps go on from an hour ahead of this machine's clock, as
// after its own was wrong for a while.
func setAhead(t *testing.T, cluster *pdtest.Cluster) nodes.TSO {
	t.Helper()
	cli := rig.Etcd(t, cluster.Endpoints())
	for range 5 {
		there := time.Now().Add(time.Hour)
		key, value := "/pumphouse/embedpd/tso-bound", strconv.FormatInt(there.UnixMilli(), 10)
		if cluster.Kind == "pd-server" {
			key = fmt.Sprintf("/pd/%d/timestamp", cluster.ClusterID())
			value = string(binary.BigEndian.AppendUint64(nil, uint64(there.UnixNano())))
		}
		rig.Put(t, cli, key, value)
		cluster.Kill(0)
		cluster.Start(0)
		clock, err := pd.New(pd.Options{Endpoints: cluster.Endpoints()})
		if err != nil {
			t.Fatal(err)
		}
		ts, err := clock.TSO(context.Background())
		clock.Close()
		if err != nil {
			t.Fatal(err)
		}
		if time.Until(ts.Time()) > 50*time.Minute {
			return ts
		}
		// PD wrote its own bound over ours before it ended: once more.
	}
	t.Fatal("PD's timestamps stay where they were")
	return 0
}

// TestSilenceIsJudgedByPDsClock: nodes stamp their records with PD's timestamps, so how
// long one has been silent does not depend on the console's own clock.
func TestSilenceIsJudgedByPDsClock(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, cluster *pdtest.Cluster) {
		ts := setAhead(t, cluster)
		silent := nodes.MakeTSO(ts.Time().Add(-time.Minute), 0) // still in this machine's future
		rig.Put(t, rig.Etcd(t, cluster.Endpoints()), rig.NodesPrefix+"pumps/pump1", strings.ReplaceAll(rig.Pump1Record, "408553768673342237", silent.String()))
		c := rig.StartConsole(t, cluster.Endpoints())
		db := c.Open(t)
		db.SetMaxOpenConns(1)
		rig.Eventually(t, 20*time.Second, "the silent pump is told of", func() (bool, string) {
			if _, err := db.Exec("SHOW PUMP STATUS"); err != nil {
				return false, err.Error()
			}
			rows, err := db.Query("SHOW WARNINGS")
			if err != nil {
				t.Fatal(err)
			}
			warnings := strings.Join(rig.ScanRows(t, rows), "\n")
			return strings.Contains(warnings, `pump "pump1" (127.0.0.1:8250) is online but does not report`), warnings
		})
		var now int64
		if err := db.QueryRow("SELECT UNIX_TIMESTAMP()").Scan(&now); err != nil || time.Until(time.Unix(now, 0)).Abs() > 10*time.Minute {
			t.Errorf("NOW() is not this machine's time: %d, %v", now, err)
		}
	})
}
