package logs

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Repeated
		if n := r.Over(); n != 0 {
			t.Errorf("a problem that never was is over after %d times", n)
		}
		for range 2 { // it may come back
			var said []int
			for range 901 { // ten a second, for 90 s
				if n := r.Again(); n > 0 {
					said = append(said, n)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if want := []int{1, 301, 601, 901}; !slices.Equal(said, want) {
				t.Errorf("said at times %v, want %v", said, want)
			}
			if n := r.Over(); n != 901 {
				t.Errorf("over after %d times, want 901", n)
			}
			if n := r.Over(); n != 0 {
				t.Errorf("over twice: %d", n)
			}
		}
	})
}
