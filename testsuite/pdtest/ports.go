package pdtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// freePorts finds loopback ports nobody listens on. They lie below the range that the
// kernel takes ports of outgoing connections from, so a member that is stopped for a
// while finds its port free again.
func freePorts(n int) ([]int, error) {
	const low, high = 12000, 32000
	var ports []int
	var held []net.Listener
	defer func() {
		for _, ln := range held {
			ln.Close()
		}
	}()
	for range 50 * n {
		port := low + rand.IntN(high-low)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		held = append(held, ln)
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free ports on 127.0.0.1")
}
