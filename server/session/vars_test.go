package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// TestRecordedStatements: whatever real clients were seen to send is answered as a MySQL
// server would: with a result, or with the error that it would give too.
func TestRecordedStatements(t *testing.T) {
	takePD(t, standard())
	for _, sql := range recorded(t) {
		s := newSession(t, testOptions(), admin)
		s.SetCollation(45)
		if err := s.UseDB(context.Background(), "binlog"); err != nil {
			t.Fatal(err)
		}
		code := uint16(0)
		if p, err := s.Prepare(context.Background(), sql); err == nil && p.Params > 0 {
			args := make([]engine.Value, p.Params)
			for i := range args {
				args[i] = engine.Int(int64(i + 1))
			}
			err = s.Execute(context.Background(), p, args, func(*Outcome, bool) error { return nil })
			code = errorCode(err)
		} else {
			_, err = outcomes(s, sql)
			code = errorCode(err)
		}
		if want := refusedByAll[sql]; code != want {
			t.Errorf("%s: error %d, want %d", sql, code, want)
		}
	}
}

func errorCode(err error) uint16 {
	var e *engine.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Code
	}
	return 1
}

// refusedByAll are the recorded statements that a MySQL server refuses as well.
var refusedByAll = map[string]uint16{
	"KILL 99999":                                            result.ErrNoSuchThread,
	"DESCRIBE `mysql`.`pumps` '%'":                          result.ErrUnknownTable,
	"SHOW CREATE TABLE `mysql`.`pumps`":                     result.ErrUnknownTable,
	"SHOW CREATE TABLE `binlog`.`heartbeat`":                result.ErrUnknownTable,
	"SHOW FULL TABLES FROM `test`":                          result.ErrUnknownDB,
	"SELECT @@query_response_time_stats":                    result.ErrUnknownSysVar,
	"SHOW MASTER LOGS":                                      result.ErrNoBinlog,
	"show /*!50000 ENGINE*/ NDB STATUS":                     1286,
	"change pump to node_state='bogus' for node_id 'pump1'": result.ErrUnknown,
	"set password='606706156665cd86',sql_log_off=0":         result.ErrNotSupported, // a user may not change it here
	// Of MySQL 8, which has no such column: the client asks in the next statement's way then.
	"SELECT COUNT(*), SUM(user=\"\"), SUM(password=\"\"), SUM(password NOT LIKE \"*%\") FROM mysql.user": 1054,
}

// recorded are the statements of testdata/clients.txt and grafana.txt, a JSON string a line, as
// real clients and tools send them.
func recorded(t *testing.T) (all []string) {
	for _, name := range []string{"clients.txt", "grafana.txt"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var sql string
			if err := json.Unmarshal(line, &sql); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if sql != "" {
				all = append(all, sql)
			}
		}
	}
	if len(all) < 150 {
		t.Fatalf("only %d recorded statements", len(all))
	}
	return all
}

// TestSelectLimit: sql_select_limit bounds a SELECT that has no LIMIT of its own, and nothing else.
func TestSelectLimit(t *testing.T) {
	s := newSession(t, testOptions(), admin)
	const all = "SELECT table_name FROM information_schema.tables"
	if n := len(cells(t, s, all)); n < 3 {
		t.Fatalf("%d rows without a limit", n)
	}
	mustRun(t, s, "SET sql_select_limit = 1")
	for sql, want := range map[string]int{all: 1, all + " LIMIT 2": 2, "SHOW DATABASES": 2} {
		if n := len(cells(t, s, sql)); n < want || n > want && sql != "SHOW DATABASES" {
			t.Errorf("%s: %d rows, want %d", sql, n, want)
		}
	}
	mustRun(t, s, "SET sql_select_limit = DEFAULT")
	if n := len(cells(t, s, all)); n < 3 {
		t.Errorf("%d rows without a limit again", n)
	}
}
