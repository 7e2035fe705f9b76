package rewrite

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Kind is what kind of server a statement is for.
type Kind int

// The kinds.
const (
	MySQL Kind = iota
	MariaDB
	TiDB
)

// String is the product's name.
func (k Kind) String() string { return [...]string{"MySQL", "MariaDB", "TiDB"}[k] }

// Server is what a statement is for.
type Server struct {
	Kind Kind
	// Major, Minor and Patch are the version; a zero Major counts as the newest.
	Major, Minor, Patch int
}

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)`)

// ParseServer reads what a server says as its VERSION().
func ParseServer(version string) Server {
	s := Server{}
	switch {
	case strings.Contains(version, "TiDB"):
		s.Kind = TiDB
		_, version, _ = strings.Cut(version, "TiDB")
	case strings.Contains(version, "MariaDB"):
		s.Kind = MariaDB
		version = strings.TrimPrefix(version, "5.5.5-") // for old replicas
	}
	if m := versionNumber.FindStringSubmatch(version); m != nil {
		s.Major, _ = strconv.Atoi(m[1])
		s.Minor, _ = strconv.Atoi(m[2])
		s.Patch, _ = strconv.Atoi(m[3])
	}
	return s
}

// String names the server and its version.
func (s Server) String() string {
	if s.Major == 0 {
		return s.Kind.String()
	}
	return fmt.Sprintf("%s %d.%d.%d", s.Kind, s.Major, s.Minor, s.Patch)
}

func (s Server) atLeast(major, minor, patch int) bool {
	switch {
	case s.Major == 0:
		return true
	case s.Major != major:
		return s.Major > major
	case s.Minor != minor:
		return s.Minor > minor
	}
	return s.Patch >= patch
}

// since reports whether the server is at least that version of MySQL or MariaDB; a TiDB is.
func (s Server) since(mysql, mariaDB [3]int) bool {
	switch s.Kind {
	case MySQL:
		return s.atLeast(mysql[0], mysql[1], mysql[2])
	case MariaDB:
		return s.atLeast(mariaDB[0], mariaDB[1], mariaDB[2])
	}
	return true
}

var never = [3]int{1 << 30}

func (s Server) expressionIndexes() bool  { return s.since([3]int{8, 0, 13}, never) }
func (s Server) expressionDefaults() bool { return s.since([3]int{8, 0, 13}, [3]int{10, 2, 1}) }
func (s Server) invisibleIndexes() bool   { return s.since([3]int{8, 0, 0}, [3]int{10, 6, 0}) }
func (s Server) renamesColumns() bool     { return s.since([3]int{8, 0, 0}, [3]int{10, 5, 2}) }
func (s Server) enforcesChecks() bool     { return s.since([3]int{8, 0, 16}, [3]int{10, 2, 1}) }

// wideOffsets reports whether time_zone takes offsets from -13:59 to +14:00; else from -12:59 to +13:00.
func (s Server) wideOffsets() bool { return s.since([3]int{8, 0, 19}, never) }

// collation is the one to be used for one of the upstream, the same or, where the server does
// not have it, the binary one of its character set.
func (s Server) collation(name string) string {
	if !strings.Contains(strings.ToLower(name), "_0900_") || s.since([3]int{8, 0, 0}, never) {
		return name
	}
	set, _, _ := strings.Cut(name, "_")
	return strings.ToLower(set) + "_bin"
}
