package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// allowance is how much more than what is alive the heap may grow before the garbage collector
// runs: a program that keeps 5 MiB alive is not collected whenever it has allocated 5 MiB more,
// and one that keeps more than this alive is collected as usual.
const allowance = 32 << 20

// CollectLess has the garbage collector run less often, for a program that keeps little alive and
// allocates much. The heap may then grow to twice what is alive and 32 MiB, whatever is alive. GOGC in the
// environment wins.
func CollectLess() {
	if os.Getenv("GOGC") == "" {
		(&collection{alive: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}).watch()
	}
}

// collection sets the collector's percentage anew after each of its runs.
type collection struct {
	percent int
	alive   []metrics.Sample
}

// watch does so now and has itself called again when the collector has found that nobody
// refers to c, which is after its next run.
func (c *collection) watch() {
	metrics.Read(c.alive)
	percent := growth(c.alive[0].Value.Uint64())
	if diff := percent - c.percent; diff > c.percent/8 || diff < -c.percent/8 { // setting it stops the program for a moment
		debug.SetGCPercent(percent)
		c.percent = percent
	}
	runtime.SetFinalizer(c, (*collection).watch)
}

// growth is the percentage of what is alive by which the heap may grow.
func growth(alive uint64) int {
	const least = 1 << 20 // what any program has; before the first run nothing is known to be alive
	return int(100 + 100*allowance/max(alive, least))
}
