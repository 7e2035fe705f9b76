package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestLogsAtRest: a cluster in which nothing happens logs nothing for a minute. The time is that of the pump's
// heartbeats, one a second; what a machine that stands still for seconds makes nodes say may spoil a few attempts, but what is logged
// regularly spoils all of them.
func TestLogsAtRest(t *testing.T) {
	const beats, attempts = 60, 5
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	pump := c.Start("pump1")
	drainer := c.NewDrainer("drainer1").Launch()
	drainer.HasState(nodes.Online)
	serve := rig.StartConsole(t, c.Endpoints, "-http-addr", "127.0.0.1:0")
	said := func() string {
		var lines []string
		for _, text := range []string{pump.Output(), drainer.Output(), serve.Output()} {
			before := len(lines)
			for line := range strings.Lines(text) {
				if strings.Contains(line, "level=") {
					lines = append(lines, line)
				}
			}
			if len(lines) == before {
				t.Fatalf("a program logs nothing at its start, or in another format:\n%s", text)
			}
		}
		return strings.Join(lines, "")
	}
	var more string
	for range attempts {
		before := said()
		last, seen := c.Record("pump1").UpdateTS, 0
		rig.Eventually(t, 10*time.Minute, fmt.Sprintf("%d heartbeats", beats), func() (bool, string) {
			if now := c.Record("pump1").UpdateTS; now != last {
				last, seen = now, seen+1
			}
			return seen >= beats, said()
		})
		after := said()
		if strings.Count(after, "\n") == strings.Count(before, "\n") {
			return
		}
		more = after
	}
	t.Errorf("in every one of %d times %d heartbeats something was logged:\n%s", attempts, beats, more)
}
