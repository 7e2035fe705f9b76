package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows on a terminal how much of -wait has passed, and what the node waits for.
type bar struct {
	out   *progressbar.ProgressBar // nil: no terminal
	began time.Time
}

func newBar(to io.Writer, wait time.Duration) *bar {
	b := &bar{began: time.Now()}
	if f, ok := to.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.out = progressbar.NewOptions64(max(1, wait.Milliseconds()), progressbar.OptionSetWriter(to),
			progressbar.OptionSetPredictTime(false), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
	}
	return b
}

// show moves the bar.
func (b *bar) show(text string) {
	if b.out == nil {
		return
	}
	b.out.Describe(text)
	_ = b.out.Set64(min(time.Since(b.began).Milliseconds(), b.out.GetMax64()-1)) // it only draws; one that is full is over
}

// pause takes the bar away for a line that follows.
func (b *bar) pause() {
	if b.out != nil {
		_ = b.out.Clear() // it only draws
	}
}
