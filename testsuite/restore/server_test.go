package restore

import (
	"database/sql"
	"net"
	"strconv"
	"testing"

	"pumphouse/drainer/sink/mysql"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// server is a database to restore into.
type server interface {
	at() mysql.Server
	open(t *testing.T) *sql.DB
}

type mariaDB struct{ *mariadbtest.Server }

// startMariaDB starts one with the collation that TiDB means where a statement names none.
func startMariaDB(t *testing.T, args ...string) server {
	return mariaDB{mariadbtest.Start(t, append(args, "--collation-server=utf8mb4_bin")...)}
}

func (m mariaDB) at() mysql.Server        { return mysql.Server{Host: m.Host, Port: m.Port} }
func (m mariaDB) open(*testing.T) *sql.DB { return m.Open() }

type tiDB struct {
	*tidbtest.TiDB
	host string
	port int
}

func startTiDB(t *testing.T) server {
	t.Helper()
	s := tiDB{TiDB: tidbtest.StartTiDB(t, tidbtest.Options{PD: pdtest.StartEmbed(t).Endpoint(0)})}
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.host = host
	if s.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s tiDB) at() mysql.Server          { return mysql.Server{Host: s.host, Port: s.port} }
func (s tiDB) open(t *testing.T) *sql.DB { return s.Open(t, "") }
