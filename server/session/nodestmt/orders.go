package nodestmt

import (
	"github.com/sirupsen/logrus"

	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
)

// What of a client's own words is logged at most, in bytes.
const (
	maxLoggedName  = 128
	maxLoggedError = 1024
)

// logged is a client's text as the log shows it: not longer than n bytes.
func logged(text string, n int) string {
	if short := result.Clip(text, n); len(short) < len(text) {
		return short + "…"
	}
	return text
}

// failedOrder logs that an order failed.
func failedOrder(log logrus.FieldLogger, what string, err error) {
	log.WithField(logrus.ErrorKey, logged(err.Error(), maxLoggedError)).WithField("result", "failed").Warn(what + " failed")
}

// mayOrder refuses an order to nodes (CHANGE, PAUSE, RESOLVE …) from who may not give one,
// and in a transaction that is READ ONLY: a guard that people set before they look around.
func (n *Nodes) mayOrder(log logrus.FieldLogger, what string) error {
	if n.own.Account.Role != privilege.Admin {
		if ok, more := n.cfg.Denials.Next(n.own.Account.Name, n.cfg.Now()); ok {
			if more > 0 {
				log = log.WithField("not_logged", more)
			}
			log.WithField("result", "denied").Warn(what + " refused")
		}
		return n.own.Account.Denied(what)
	}
	if n.own.ReadOnly() {
		return result.Errorf(result.ErrReadOnlyTransaction, "Cannot execute statement in a READ ONLY transaction.")
	}
	return nil
}
