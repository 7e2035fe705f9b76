package mariadbtest

import (
	"os/exec"
	"path/filepath"
)

// AddZones gives the server time zones by their names, which it has none of at first: it then
// converts values in them. They are read from the machine's files.
func (s *Server) AddZones(names ...string) {
	s.t.Helper()
	for _, name := range names {
		text, err := exec.Command(s.find("mariadb-tzinfo-to-sql"), filepath.Join("/usr/share/zoneinfo", name), name).Output()
		if err != nil {
			s.t.Fatalf("make statements of the time zone %s: %v (Debian: tzdata)", name, err)
		}
		s.Exec("SET sql_mode=''; USE mysql; " + string(text))
	}
}
