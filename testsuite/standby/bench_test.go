package standby

import (
	"fmt"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// BenchmarkStandby has a drainer bring transactions of a row downstream that a pump has: alone, with -standby, and with -standby while
// another process waits, in turns. It reports how many it applies in a second.
//
//	go test ./testsuite/standby -run ^$ -bench Standby -benchtime 3x
func BenchmarkStandby(b *testing.B) {
	const rows = 60_000
	tr := rig.NewPumps(b, pdtest.StartReal(b, 1)).NewTrade("pump1")
	var last nodes.TSO
	for range rows {
		last = tr.Sell("pump1")
	}
	srv := mariadbtest.Start(b, "--innodb-flush-log-at-trx-commit=0")
	k := kafkabroker.Start(b, kafkabroker.Options{})
	run := 0
	for name, syncer := range map[string]func() string{
		"MariaDB": func() string {
			srv.Exec("DROP DATABASE IF EXISTS test")
			return mariaDB(srv) + fmt.Sprintf("[syncer.to.checkpoint]\nschema = \"run%d\"\n", run)
		},
		"Kafka": func() string {
			return fmt.Sprintf("[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nkafka-addrs = %q\ntopic-name = \"run%d\"\n", k.Addrs()[0], run)
		},
	} {
		b.Run(name, func(b *testing.B) {
			ways := []string{"alone", "standby", "two"}
			took := make([]time.Duration, len(ways))
			n := 0
			for b.Loop() {
				for i := range ways {
					run++
					took[i] += drain(b, tr, fmt.Sprintf("run%d", run), syncer(), i, last)
				}
				n++
			}
			for i, w := range ways {
				b.ReportMetric(float64(n*rows)/took[i].Seconds(), w+"-txn/s")
			}
		})
	}
}

// drain is how long a drainer takes from when it is online until everything up to a commit TS is downstream.
func drain(b *testing.B, tr *rig.Trade, id, syncer string, processes int, last nodes.TSO) time.Duration {
	b.Helper()
	config := rig.WriteFile(b, id+".toml", syncer)
	prepare := func() *one {
		d := &one{DrainerNode: tr.Drainer(id)}
		d.Args = append([]string{"-config", config}, without(d.Args, "-dest-db-type")...)
		if processes > 0 {
			d.Args = append(d.Args, "-standby")
		}
		return d
	}
	d := prepare()
	d.Launch()
	defer d.Stop(b)
	began := time.Now()
	if processes == 2 {
		second := prepare()
		second.Spawn()
		defer second.Stop(b) // before the first ends, or it would take over
	}
	rig.Eventually(b, 5*time.Minute, "everything is downstream", func() (bool, string) {
		s := d.Status()
		return s.LastTS >= last, fmt.Sprint(s.LastTS, d.Output())
	})
	return time.Since(began)
}
