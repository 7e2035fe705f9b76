// Package daemon holds what the long-running programs of the project share: the passwords
// in a configuration, TLS towards and between nodes, logging, the data
// directory, one port for gRPC and HTTP, the answers of the HTTP API; and of a node's life how
// signals, HTTP and others end it and wait for its end, and the writes of its state on the way
// out. It knows nothing of what a program does.
package daemon

import (
	"fmt"
	"runtime"
)

// Version is the project's version as -V prints it.
const Version = "0.2.0"

// VersionLine is what a program prints for -V: its name, the version, and what it was built with and for.
func VersionLine(program string) string {
	return fmt.Sprintf("%s %s %s %s/%s", program, Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
