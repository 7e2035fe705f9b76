package logs

import (
	"io"

	"github.com/sirupsen/logrus"
)

// OrSilent gives l, or a logger that writes nothing where a caller gave none.
func OrSilent(l logrus.FieldLogger) logrus.FieldLogger {
	if l != nil {
		return l
	}
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	silent.SetLevel(logrus.PanicLevel)
	return silent
}
