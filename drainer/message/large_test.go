package message

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"pumphouse/testsuite/tidbtest/golden"
)

// TestLargeMessage: the message of a large transaction is byte for byte the one of the same rows at once, with
// the additions of a relay log and without.
func TestLargeMessage(t *testing.T) {
	for _, year := range golden.Years() {
		for _, complete := range []bool{false, true} {
			t.Run(fmt.Sprint(year, " complete ", complete), func(t *testing.T) {
				data, err := golden.Load(year)
				if err != nil {
					t.Fatal(err)
				}
				plain, streamed := NewEncoder(time.UTC), NewEncoder(time.UTC)
				if complete {
					plain.Complete()
					streamed.Complete()
				}
				large, compared := data.LargeTransactions(t), 0
				for i, x := range data.Transactions(t) {
					if large[i].Large == nil {
						continue
					}
					want, err := plain.Encode(x)
					if err != nil {
						t.Fatal(err)
					}
					got, err := streamed.Encode(large[i])
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got, want) || cap(got) != len(got) {
						t.Fatalf("commit TS %s: %d changes make\n%x, want\n%x", x.CommitTS, len(x.Changes), got, want)
					}
					compared++
				}
				if compared < 20 {
					t.Errorf("%d transactions have rows", compared)
				}
			})
		}
	}
}
