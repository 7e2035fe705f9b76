package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// rounds is how often a fault is repeated.
func rounds(short, long int) int {
	if form.Long() {
		return long
	}
	return short
}

// loaded starts consoles for a test under load.
func loaded(t *testing.T, endpoints []string, n int) []*rig.Console {
	var list []*rig.Console
	for range n {
		list = append(list, rig.StartConsole(t, endpoints, "-pd-timeout", loadTimeout.String()))
	}
	return list
}

// awaitServing waits until every console shows rows again.
func awaitServing(t *testing.T, consoles []*rig.Console) {
	t.Helper()
	for _, c := range consoles {
		db := c.Open(t)
		rig.Eventually(t, 30*time.Second, "the console shows rows again", func() (bool, string) {
			rows, err := db.Query("SHOW PUMP STATUS")
			if err != nil {
				return false, err.Error()
			}
			return len(rig.ScanRows(t, rows)) > 0, "no rows"
		})
		db.Close()
	}
}

// noLeak: what was used before is enough afterwards, but for one connection's worth.
func noLeak(t *testing.T, c *rig.Console, before rig.Usage) {
	t.Helper()
	rig.Eventually(t, 30*time.Second, "goroutines and connections have gone", func() (bool, string) {
		now := c.Usage(t)
		return now.Goroutines <= before.Goroutines+4 && now.Files <= before.Files+1, fmt.Sprintf("before %+v, now %+v", before, now)
	})
}

// underLoad runs faults while clients are at work, and checks everything afterwards.
func underLoad(t *testing.T, pd *pdtest.Cluster, endpoints []string, faults func(l *load)) {
	t.Helper()
	consoles := loaded(t, endpoints, 2)
	rig.Put(t, rig.Etcd(t, pd.Endpoints()), rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	awaitServing(t, consoles)
	var before []rig.Usage
	for _, c := range consoles {
		before = append(before, c.Settled(t))
	}
	l := startLoad(t, pd, endpoints, consoles...)
	faults(l)
	awaitServing(t, consoles)
	l.finish()
	for i, c := range consoles {
		noLeak(t, c, before[i])
	}
	if l.served.Load() < 100 || l.changed.Load() < 20 {
		t.Errorf("only %d statements and %d CHANGEs were answered: the test did not do its work", l.served.Load(), l.changed.Load())
	}
}

// failing waits until a console shows no rows any more, which must be as soon as the
// window has passed, and then looks that it stays so.
func failing(t *testing.T, l *load) {
	t.Helper()
	away := time.Now()
	for _, c := range l.consoles {
		db := c.Open(t)
		rig.Eventually(t, window+loadTimeout+scheduling, "SHOW fails while PD is away", func() (bool, string) {
			rows, err := db.Query("SHOW DRAINER STATUS")
			if err != nil {
				return true, ""
			}
			return false, strings.Join(rig.ScanRows(t, rows), " ")
		})
		db.Close()
	}
	refused := l.failed.Load()
	rig.Eventually(t, 20*time.Second, "the sessions under load are refused", func() (bool, string) {
		return l.failed.Load() >= refused+int64(len(l.consoles)*sessionsPerConsole) && time.Since(away) > window+loadTimeout,
			fmt.Sprintf("%d refused", l.failed.Load()-refused)
	})
}

// TestPDGoesAwayUnderLoad stops and kills the only PD while clients read and write.
func TestPDGoesAwayUnderLoad(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		underLoad(t, pd, pd.Endpoints(), func(l *load) {
			for i := range rounds(2, 12) {
				time.Sleep(time.Second) // of ordinary work
				if i%2 == 0 {
					pd.Kill(0)
				} else {
					pd.Stop(0)
				}
				l.outage(func() { failing(t, l) })
				pd.Start(0)
				awaitServing(t, l.consoles)
			}
		})
	})
}

// TestLeaderMovesUnderLoad moves the leader of a PD of three members, and takes it away.
func TestLeaderMovesUnderLoad(t *testing.T) {
	pd := pdtest.StartReal(t, 3)
	for i := range 3 { // every member has led once before anything is counted
		pd.TransferLeader((pd.Leader() + i) % 3)
	}
	underLoad(t, pd, pd.Endpoints(), func(l *load) {
		for i := range rounds(3, 15) {
			time.Sleep(300 * time.Millisecond)
			switch leader := pd.Leader(); i % 3 {
			case 0:
				pd.TransferLeader((leader + 1) % 3)
			case 1:
				pd.Kill(leader)
				pd.WaitReady()
				awaitServing(t, l.consoles)
				pd.Start(leader)
			case 2:
				pd.Stop((leader + 1) % 3) // a follower: two of three go on
				awaitServing(t, l.consoles)
				pd.Start((leader + 1) % 3)
			}
			awaitServing(t, l.consoles)
		}
	})
}
