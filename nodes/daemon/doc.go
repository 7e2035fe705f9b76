// Package daemon holds what the long-running programs of the project share: the passwords
// in a configuration, TLS towards and between nodes, logging, the data
// directory, one port for gRPC and HTTP, the answers of the HTTP API; and of a node's life how
// signals, HTTP and others end it and wait for its end, and the writes of its state on the way
// out. It knows nothing of what a program does.
package daemon

// Version is the project's version as -V prints it.
const Version = "0.2.0"
