package program

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/certfile"
	"pumphouse/internal/logs"
	"pumphouse/internal/setting"
)

// OnHangup has reload called for every SIGHUP, until stop is called, and logs how it went. What was
// there before stays in use where reload fails.
func OnHangup(log logrus.FieldLogger, reload func() error) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range signals {
			if err := reload(); err != nil {
				log.WithError(err).Error("SIGHUP: not everything could be reloaded; what was there before stays in use")
			} else {
				log.Info("SIGHUP: the log file, the log level and what certificates and users there are have been reloaded")
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		wg.Wait()
	}
}

// Reloaded is what a program finds when it reads its configuration again.
type Reloaded struct {
	Err      error          // what is wrong with it: then only the log file is opened again
	Was      map[string]any // what it was at the start, as [setting.Shown] gives it
	Now      any            // a pointer to it
	Logging  logs.Config
	Security certfile.Security
	// Live are keys that take effect now, besides those of the log level.
	Live []string
}

// Apply takes what can change while the program runs: it reopens the log file, takes the log level,
// and checks the TLS files, which are read again by themselves when they change. Keys that need a
// restart are logged.
func (r Reloaded) Apply(log *logs.Logger) error {
	if r.Err != nil {
		return errors.Join(r.Err, log.Reopen())
	}
	err := errors.Join(log.Reopen(), log.SetLevelOf(r.Logging), r.Security.Expired())
	_, errClient := r.Security.Client()
	err = errors.Join(err, errClient)
	keys := slices.DeleteFunc(setting.Changed(r.Was, setting.Shown(r.Now)), func(key string) bool {
		return key == "log-level" || slices.Contains(r.Live, key)
	})
	if len(keys) > 0 {
		log.WithField("keys", strings.Join(keys, ", ")).Warn("SIGHUP: these keys of the configuration have changed and take effect at the next start")
	}
	return err
}
