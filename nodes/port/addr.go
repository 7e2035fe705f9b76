package port

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// DefaultAddr is where a node listens that is given no address, as upstream's programs do: at the first IPv4 address of
// this machine that is not loopback, or at 127.0.0.1 if there is none. A node that advertises an address listens at every
// address, because the advertised one may be a name or that of a proxy, but at loopback only if it advertises that.
func DefaultAddr(port int, advertise string) string {
	host := "127.0.0.1"
	if at, _, err := net.SplitHostPort(advertise); err == nil {
		if ip := net.ParseIP(at); at != "localhost" && (ip == nil || !ip.IsLoopback()) {
			host = "0.0.0.0"
		}
	} else if ip := firstIPv4(); ip != nil {
		host = ip.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// firstIPv4 is the first address of this machine that others may reach; nil: there is none.
func firstIPv4() net.IP {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP
		}
	}
	return nil
}

// dialSelfTimeout bounds how long a start takes longer because of a wrong address.
const dialSelfTimeout = 3 * time.Second

// DialSelf reports whether the node is reached at the address that it advertises, at least from its own machine. Whoever is
// named in callers dials it.
func (p *Port) DialSelf(ctx context.Context, callers string) error {
	ctx, cancel := context.WithTimeout(ctx, dialSelfTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.Advertised())
	if err != nil {
		return fmt.Errorf("the node listens at %s and cannot be reached at the address that it advertises, %s, from its own machine: %w. "+
			"Set addr to an address that %s can reach, or advertise-addr to the one that they use", p.Addr(), p.Advertised(), err, callers)
	}
	return c.Close()
}
