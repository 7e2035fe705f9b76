package mariadbtest

import "testing"

// TestKeepsItsData: what was committed is there after a kill and after a stop.
func TestKeepsItsData(t *testing.T) {
	s := Start(t)
	db := s.Open()
	s.Exec("CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)")
	for i, end := range []func(){s.Kill, s.Stop} {
		if _, err := db.Exec("INSERT INTO d.t VALUES (?)", i); err != nil {
			t.Fatal(err)
		}
		end()
		if err := db.Ping(); err == nil {
			t.Fatal("it still answers")
		}
		s.StartAgain()
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM d.t").Scan(&n); err != nil || n != i+1 {
			t.Fatalf("%d rows, %v, want %d", n, err, i+1)
		}
	}
}
