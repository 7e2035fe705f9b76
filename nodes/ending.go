package nodes

import (
	"crypto/x509"
	"fmt"
	"regexp"
	"time"

	"pumphouse/internal/certfile"
)

// EndingUnknown is what is said of a node that does not run and has left no last exit: it was
// killed, its machine died, or its program writes none (upstream's nodes, older versions).
const EndingUnknown = "how its last process ended is not known: it left no word"

// Ending says in words how the last process of a node that does not run ended, with the time in loc:
// "exited with an error at 2026-11-28 09:30:00 +00:00: [statement-refused] …", "ended in order at …".
func (e LastExit) Ending(loc *time.Location) string {
	at := e.Time.In(loc).Format("2006-01-02 15:04:05 -07:00")
	p, failed := e.Problem()
	switch {
	case failed && e.Starting:
		return fmt.Sprintf("could not start at %s: %s", at, p)
	case failed:
		return fmt.Sprintf("exited with an error at %s: %s", at, p)
	case e.Kind == ExitSignal:
		return "ended in order, by a signal, at " + at + because(e.Text)
	}
	return "ended in order at " + at + because(e.Text)
}

func because(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// Listed are the problems that a node reports, within the bounds that it should have kept. One that knows
// no list (an old one) has at most one text, which has the code other.
func (s Status) Listed() []Problem {
	list := s.Problems
	if len(list) == 0 && s.Problem != "" {
		list = []Problem{{Code: ProblemOther, Text: s.Problem}}
	}
	bounded := make([]Problem, 0, min(len(list), maxProblems))
	for _, p := range list[:min(len(list), maxProblems)] {
		if !codeForm.MatchString(string(p.Code)) {
			p.Code = ProblemOther
		}
		bounded = append(bounded, p.bounded(nil))
	}
	return bounded
}

// codeForm is what a code looks like, also one that a newer version has and this one does not.
var codeForm = regexp.MustCompile(`^[a-z]{1,20}(-[a-z]{1,20}){0,4}$`)

// CertificateProblem is what is wrong with the time of a certificate of our own, read from a file that
// the settings name; false: nothing is.
func CertificateProblem(c *x509.Certificate, file, settings string, now time.Time) (Problem, bool) {
	f := certfile.CheckTime(c, file, settings, now)
	if f == nil {
		return Problem{}, false
	}
	p := Problem{Code: ProblemCertificateExpired, Key: file, Text: f.Text, Cure: f.Cure}
	if f.Expiring {
		p.Code = ProblemCertificateExpiring
	}
	return p, true
}

// The difference to PD's clock from which on a clock is a problem, and below which it is none again.
const (
	skewed   = 10 * time.Second
	unskewed = 5 * time.Second
)

// SetClock notes how far a clock, such as "this machine's clock", is ahead of PD's, negative if it is slower: as a
// problem when it is by too much. It gives the problem and reports whether it is new.
func (s *Problems) SetClock(clock string, ahead time.Duration) (p Problem, fresh bool) {
	switch by := ahead.Abs(); {
	case by >= skewed:
		than := "ahead of"
		if ahead < 0 {
			than = "slower than"
		}
		p = Problem{Code: ProblemClockSkew, Text: fmt.Sprintf("%s is %s %s PD's", clock, by.Round(time.Second), than),
			Cure: "synchronise the clocks of this machine and of PD's (chrony, systemd-timesyncd)"}
		return p, s.Set(p)
	case by < unskewed:
		s.Clear(ProblemClockSkew)
	}
	return p, false
}
