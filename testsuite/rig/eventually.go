package rig

import (
	"testing"
	"time"
)

// Timeout is how long a test waits at least for what must come: a machine may be busy with other things.
const Timeout = time.Minute

// Eventually polls until ok is true; it fails the test with what ok said last. within is what it may
// take when that is more than Timeout.
func Eventually(t testing.TB, within time.Duration, what string, ok func() (bool, string)) {
	t.Helper()
	within = max(within, Timeout)
	deadline := time.Now().Add(within)
	for {
		done, last := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v; last: %s", what, within, last)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
