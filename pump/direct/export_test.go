package direct

// Progress is how many bytes have come of all messages that have their claims.
func (s *Server) Progress() (bytes int64) {
	s.held.mu.Lock()
	defer s.held.mu.Unlock()
	for c := range s.held.granted {
		bytes += c.got.Load()
	}
	return bytes
}
