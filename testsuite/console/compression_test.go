package console

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestCompressedProtocol: clients that ask for compression get it, with zlib and with zstd: the
// same answers in fewer bytes, small and large, several in one text, and errors.
func TestCompressedProtocol(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	cli := rig.Etcd(t, pd.Endpoints())
	for i := range 300 {
		id := fmt.Sprintf("pump%03d", i)
		rig.Put(t, cli, rig.NodesPrefix+"pumps/"+id, strings.ReplaceAll(rig.Pump1Record, "pump1", id))
	}
	c := rig.StartConsole(t, pd.Endpoints())
	sent := func() (n int) {
		db := c.Login(t, "root", "", nil)
		defer db.Close()
		var name string
		if err := db.QueryRow("SHOW GLOBAL STATUS LIKE 'Bytes_sent'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	plain := 0
	for _, capability := range []uint32{0, mysql.CLIENT_COMPRESS, mysql.CLIENT_ZSTD_COMPRESSION_ALGORITHM} {
		before := sent()
		conn, err := gomysql.Connect(c.Addr(), "root", "", "", func(conn *gomysql.Conn) error {
			if capability == 0 {
				return nil
			}
			return conn.SetCapability(capability)
		})
		if err != nil {
			t.Fatalf("capability %#x: %v", capability, err)
		}
		for range 3 {
			r, err := conn.Execute("SHOW PUMP STATUS")
			if err != nil || r.RowNumber() != 300 {
				t.Fatalf("capability %#x: %v, %v", capability, r, err)
			}
			if id, err := r.GetString(299, 0); err != nil || id != "pump299" {
				t.Errorf("capability %#x: the last row is of %q, %v", capability, id, err)
			}
			long := strings.Repeat("x", 300_000)
			r, err = conn.Execute("SELECT LENGTH(?), 'short'", long)
			if err != nil {
				t.Fatalf("capability %#x: a long parameter: %v", capability, err)
			}
			if n, err := r.GetInt(0, 0); err != nil || n != 300_000 {
				t.Errorf("capability %#x: a long parameter: %d, %v", capability, n, err)
			}
			if _, err := conn.Execute("SELECT nonsense"); err == nil || !strings.Contains(err.Error(), "1054") {
				t.Errorf("capability %#x: an error: %v", capability, err)
			}
		}
		conn.Close()
		if took := sent() - before; capability == 0 {
			plain = took
		} else if took > plain/3 {
			t.Errorf("capability %#x: %d bytes sent, %d without compression", capability, took, plain)
		}
	}

	c.MariaDB(t, "root", "", "SHOW PUMP STATUS LIKE 'pump007'; SELECT 1+1", "--compress", "--skip-column-names").
		Expect(t, "mariadb --compress", 0, "pump007", "")
	db, err := sql.Open("mysql", "root@tcp("+c.Addr()+")/?compress=true&multiStatements=true")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SHOW PUMP STATUS")
	if err != nil {
		t.Fatal(err)
	}
	if got := rig.ScanRows(t, rows); len(got) != 300 {
		t.Errorf("go-sql-driver: %d rows", len(got))
	}
}
