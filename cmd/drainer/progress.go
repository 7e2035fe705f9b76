package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"pumphouse/drainer/compare"
)

// progress shows how far a comparison is: a bar on a terminal, else a line in the log now and then.
type progress struct {
	bar  *progressbar.ProgressBar // nil: no terminal
	log  logrus.FieldLogger
	said time.Time
}

// sayEvery is how often the log has a line.
const sayEvery = 10 * time.Second

func newProgress(to io.Writer, log logrus.FieldLogger) *progress {
	p := &progress{log: log, said: time.Now()}
	if f, ok := to.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = newBar(to)
	}
	return p
}

func newBar(to io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions64(1, progressbar.OptionSetWriter(to), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
}

func (p *progress) tell(at compare.Progress) {
	if p.bar != nil {
		p.bar.ChangeMax64(max(at.RowsInAll, at.Rows+1)) // a bar that is full is over
		p.bar.Describe(fmt.Sprintf("table %d of %d, %s; %d rows differ", min(at.TablesDone+1, at.Tables), at.Tables, at.Table, at.Differences))
		_ = p.bar.Set64(at.Rows) // it only draws
		return
	}
	if time.Since(p.said) < sayEvery {
		return
	}
	p.said = time.Now()
	p.log.WithFields(logrus.Fields{"table": at.Table, "tables": fmt.Sprintf("%d of %d", at.TablesDone, at.Tables),
		"rows": fmt.Sprintf("%d of about %d", at.Rows, at.RowsInAll), "differences": at.Differences}).Info("comparing")
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // it only draws
	}
}
