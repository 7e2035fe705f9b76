package embedpd

import (
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// etcdLogger leads etcd's warnings and errors to log. The same message comes through
// once in ten seconds, so that a slow disk does not fill it. Once closing is done,
// nothing does: connections that end then are meant to.
func etcdLogger(log logrus.FieldLogger, closing <-chan struct{}) *zap.Logger {
	core := bridge{log: log.WithField("component", "etcd"), closing: closing}
	return zap.New(zapcore.NewSamplerWithOptions(core, 10*time.Second, 1, 0))
}

// commonplace lists what etcd warns of though it is meant, or always so: two settings,
// what a fresh data directory says for want of a first entry, and an election that is
// called while the first start is not through.
var commonplace = []string{
	"Running http and grpc server on single port",
	"simple token is not cryptographically signed",
	"Failed to detect schema version",
	"failed to update storage version",
	"since there are still pending configuration changes to apply",
}

func isCommonplace(message string) bool {
	return slices.ContainsFunc(commonplace, func(part string) bool { return strings.Contains(message, part) })
}

// bridge is a zap core that writes to logrus.
type bridge struct {
	log     logrus.FieldLogger
	closing <-chan struct{}
	fields  []zapcore.Field
}

func (b bridge) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	joined := append(b.fields[:len(b.fields):len(b.fields)], fields...)
	return bridge{log: b.log, closing: b.closing, fields: joined}
}

func (b bridge) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !b.Enabled(e.Level) || isCommonplace(e.Message) {
		return to
	}
	select {
	case <-b.closing:
		return to
	default:
		return to.AddCore(e, b)
	}
}

func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range b.fields {
		f.AddTo(enc)
	}
	for _, f := range fields {
		f.AddTo(enc)
	}
	entry := b.log.WithFields(logrus.Fields(enc.Fields))
	if e.Level == zapcore.WarnLevel {
		entry.Warn(e.Message)
	} else {
		entry.Error(e.Message)
	}
	return nil
}

func (b bridge) Sync() error { return nil }
