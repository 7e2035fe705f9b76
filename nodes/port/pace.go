package port

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// pace spreads what comes faster than it may. It lets burst things through at once and then one
// every so often.
type pace struct {
	every time.Duration
	burst int

	mu   sync.Mutex
	next time.Time // when the next may come if it is to wait
}

// delay is how long the next thing has to wait; 0 or less: not at all.
func (p *pace) delay(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if earliest := now.Add(-time.Duration(p.burst) * p.every); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(p.every)
	return p.next.Sub(now)
}

// Requests of one host over HTTP in a second, after as many at once, and how long one more
// waits at most before it is refused. A page, a scraper or a tool asks once a second or less.
const (
	requestsPerSecond = 100
	longestWait       = time.Second
)

// paced is h for hosts that ask no more than requestsPerSecond.
func paced(h http.Handler) http.Handler {
	var mu sync.Mutex
	hosts := make(map[string]*pace)
	of := func(host string) *pace {
		mu.Lock()
		defer mu.Unlock()
		p := hosts[host]
		if p == nil {
			if len(hosts) >= 1024 {
				clear(hosts) // each is forgiven; a host of many is not remembered for good
			}
			p = &pace{every: time.Second / requestsPerSecond, burst: requestsPerSecond}
			hosts[host] = p
		}
		return p
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr // of a Unix socket
		}
		wait := of(host).delay(time.Now())
		if wait > longestWait {
			of(host).giveBack()
			w.Header().Set("Retry-After", "1")
			http.Error(w, "more than 100 requests a second come from this host: ask less often", http.StatusTooManyRequests)
			return
		}
		if wait > 0 {
			t := time.NewTimer(wait)
			defer t.Stop()
			select {
			case <-t.C:
			case <-r.Context().Done():
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// giveBack says that the thing that delay was called for last does not come.
func (p *pace) giveBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = p.next.Add(-p.every)
}
