package takeover

import (
	"sync/atomic"
	"time"
)

// Progress is how far an import is. It may be asked from any goroutine.
type Progress struct {
	began time.Time
	total int64 // bytes of the old log
	first int64 // of these were imported before this process
	done  atomic.Int64
}

// Status is a Progress in figures.
type Status struct {
	TotalBytes int64   `json:"total_bytes"` // of the old log
	DoneBytes  int64   `json:"done_bytes"`  // of these are imported
	Rate       float64 `json:"bytes_per_second"`
	ETASeconds int64   `json:"eta_seconds"` // until it is complete; -1: not known yet
}

func newProgress(total, left int64) *Progress {
	p := &Progress{began: time.Now(), total: total, first: total - left}
	p.done.Store(p.first)
	return p
}

func (p *Progress) elapsed() time.Duration { return time.Since(p.began) }

// Status gives the figures.
func (p *Progress) Status() Status {
	s := Status{TotalBytes: p.total, DoneBytes: p.done.Load(), ETASeconds: -1}
	if took := p.elapsed().Seconds(); took > 0 {
		s.Rate = float64(s.DoneBytes-p.first) / took
	}
	if s.Rate > 0 {
		s.ETASeconds = int64(float64(s.TotalBytes-s.DoneBytes)/s.Rate + 0.5)
	}
	return s
}
