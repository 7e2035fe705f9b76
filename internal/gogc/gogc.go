// Package gogc sets how often the garbage collector runs by what the program keeps alive.
package gogc

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

// plain is how much of what is alive counts in any case; more only as far as the collector has to look
// through it. A transaction of 1 GiB is one block of bytes, which costs the collector nothing: to let the heap
// grow by another GiB would save no time.
const plain = 64 << 20

// SetForSmallHeap has the garbage collector run less often, for a program that keeps little alive and
// allocates much: the heap may grow by 32 MiB more than [Set] allows. GOGC in the environment wins.
func SetForSmallHeap() { collect(allowance) }

// Set has the garbage collector run when the heap has grown by what is alive, or, where most of that is
// large blocks of bytes, by 64 MiB. GOGC in the environment wins.
func Set() { collect(0) }

func collect(allowance uint64) {
	if os.Getenv("GOGC") == "" {
		c := &collection{alive: []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/heap:bytes"}}}
		for range allowance / piece {
			c.ballast = append(c.ballast, make([]byte, piece))
		}
		c.watch()
	}
}

// piece is what the ballast is allocated in. A block that begins where something has been freed is cleared, all of it, and
// so takes memory; this way that is little.
const piece = 1 << 20

// collection sets the collector's percentage anew after each of its runs.
type collection struct {
	// ballast is the allowance. Nobody touches it, so it takes no memory of the machine, but to the collector it is alive. A
	// percentage of many times 100 would allow a small heap as much; but when much becomes alive at once it would be of that, too,
	// until it is set anew, which on a busy machine is hardly before the next run.
	ballast [][]byte
	percent int
	alive   []metrics.Sample
}

// watch does so now and has itself called again when the collector has found that nobody
// refers to c, which is after its next run.
func (c *collection) watch() {
	metrics.Read(c.alive)
	percent := growth(c.alive[0].Value.Uint64(), c.alive[1].Value.Uint64(), uint64(len(c.ballast))*piece)
	if diff := percent - c.percent; diff > c.percent/8 || diff < -c.percent/8 { // setting it stops the program for a moment
		debug.SetGCPercent(percent)
		c.percent = percent
	}
	runtime.SetFinalizer(c, (*collection).watch)
}

// growth is the percentage of what is alive by which the heap may grow; of the allowance, which is alive as well, by all of it.
// The collector looks through scanned of it.
func growth(alive, scanned, allowance uint64) int {
	const least = 1 << 20 // what any program has; before the first run nothing is known to be alive
	rest := max(alive-min(alive, allowance), least)
	return int(max(1, 100*(allowance+min(rest, max(scanned, plain)))/(allowance+rest)))
}
