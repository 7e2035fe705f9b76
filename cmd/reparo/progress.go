package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"pumphouse/drainer/restore"
)

// progress shows how far a restore is: a bar on a terminal, else a line in the log now and then.
type progress struct {
	bar   *progressbar.ProgressBar // nil: no terminal
	log   logrus.FieldLogger
	begun time.Time
	said  time.Time
}

// sayEvery is how often the log has a line.
const sayEvery = 10 * time.Second

func newProgress(to io.Writer, log logrus.FieldLogger) *progress {
	p := &progress{log: log, begun: time.Now(), said: time.Now()}
	if f, ok := to.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(to), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionShowBytes(true), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) tell(at restore.Progress) {
	if p.bar != nil {
		p.bar.ChangeMax64(max(at.Bytes, at.Read+1)) // a bar that is full is over
		p.bar.Describe(fmt.Sprintf("%s, %d rows", at.Applied.Time().Format(time.DateTime), at.Rows))
		_ = p.bar.Set64(at.Read) // it only draws
		return
	}
	if time.Since(p.said) < sayEvery || at.Read == 0 {
		return
	}
	p.said = time.Now()
	took := time.Since(p.begun)
	left := time.Duration(float64(took) / float64(at.Read) * float64(at.Bytes-at.Read))
	p.log.WithFields(logrus.Fields{"commit_ts": at.Applied, "rows": at.Rows, "bytes": fmt.Sprintf("%d of %d", at.Read, at.Bytes),
		"rows_per_second": int64(float64(at.Rows) / took.Seconds()), "left": left.Round(time.Second).String()}).Info("restoring")
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // it only draws
	}
}
