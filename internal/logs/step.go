package logs

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// When a step is said to take long, and how often that is said again.
const (
	stepLong  = time.Second
	stepEvery = 10 * time.Second
)

// Step watches a step that may take long. If it is not over after a second, a line says what is going
// on, and one every 10 s how long it has been; the last one says that it is over. detail, which may be nil, adds
// how far the step is. end is called when the step is over.
func Step(log logrus.FieldLogger, what string, detail func() logrus.Fields) (end func()) {
	return step(log, what, detail, stepLong, stepEvery)
}

func step(log logrus.FieldLogger, what string, detail func() logrus.Fields, long, every time.Duration) (end func()) {
	over := make(chan struct{})
	began := time.Now()
	entry := func() *logrus.Entry {
		e := log.WithField("step", what).WithField("for", time.Since(began).Round(100*time.Millisecond).String())
		if detail != nil {
			e = e.WithFields(detail())
		}
		return e
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		next := time.NewTimer(long)
		defer next.Stop()
		for said := false; ; said = true {
			select {
			case <-next.C:
				entry().Info("a step takes long")
				next.Reset(every)
			case <-over:
				if said {
					entry().Info("the step is over")
				}
				return
			}
		}
	})
	return func() { close(over); wg.Wait() }
}

// HowFar is how far a step is that many goroutines may ask about. The zero value is ready: nothing is known.
type HowFar struct{ text atomic.Pointer[string] }

// Tell notes it: "3 of 17 segments of the log"; of 0: how many there are is not known.
func (h *HowFar) Tell(done, of int, things string) {
	text := fmt.Sprintf("%d of %d %s", done, of, things)
	if of == 0 {
		text = fmt.Sprintf("%d %s", done, things)
	}
	h.text.Store(&text)
}

// Fields has it as the detail of [Step].
func (h *HowFar) Fields() logrus.Fields {
	text := h.text.Load()
	if text == nil {
		return nil
	}
	return logrus.Fields{"done": *text}
}
