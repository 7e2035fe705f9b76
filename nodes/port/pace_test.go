package port

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestHostsThatAskTooOften slows a host down, refuses what would wait too long, and does not
// touch others.
func TestHostsThatAskTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := paced(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		ask := func(addr string) int {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = addr
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		began := time.Now()
		for range 1000 { // one after the other: none waits for long
			if code := ask("10.0.0.1:1"); code != http.StatusOK {
				t.Fatalf("status %d", code)
			}
		}
		if took := time.Since(began); took < 8*time.Second || took > 10*time.Second {
			t.Errorf("1000 requests took %v", took)
		}
		var mu sync.Mutex
		codes := make(map[int]int)
		var all sync.WaitGroup
		for range 400 { // at once
			all.Go(func() {
				code := ask("10.0.0.1:2")
				mu.Lock()
				codes[code]++
				mu.Unlock()
			})
		}
		synctest.Wait()
		before := time.Now()
		if code := ask("10.0.0.2:1"); code != http.StatusOK || time.Since(before) != 0 {
			t.Errorf("another host: status %d after %v", code, time.Since(before))
		}
		all.Wait()
		if codes[http.StatusOK]+codes[http.StatusTooManyRequests] != 400 || codes[http.StatusOK] < 90 || codes[http.StatusOK] > 110 {
			t.Errorf("answers %v, want 100 that waited for a second at most and 300 refused", codes)
		}
	})
}

func TestConnLimit(t *testing.T) {
	for _, c := range []struct {
		want  int
		files uint64
		is    int
	}{{0, 64, 32}, {0, 128, 64}, {0, 256, 192}, {0, 1024, 768}, {0, 1 << 20, DefaultMaxConns}, {5000, 1024, 768},
		{5000, 1 << 63, 5000}, {3, 1024, 3}, {0, 0, 0}} {
		if got := connLimit(c.want, c.files); got != c.is {
			t.Errorf("%d wanted of %d files: %d, want %d", c.want, c.files, got, c.is)
		}
	}
}
