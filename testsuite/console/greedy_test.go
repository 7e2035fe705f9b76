package console

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestGreedyClients: a user who is let in and takes whatever there is. The console stays small, says
// which setting is in the way, and goes on answering others.
func TestGreedyClients(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	rig.Put(t, rig.Etcd(t, pd.Endpoints()), "/tidb-binlog/v1/pumps/pump1", rig.Pump1Record)
	big := strings.Repeat("x", 15<<20)
	for _, attack := range []struct {
		name     string
		sessions int
		settings string // one of them is named by the errors; "" = there need not be one
		timeout  string // of statements; "" = longer than any of them takes
		run      func(c *rig.RawSession) error
	}{
		{"long data", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			for range 4 {
				id, err := c.Prepare("select ?")
				if err != nil {
					return err
				}
				for range 2 { // two halves of a parameter
					head := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint32(nil, id), 0)
					if err := c.Send(0x18, string(head)+big[:7<<20]); err != nil {
						return err
					}
				}
				if _, err := c.Command(0x17, string(binary.LittleEndian.AppendUint32(nil, id))+"\x00\x01\x00\x00\x00\x00\x01\xfe\x00"); err != nil {
					return err
				}
			}
			return nil
		}},
		{"prepared statements", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			return c.Times(10, func(int) error { _, err := c.Prepare("select '" + big + "'"); return err })
		}},
		{"small prepared statements", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			return c.Times(400, func(int) error { _, err := c.Prepare("select 1" + strings.Repeat("+1", 2000)); return err })
		}},
		{"PREPARE", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			return c.Times(10, func(i int) error { return c.Query(fmt.Sprintf("prepare p%d from 'select \"%s\"'", i, big)) })
		}},
		{"user variables", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			return c.Times(20, func(i int) error { return c.Query(fmt.Sprintf("set @a%d = repeat('x', 15000000)", i)) })
		}},
		{"user variables within a SELECT", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			return c.Times(20, func(i int) error { return c.Query(fmt.Sprintf("select length(@a%d := repeat('x', 5000000))", i)) })
		}},
		{"system variables", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			return c.Times(4, func(i int) error {
				return c.Query("set " + []string{"innodb_tmpdir", "lc_messages", "optimizer_trace", "binlog_row_value_options"}[i] + " = '" + big[:9<<20] + "'")
			})
		}},
		{"savepoints", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			if err := c.Query("begin"); err != nil {
				return err
			}
			return c.Times(20, func(i int) error { return c.Query(fmt.Sprintf("savepoint `%s%d`", big[:3<<20], i)) })
		}},
		{"cursors", 12, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			return c.Times(20, func(int) error {
				id, err := c.Prepare("select a.table_name, repeat('x',1000000) from information_schema.tables a limit 4")
				if err != nil {
					return err
				}
				return c.OpenCursor(id)
			})
		}},
		{"results that nobody reads", 30, "max-session-memory|max-memory", "", func(c *rig.RawSession) error {
			if _, err := c.Command(0x03, "select repeat('x',5000000) from information_schema.tables limit 4"); err != nil {
				return err
			}
			return c.EndOfAttack()
		}},
		{"half a packet", 30, "", "", func(c *rig.RawSession) error {
			if _, err := c.Nc.Write([]byte{0xff, 0xff, 0xef, 0}); err != nil {
				return err
			}
			if _, err := c.Nc.Write([]byte("\x03" + big)); err != nil {
				return nil // it is told so by the reset
			}
			return c.EndOfAttack()
		}},
		{"expensive statements", 20, "", "2s", func(c *rig.RawSession) error {
			for _, sql := range []string{
				"select count(*) from information_schema.columns a, information_schema.columns b, information_schema.columns c where b.column_name > a.column_name",
				"select distinct rand() from information_schema.columns a, information_schema.columns b, information_schema.columns c",
				"select rand() r, count(*) from information_schema.columns a, information_schema.columns b group by r",
				"select repeat('a',10000000) regexp concat(repeat('a?',100),repeat('a',100))",
				"select length(hex(hex(hex(repeat('a',2000000)))))",
				"select 1" + strings.Repeat(";select 1", 30000),
				"set max_execution_time = 0",
				"select sleep(60)",
			} {
				switch err := c.Query(sql); {
				case err == nil:
				case !rig.IsServerError(err):
					return fmt.Errorf("%.80s: %w", sql, err)
				case strings.HasPrefix(err.Error(), "1038"):
					return nil // a packet that there is no memory for ends the connection
				}
			}
			return nil
		}},
	} {
		t.Run(attack.name, func(t *testing.T) {
			c := rig.StartConsole(t, pd.Endpoints(), "-log-level", "error", "-statement-timeout", cmp.Or(attack.timeout, "1m"), "-config", withUsers(t, ""))
			over := make(chan struct{})
			var wg sync.WaitGroup
			var named, there atomic.Int64 // sessions that were told a setting, and that have got as far as they get
			for range attack.sessions {
				wg.Go(func() {
					defer there.Add(1)
					s, err := c.RawLogin("watch", "w4tch")
					if rig.IsServerError(err) {
						return // no memory for a connection: that is an answer, too
					}
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Nc.Close()
					s.Over, s.There = over, &there
					err = attack.run(s)
					if rig.IsServerError(err) {
						if ok, _ := regexp.MatchString(attack.settings, err.Error()); ok {
							named.Add(1)
						} else {
							t.Errorf("the error does not name the setting: %.300v", err)
						}
						err = nil
					}
					if err != nil {
						t.Errorf("%.300v", err)
					}
				})
			}
			db := c.Login(t, "chief", "ch1ef", nil)
			served, last := 0, time.Now()
			for served < 20 || there.Load() < int64(attack.sessions) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				rows, err := db.QueryContext(ctx, "SHOW PUMP STATUS")
				var interrupted *mysql.MySQLError
				if errors.As(err, &interrupted) && (interrupted.Number == 3024 || strings.Contains(interrupted.Message, "pd-away")) && time.Since(last) < rig.Timeout {
					cancel() // the machine is busy: the timeout is meant for the attack, and PD is late
					continue
				}
				if err != nil {
					t.Fatalf("another user, after %d good statements: %v", served, err)
				}
				if got := rig.ScanRows(t, rows); len(got) != 1 {
					t.Fatalf("rows %q", got)
				}
				cancel()
				served, last = served+1, time.Now()
			}
			close(over)
			wg.Wait()
			if attack.settings != "" && named.Load() == 0 {
				t.Error("no session was refused anything")
			}
			peak := c.Peak(t)
			t.Logf("%d statements of another user; peak resident memory %d MB", served, peak>>20)
			if peak > maxRSS {
				t.Errorf("peak resident memory %d MB", peak>>20)
			}
			// What they held is given back.
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
				held := statusOf(t, db, "Pumphouse_bytes_held")
				if held < 1<<20 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d bytes are held after the clients have gone", held)
				}
			}
		})
	}
}

// TestManyConnections: a user who opens as many as he gets, and strangers who guess passwords.
func TestManyConnections(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	c := rig.StartConsole(t, pd.Endpoints(), "-log-level", "error", "-config", withUsers(t, ""))
	var conns []*rig.RawSession
	defer func() {
		for _, s := range conns {
			s.Nc.Close()
		}
	}()
	for {
		s, err := c.RawLogin("watch", "w4tch")
		if err != nil {
			if !strings.Contains(err.Error(), "max-user-connections") || len(conns) != 768 {
				t.Errorf("after %d connections: %v", len(conns), err)
			}
			break
		}
		conns = append(conns, s)
	}
	if err := c.Login(t, "chief", "ch1ef", nil).Ping(); err != nil {
		t.Error(err)
	}
	if peak := c.Peak(t); peak > maxRSS {
		t.Errorf("peak resident memory %d MB", peak>>20)
	} else {
		t.Logf("%d connections, peak resident memory %d MB", len(conns), peak>>20)
	}
}

// status reads a counter of SHOW STATUS.
func statusOf(t testing.TB, db *sql.DB, name string) int64 {
	t.Helper()
	var value int64
	if err := db.QueryRow("SHOW STATUS LIKE '"+name+"'").Scan(&name, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
