package server

import (
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"pumphouse/server/session/infoschema"
)

// counters are totals since the start.
type counters struct {
	connections     atomic.Uint64
	abortedConnects atomic.Uint64
	abortedClients  atomic.Uint64
	questions       atomic.Uint64
	denied          atomic.Uint64
	hashing         atomic.Int64 // rounds of hashing that whole passwords took
	panics          atomic.Uint64
	prepares        atomic.Uint64
	running         atomic.Int64
}

// Processes lists the connections by ID (infoschema.Server).
func (s *Server) Processes() []infoschema.Process {
	conns := s.all()
	list := make([]infoschema.Process, 0, len(conns))
	for _, c := range conns {
		list = append(list, c.process())
	}
	return list
}

// Kill ends a connection, or only the statement it runs (infoschema.Server). Who may do
// that is the session's business.
func (s *Server) Kill(id uint32, queryOnly bool) bool {
	s.mu.Lock()
	c := s.conns[id]
	s.mu.Unlock()
	if c == nil {
		return false
	}
	if queryOnly {
		c.interrupt(errInterrupted())
	} else {
		c.end(errInterrupted())
	}
	return true
}

// Status lists the counters under MySQL's names (infoschema.Server); Pumphouse_goroutines
// is of the whole process and tells a leak.
func (s *Server) Status() map[string]string {
	s.mu.Lock()
	connected, prepared := len(s.conns), s.prepared
	s.mu.Unlock()
	usage := s.governor.Usage()
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	c := &s.counters
	return map[string]string{
		"Aborted_clients":      number(c.abortedClients.Load()),
		"Aborted_connects":     number(c.abortedConnects.Load()),
		"Access_denied_errors": number(c.denied.Load()),
		"Bytes_received":       number(s.shared.In.Load()),
		"Bytes_sent":           number(s.shared.Out.Load()),
		"Com_prepare_sql":      "0", // counted with the others; tools add the two up
		"Com_stmt_prepare":     number(c.prepares.Load()),
		"Connections":          number(c.connections.Load()),
		// There is no InnoDB, but tools calculate with these wherever there is an innodb_version.
		"Innodb_buffer_pool_pages_dirty": "0",
		"Innodb_buffer_pool_pages_free":  "0",
		"Innodb_buffer_pool_pages_total": "0",

		"Max_used_connections": strconv.Itoa(usage.MostConnections),
		"Open_tables":          "0", // a share of table_open_cache for tools; tables here are never opened
		"Prepared_stmt_count":  strconv.Itoa(prepared),
		"Pumphouse_bytes_held": strconv.FormatInt(usage.Bytes, 10), // of max-memory
		"Pumphouse_goroutines": strconv.Itoa(runtime.NumGoroutine()),
		"Pumphouse_waiting":    strconv.Itoa(usage.Waiting), // statements that wait for a processor
		"Queries":              number(c.questions.Load()),
		"Questions":            number(c.questions.Load()),
		"Threads_connected":    strconv.Itoa(connected),
		"Threads_running":      strconv.FormatInt(c.running.Load(), 10),
		"Uptime":               strconv.FormatInt(s.uptime(), 10),
	}
}

func (s *Server) uptime() int64 { return int64(time.Since(s.start) / time.Second) }

// statistics is the line COM_STATISTICS answers with; mysqladmin looks for its labels.
func (s *Server) statistics() string {
	s.mu.Lock()
	connected := len(s.conns)
	s.mu.Unlock()
	uptime, questions := s.uptime(), s.counters.questions.Load()
	return fmt.Sprintf("Uptime: %d  Threads: %d  Questions: %d  Slow queries: 0  Opens: 0  Flush tables: 0  Open tables: 0  Queries per second avg: %.3f",
		uptime, connected, questions, float64(questions)/float64(max(uptime, 1)))
}
