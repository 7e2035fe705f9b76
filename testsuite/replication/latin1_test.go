package replication

import (
	"fmt"
	"strings"
	"testing"
)

// latin1Clients are what two clients do: the first speaks UTF-8, the second Latin-1. TiDB keeps the bytes of
// both as they come.
var latin1Clients = [2][]string{
	{"create database l",
		"create table l.t (id int primary key, v varchar(20) character set latin1, x text character set latin1, key (v))",
		"create table l.keyed (v varchar(20) character set latin1 primary key, n int)",
		"create table l.keyless (v varchar(20) character set latin1, n int)",
		"insert into l.t values (1, 'é', 'été'), (2, x'e9', x'e974e9')",
		"insert into l.keyed values ('caf\u00e9', 1)"},
	{"set names latin1",
		"insert into l.t values (3, '\xe9', '\xe9t\xe9'), (4, '\x80 \x81', '\x8d\x8f\x90\x9d'), (5, '\xfc', 'plain'), (6, '\xf1', '')",
		"update l.t set v = '\xfc\xfc' where v = '\xfc'", "delete from l.t where v = '\xf1'",
		"insert into l.keyed values ('\xe0', 1), ('\xe1', 2), ('\xe2', 3)",
		"update l.keyed set n = 5 where v = '\xe1'", "delete from l.keyed where v = '\xe0'", "update l.keyed set v = '\xe3' where v = '\xe2'",
		"insert into l.keyless values ('\xe9', 1), ('\xe9', 1), ('\xea', 2)",
		"update l.keyless set n = 3 where v = '\xea'", "delete from l.keyless where v = '\xe9' limit 1"},
}

// TestLatin1: bytes that a client has written into a latin1 column without saying so in UTF-8 are the same characters
// downstream: a MariaDB converts, a TiDB keeps the bytes. drainer -compare takes them for equal.
func TestLatin1(t *testing.T) {
	want := map[string]string{
		"select id, hex(v), hex(x) from l.t order by id": "1 E9 E974E9, 2 E9 E974E9, 3 E9 E974E9, 4 802081 8D8F909D, 5 FCFC 706C61696E, ",
		"select n, hex(v), '' from l.keyed order by n":   "1 636166E9 , 3 E3 , 5 E1 , ",
		"select n, hex(v), '' from l.keyless order by n": "1 E9 , 3 EA , ",
	}
	t.Run("to MariaDB", func(t *testing.T) {
		c := latin1Cluster(t, Options{})
		c.hasRows(t, want)
		code, out, errs := c.compareStopped(t)
		if code != 0 {
			t.Errorf("drainer -compare: exit %d\n%s\n%s", code, out, errs)
		}
		c.MariaDB.Exec("update l.t set v = 'è' where id = 3", "update l.keyed set n = 7 where n = 5", "delete from l.keyless where n = 3")
		if code, out, _ = c.compareStopped(t); code != 1 || !strings.Contains(out, `v is "é" upstream, "è" downstream`) || strings.Count(out, "missing downstream: ") != 2 {
			t.Errorf("drainer -compare of other bytes: exit %d\n%s", code, out)
		}
	})
	t.Run("to TiDB", func(t *testing.T) {
		c := latin1Cluster(t, Options{ToTiDB: true})
		for q, list := range want {
			want[q] = strings.NewReplacer("1 E9 E974E9", "1 C3A9 C3A974C3A9", "636166E9", "636166C3A9").Replace(list)
		}
		c.hasRows(t, want)
	})
}

func latin1Cluster(t *testing.T, o Options) *Cluster {
	c := Start(t, o)
	c.StartDrainer("")
	db := c.Open("")
	defer db.Close()
	for _, list := range latin1Clients {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, q := range list {
			if _, err := conn.ExecContext(t.Context(), q); err != nil {
				t.Fatalf("%q: %v", q, err)
			}
		}
	}
	if err := c.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// hasRows holds the downstream to the rows of queries of three columns.
func (c *Cluster) hasRows(t *testing.T, want map[string]string) {
	t.Helper()
	for q, list := range want {
		rows, err := c.Downstream().QueryContext(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		defer rows.Close()
		got := ""
		for rows.Next() {
			var v [3]string
			if err := rows.Scan(&v[0], &v[1], &v[2]); err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("%s %s %s, ", v[0], v[1], v[2])
		}
		if got != list || rows.Err() != nil {
			t.Errorf("%s:\n\t%s\nwant\n\t%s\n%v", q, got, list, rows.Err())
		}
	}
}

// compareStopped is what drainer -compare says once the drainer is paused.
func (c *Cluster) compareStopped(t *testing.T) (code int, stdout, stderr string) {
	t.Helper()
	if c.Drainer.Running() {
		if err := c.Drainer.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr, err := c.compareCommand(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return code, stdout, stderr
}
