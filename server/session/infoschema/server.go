package infoschema

import "time"

// Process is one connection as SHOW PROCESSLIST shows it.
type Process struct {
	ID      uint32
	User    string
	Host    string // with port
	DB      string
	Command string // Sleep, Query, Execute …
	Since   time.Time
	State   string
	Info    string // running statement
}

// Server is what a session needs of the server it runs in.
type Server interface {
	Processes() []Process
	// Kill ends a connection, or only its running statement. False: no such ID.
	Kill(id uint32, queryOnly bool) bool
	// Status lists the server's counters for SHOW STATUS (Uptime, Threads_connected …).
	// The map is the caller's.
	Status() map[string]string
}
