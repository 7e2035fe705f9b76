package form

import (
	"strings"
	"sync"
)

// Lines keeps what is written to it, by several goroutines: a log, or what a program prints.
type Lines struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends. It does not fail.
func (l *Lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is everything that has been written.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
