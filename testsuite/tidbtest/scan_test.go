package tidbtest

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
)

// TestScansSeeWholeTransactions: transactions that each delete a row and insert another one leave their number as it is
// at every timestamp, whatever is being committed. A dump of a TiDB at work depends on it.
func TestScansSeeWholeTransactions(t *testing.T) {
	form.LongOnly(t, "10 minutes")
	pd := pdtest.StartReal(t, 1)
	StartUnistore(t, pd.Endpoint(0))
	db := StartTiDB(t, Options{PD: pd.Endpoint(0), Store: TiKV}).Open(t, "")
	if _, err := db.Exec("create table test.moved (id int primary key)"); err != nil {
		t.Fatal(err)
	}
	const movers, each, readers = 4, 5, 6
	for id := range movers * each {
		if _, err := db.Exec("insert into test.moved values (?)", id); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	var moves, reads atomic.Int64
	end := time.Now().Add(10 * time.Minute)
	goOn := func() bool { return time.Now().Before(end) && !t.Failed() }
	for m := range movers {
		wg.Go(func() {
			rows, next := make([]int, each), movers*each+m
			for i := range rows {
				rows[i] = m*each + i
			}
			for ; goOn(); next += movers {
				i := rand.IntN(each)
				tx, err := db.Begin()
				if err != nil {
					t.Error(err)
					return
				}
				_, err1 := tx.Exec("delete from test.moved where id = ?", rows[i])
				_, err2 := tx.Exec("insert into test.moved values (?)", next)
				if err := tx.Commit(); err1 != nil || err2 != nil || err != nil {
					t.Error(err1, err2, err)
					return
				}
				rows[i] = next
				moves.Add(1)
			}
		})
	}
	for range readers {
		wg.Go(func() {
			for ; goOn(); reads.Add(1) {
				var n int
				if err := db.QueryRow("select count(*) from test.moved").Scan(&n); err != nil || n != movers*each {
					t.Errorf("%d rows of %d: %v", n, movers*each, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d moves, %d scans", moves.Load(), reads.Load())
}
