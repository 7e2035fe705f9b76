package tikv

import (
	"math"
	"testing"
)

// TestKeys holds the keys to the bytes that TiDB uses.
func TestKeys(t *testing.T) {
	const history = "mDDLJobHi\xffstory\x00\x00\x00\xfc" + "\x00\x00\x00\x00\x00\x00\x00h"
	for id, want := range map[int64]string{
		1:             history + "\x00\x00\x00\x00\x00\x00\x00\x01\xff\x00\x00\x00\x00\x00\x00\x00\x00\xf7",
		math.MaxInt64: history + "\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\xf7",
	} {
		if got := string(jobKey(id)); got != want {
			t.Errorf("job %d: %q, want %q", id, got, want)
		}
		if got, err := jobOfKey([]byte(want)); got != id || err != nil {
			t.Errorf("%q: job %d, %v", want, got, err)
		}
	}
	want := "mDB:2\x00\x00\x00\x00\xfb" + "\x00\x00\x00\x00\x00\x00\x00h" + "Table:10\xff4\x00\x00\x00\x00\x00\x00\x00\xf8"
	if got := string(tableKey(2, 104)); got != want {
		t.Errorf("table: %q, want %q", got, want)
	}
	for _, key := range []string{"", "m", history, history + "\x01\x00\x00\x00\x00\x00\x00\x00\xf8", history + "\x00\x00\x00", "x" + history} {
		if id, err := jobOfKey([]byte(key)); err == nil {
			t.Errorf("%q is job %d", key, id)
		}
	}
	if end := string(after([]byte(history))); end != history[:len(history)-1]+"i" {
		t.Errorf("after the history: %q", end)
	}
}
