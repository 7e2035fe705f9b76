package direct

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCreditIsBounded: neither good calls nor time let a peer save up more than its most.
func TestCreditIsBounded(t *testing.T) {
	for member, most := range map[bool]int{false: strangerCredit, true: memberCredit} {
		synctest.Test(t, func(t *testing.T) { // time stands still while frames are spent
			var c credit
			for range 2 {
				c.good.Store(1_000_000)
				spent := 0
				for c.spend(1, member) == nil {
					if spent++; spent > 3*most {
						break
					}
				}
				if spent < most || spent > most+1 {
					t.Errorf("member %v: %d frames are let through, want %d", member, spent, most)
				}
				time.Sleep(24 * time.Hour)
			}
		})
	}
}
