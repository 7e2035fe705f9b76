package tikv

import (
	"github.com/sirupsen/logrus"

	"pumphouse/nodes/tikvconn"
)

// RedirectLogs sends what PD's client says, which it writes to stdout through a logger of
// the whole process, to this one at level debug: the resolver's errors say what matters of
// it. It is for main, once; restore undoes it.
func RedirectLogs(to logrus.FieldLogger) (restore func()) { return tikvconn.RedirectLogs(to) }
