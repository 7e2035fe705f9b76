package drainer

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestDrainerHugeTransactions: transactions that programs do not copy and do not hold decoded go the whole way, among
// small ones: once, in order and byte for byte. A drainer that is killed when it has them goes on after them.
func TestDrainerHugeTransactions(t *testing.T) {
	t.Parallel()
	c := rig.NewPumps(t, pdtest.StartReal(t, 1))
	tr := c.NewTrade("pump1")
	d := tr.Drainer("d1").Launch()
	for round, size := range []int{9 << 20, 40 << 20} {
		tr.Sell("pump1")
		id := int64(1000 + round)
		v := strings.Repeat(fmt.Sprint("text ", size), size/12)
		tr.Want = append(tr.Want, rig.Written{TS: tr.Insert("pump1", rig.FirstTable, id, v), What: fmt.Sprintf("t100 %d %s", id, v)})
	}
	last := tr.Sell("pump1")
	d.Consumes(tr, last)
	d.Signal(syscall.SIGKILL)
	<-d.Done
	d.Launch()
	d.Consumes(tr, tr.Sell("pump1"))
	if got := d.Files(tr).Written(); !slices.Equal(got, tr.Want) {
		t.Errorf("downstream are %d transactions, want %d, or not the same", len(got), len(tr.Want))
	}
}
