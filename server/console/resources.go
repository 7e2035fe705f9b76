package console

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"pumphouse/server/governor"
	"pumphouse/server/web"
)

// ownMemory is what the console's heap may take besides what sessions hold, in bytes. The pages of
// the program file come on top.
const ownMemory = 24 << 20

// LimitMemory has the collector work harder instead of letting garbage double what is in use.
// GOMEMLIMIT in the environment prevails.
func (c *Config) LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" && c.MaxMemory < math.MaxInt64-ownMemory {
		debug.SetMemoryLimit(c.MaxMemory + ownMemory)
	}
}

// The file descriptors of everything but MySQL clients that are logged in.
const (
	ownFiles       = 64  // program, log, PD, the nodes that are asked
	handshakeFiles = 256 // clients on their way in
)

// limitConnections lowers max-connections to what the limit of open files allows, so that MySQL
// clients and readers of the page never take each other's descriptors.
func (c *Config) limitConnections(log logrus.FieldLogger) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return // accept says so when there are too few
	}
	if n := connectionsWith(limit.Cur, c.MaxConnections); n < c.MaxConnections {
		log.Warnf("max-connections is lowered from %d to %d: the process may have only %d files open. "+
			"Raise the limit (LimitNOFILE= in the systemd unit, ulimit -n) or lower max-connections", c.MaxConnections, n, limit.Cur)
		c.MaxConnections = n
		c.MaxUserConnections = min(c.MaxUserConnections, n)
	}
}

// connectionsWith is how many of the wanted connections there may be with so many open files.
func connectionsWith(files uint64, want int) int {
	const others = governor.AdminConnections + handshakeFiles + web.MaxConnections + ownFiles
	if files >= uint64(want+others) {
		return want
	}
	return max(int(files)-others, 1)
}
