// Package daemon holds what the long-running programs of the project share: reading
// a configuration, TLS towards and between nodes, logging, the data directory, one port for
// gRPC and HTTP, the answers of the HTTP API, the writes of a node's state on its way out. It
// knows nothing of what a program does.
package daemon

// Version is the project's version as -V prints it.
const Version = "0.1.0"
