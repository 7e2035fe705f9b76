package daemon

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sirupsen/logrus"
)

// NewLogger makes a logger that writes at level (debug, info, warn, error; "" = info)
// to the file, which it appends to, or to stderr when file is "". The returned closer
// closes the file.
func NewLogger(level, file string, stderr io.Writer) (*logrus.Logger, io.Closer, error) {
	if level == "" {
		level = "info"
	}
	lvl, err := logrus.ParseLevel(level)
	if err != nil {
		return nil, nil, fmt.Errorf("log level %q does not exist: use debug, info, warn or error", level)
	}
	log := logrus.New()
	log.SetLevel(lvl)
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339Nano, DisableColors: true})
	if file == "" {
		log.SetOutput(stderr)
		return log, io.NopCloser(nil), nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, nil, fmt.Errorf("open log-file: %w", err)
	}
	log.SetOutput(f)
	return log, f, nil
}
