package life

import (
	"fmt"
	"io"
	"strings"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// ReportEnd says why a program ("pump") has ended with an error: to its log with the code and the cure of the problem that it is, and to
// people, whatever the log's form and place, in one line.
func ReportEnd(log logrus.FieldLogger, stderr io.Writer, program string, err error) {
	p := nodes.ProblemOf(err)
	log = log.WithError(err).WithField("code", p.Code)
	text := err.Error()
	if p.Cure != "" {
		log = log.WithField("cure", p.Cure)
		if !strings.Contains(text, p.Cure) {
			text += "; " + p.Cure
		}
	}
	log.Error(program + " exited")
	fmt.Fprintf(stderr, "%s: [%s] %s\n", program, p.Code, text)
}
