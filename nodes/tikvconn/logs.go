package tikvconn

import (
	"github.com/pingcap/log"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// RedirectLogs sends what PD's client and client-go say, which they write to stdout through a logger of
// the whole process, to this one at level debug: the errors they return say what matters of
// it. It is for main, once; restore undoes it.
func RedirectLogs(to logrus.FieldLogger) (restore func()) {
	level := zap.NewAtomicLevelAt(zapcore.WarnLevel)
	core := &logCore{LevelEnabler: level, to: to}
	return log.ReplaceGlobals(zap.New(core), &log.ZapProperties{Core: core, Level: level})
}

// logCore is a zap core that writes to logrus.
type logCore struct {
	zapcore.LevelEnabler
	to logrus.FieldLogger
}

func (c *logCore) With(fields []zapcore.Field) zapcore.Core {
	return &logCore{c.LevelEnabler, c.to.WithFields(convert(fields))}
}

func (c *logCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *logCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	c.to.WithFields(convert(fields)).WithField("library", "pd").Debug(e.Message)
	return nil
}

func (c *logCore) Sync() error { return nil }

func convert(fields []zapcore.Field) logrus.Fields {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	return enc.Fields
}
