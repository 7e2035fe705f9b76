package engineoracle

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/client"

	"pumphouse/testsuite/mariadbtest"
)

// oracle starts a MariaDB and connects to it. The server ends with the test.
func oracle(t *testing.T) *client.Conn {
	t.Helper()
	// USER() is the host that the address resolves to.
	s := mariadbtest.Start(t, "--skip-name-resolve=0", "--collation-server=utf8mb4_general_ci", "--default-time-zone=+00:00")
	conn, err := client.Connect(s.Addr(), "root", "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Execute("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci"); err != nil {
		t.Fatal(err)
	}
	return conn
}
