package gogc

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// The heap may grow to twice what is alive and the allowance, so that neither a small program is
// collected all the time nor a large one takes many times what it needs.
func TestGrowth(t *testing.T) {
	for _, alive := range []uint64{1 << 20, 5 << 20, 30 << 20, 64 << 20, 200 << 20, 2 << 30} {
		all := alive + allowance
		heap := float64(all)*(1+float64(growth(all, alive, allowance))/100) - allowance
		want := float64(2*alive + allowance)
		if heap < 0.98*want || heap > 1.001*want {
			t.Errorf("%d MiB alive: the heap may grow to %.0f MiB, want %.0f", alive>>20, heap/(1<<20), want/(1<<20))
		}
	}
	if got := growth(0, 0, allowance); got != growth(allowance+1<<20, 0, allowance) {
		t.Errorf("nothing known to be alive: %d %%, want %d", got, growth(allowance+1<<20, 0, allowance))
	}
	for _, alive := range []uint64{200 << 20, 1 << 30, 2 << 30} { // nearly all of it one block of bytes
		if more := alive * uint64(growth(alive, 20<<20, 0)) / 100; more < plain*3/4 || more > plain {
			t.Errorf("%d MiB alive, of which 20 are looked through: the heap may grow by %d MiB, want %d", alive>>20, more>>20, plain>>20)
		}
	}
}

// What becomes alive lowers the percentage after the collector's next run.
func TestSetForSmallHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	runtime.GC() // what earlier tests kept is dead
	SetForSmallHeap()
	small := percentNow()
	keep := make([]byte, 4*allowance)
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		runtime.GC()
		if now := percentNow(); now < 200 && now < small {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("with %d MiB alive the percentage is %d, before it was %d", len(keep)>>20, percentNow(), small)
		}
	}
	runtime.KeepAlive(keep)
}

func percentNow() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// When much becomes alive at once, the heap may grow to twice that and the allowance, also while the percentage has
// not been set anew: on a busy machine finalizers run late.
func TestMuchAtOnce(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	runtime.GC()
	SetForSmallHeap()
	runtime.GC()
	held, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	runtime.SetFinalizer(new([64]byte), func(*[64]byte) { close(held); <-release })
	for {
		runtime.GC()
		select {
		case <-held:
		default:
			continue
		}
		break
	}
	keep := make([][]byte, 1000)
	for i := range keep {
		keep[i] = make([]byte, 64<<10)
	}
	runtime.GC()
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/goal:bytes"}}
	metrics.Read(s)
	alive, goal := s[0].Value.Uint64(), s[1].Value.Uint64()
	if goal > 2*alive+2*allowance {
		t.Errorf("with %d MiB alive the heap may grow to %d MiB", alive>>20, goal>>20)
	}
	runtime.KeepAlive(keep)
}
