package testsuite

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/testsuite/pdtest"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// TestGreedyClients: a user who is let in and takes whatever there is. The console stays small, says
// which setting is in the way, and goes on answering others.
func TestGreedyClients(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	put(t, etcd(t, pd.Endpoints()), "/tidb-binlog/v1/pumps/pump1", pump1Record)
	big := strings.Repeat("x", 15<<20)
	for _, attack := range []struct {
		name     string
		sessions int
		settings string // one of them is named by the errors; "" = there need not be one
		run      func(c *rawSession) error
	}{
		{"long data", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			for range 4 {
				id, err := c.prepare("select ?")
				if err != nil {
					return err
				}
				for range 2 { // two halves of a parameter
					head := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint32(nil, id), 0)
					if err := c.send(0x18, string(head)+big[:7<<20]); err != nil {
						return err
					}
				}
				if _, err := c.command(0x17, string(binary.LittleEndian.AppendUint32(nil, id))+"\x00\x01\x00\x00\x00\x00\x01\xfe\x00"); err != nil {
					return err
				}
			}
			return nil
		}},
		{"prepared statements", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			return c.times(10, func(int) error { _, err := c.prepare("select '" + big + "'"); return err })
		}},
		{"small prepared statements", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			return c.times(400, func(int) error { _, err := c.prepare("select 1" + strings.Repeat("+1", 2000)); return err })
		}},
		{"PREPARE", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			return c.times(10, func(i int) error { return c.query(fmt.Sprintf("prepare p%d from 'select \"%s\"'", i, big)) })
		}},
		{"user variables", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			return c.times(20, func(i int) error { return c.query(fmt.Sprintf("set @a%d = repeat('x', 15000000)", i)) })
		}},
		{"user variables within a SELECT", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			return c.times(20, func(i int) error { return c.query(fmt.Sprintf("select length(@a%d := repeat('x', 5000000))", i)) })
		}},
		{"system variables", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			return c.times(4, func(i int) error {
				return c.query("set " + []string{"innodb_tmpdir", "lc_messages", "optimizer_trace", "binlog_row_value_options"}[i] + " = '" + big[:9<<20] + "'")
			})
		}},
		{"savepoints", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			if err := c.query("begin"); err != nil {
				return err
			}
			return c.times(20, func(i int) error { return c.query(fmt.Sprintf("savepoint `%s%d`", big[:3<<20], i)) })
		}},
		{"cursors", 12, "max-session-memory|max-memory", func(c *rawSession) error {
			return c.times(20, func(int) error {
				id, err := c.prepare("select a.table_name, repeat('x',1000000) from information_schema.tables a limit 4")
				if err != nil {
					return err
				}
				return c.openCursor(id)
			})
		}},
		{"results that nobody reads", 30, "max-session-memory|max-memory", func(c *rawSession) error {
			if _, err := c.command(0x03, "select repeat('x',5000000) from information_schema.tables limit 4"); err != nil {
				return err
			}
			return c.endOfAttack()
		}},
		{"half a packet", 30, "", func(c *rawSession) error {
			if _, err := c.nc.Write([]byte{0xff, 0xff, 0xef, 0}); err != nil {
				return err
			}
			if _, err := c.nc.Write([]byte("\x03" + big)); err != nil {
				return nil // it is told so by the reset
			}
			return c.endOfAttack()
		}},
		{"expensive statements", 20, "", func(c *rawSession) error {
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
				switch err := c.query(sql); {
				case err == nil:
				case !isServerError(err):
					return fmt.Errorf("%.80s: %w", sql, err)
				case strings.HasPrefix(err.Error(), "1038"):
					return nil // a packet that there is no memory for ends the connection
				}
			}
			return nil
		}},
	} {
		t.Run(attack.name, func(t *testing.T) {
			c := startConsole(t, pd.Endpoints(), "-log-level", "error", "-statement-timeout", "2s", "-config", withUsers(t, ""))
			over := make(chan struct{})
			var wg sync.WaitGroup
			var named, there atomic.Int64 // sessions that were told a setting, and that have got as far as they get
			for range attack.sessions {
				wg.Go(func() {
					defer there.Add(1)
					s, err := c.rawLogin("watch", "w4tch")
					if isServerError(err) {
						return // no memory for a connection: that is an answer, too
					}
					if err != nil {
						t.Error(err)
						return
					}
					defer s.nc.Close()
					s.over, s.there = over, &there
					err = attack.run(s)
					if isServerError(err) {
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
			db := c.login(t, "chief", "ch1ef", nil)
			served := 0
			for served < 20 || there.Load() < int64(attack.sessions) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				rows, err := db.QueryContext(ctx, "SHOW PUMP STATUS")
				if err != nil {
					t.Fatalf("another user, after %d good statements: %v", served, err)
				}
				if got := scanRows(t, rows); len(got) != 1 {
					t.Fatalf("rows %q", got)
				}
				cancel()
				served++
			}
			close(over)
			wg.Wait()
			if attack.settings != "" && named.Load() == 0 {
				t.Error("no session was refused anything")
			}
			peak := c.peak(t)
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
	c := startConsole(t, pd.Endpoints(), "-log-level", "error", "-config", withUsers(t, ""))
	var conns []*rawSession
	defer func() {
		for _, s := range conns {
			s.nc.Close()
		}
	}()
	for {
		s, err := c.rawLogin("watch", "w4tch")
		if err != nil {
			if !strings.Contains(err.Error(), "max-user-connections") || len(conns) != 768 {
				t.Errorf("after %d connections: %v", len(conns), err)
			}
			break
		}
		conns = append(conns, s)
	}
	if err := c.login(t, "chief", "ch1ef", nil).Ping(); err != nil {
		t.Error(err)
	}
	if peak := c.peak(t); peak > maxRSS {
		t.Errorf("peak resident memory %d MB", peak>>20)
	} else {
		t.Logf("%d connections, peak resident memory %d MB", len(conns), peak>>20)
	}
}

// peak is the most that has been resident, in bytes.
func (c *console) peak(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kb << 10
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

// serverError is what the console answered.
type serverError struct {
	code    uint16
	message string
}

func (e *serverError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.message) }

func isServerError(err error) bool {
	var e *serverError
	return errors.As(err, &e)
}

// rawSession speaks the protocol as no driver does.
type rawSession struct {
	nc net.Conn
	in *bufio.Reader

	over  chan struct{} // closed when the attack ends
	there *atomic.Int64
}

// rawLogin logs in with mysql_native_password.
func (c *console) rawLogin(user, password string) (*rawSession, error) {
	nc, err := net.Dial("tcp", c.addr())
	if err != nil {
		return nil, err
	}
	s := &rawSession{nc: nc, in: bufio.NewReader(nc)}
	err = s.logIn(user, password)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return s, nil
}

func (s *rawSession) logIn(user, password string) error {
	greeting, err := readPacket(s.in)
	if err != nil {
		return err
	}
	at := strings.IndexByte(string(greeting), 0) + 5
	scramble := append([]byte(nil), greeting[at:at+8]...)
	scramble = append(scramble, greeting[at+27:at+39]...)
	b := binary.LittleEndian.AppendUint32(nil, 0x000fa205|1<<16)
	b = append(binary.LittleEndian.AppendUint32(b, 1<<24), 45)
	b = append(b, make([]byte, 23)...)
	b = append(b, user+"\x00\x14"+string(gomysql.CalcNativePassword(scramble, []byte(password)))+"mysql_native_password\x00"...)
	if _, err := s.nc.Write(packet(1, b)); err != nil {
		return err
	}
	answer, err := s.answer()
	if err == nil && answer[0] == 0xfe { // asked once more
		scramble = answer[strings.IndexByte(string(answer), 0)+1:][:20]
		if _, err = s.nc.Write(packet(3, gomysql.CalcNativePassword(scramble, []byte(password)))); err == nil {
			_, err = s.answer()
		}
	}
	return err
}

// answer reads one packet; an error packet is a *serverError.
func (s *rawSession) answer() ([]byte, error) {
	p, err := readPacket(s.in)
	if err == nil && len(p) > 9 && p[0] == 0xff {
		return nil, &serverError{binary.LittleEndian.Uint16(p[1:]), string(p[9:])}
	}
	return p, err
}

// send sends a command of less than 16 MiB. The console may answer and hang up meanwhile.
func (s *rawSession) send(command byte, payload string) error {
	_, err := s.nc.Write(packet(0, append([]byte{command}, payload...)))
	if err != nil {
		if _, said := s.answer(); isServerError(said) {
			return said
		}
	}
	return err
}

func (s *rawSession) command(command byte, payload string) ([]byte, error) {
	if err := s.send(command, payload); err != nil {
		return nil, err
	}
	return s.answer()
}

func (s *rawSession) prepare(sql string) (id uint32, err error) {
	p, err := s.command(0x16, sql)
	if err != nil {
		return 0, err
	}
	id = binary.LittleEndian.Uint32(p[1:])
	columns, params := binary.LittleEndian.Uint16(p[5:]), binary.LittleEndian.Uint16(p[7:])
	for _, n := range []uint16{params, columns} {
		if n == 0 {
			continue
		}
		for range n + 1 {
			if _, err := s.answer(); err != nil {
				return 0, err
			}
		}
	}
	return id, nil
}

// query runs a text and reads all that it gives.
func (s *rawSession) query(sql string) error {
	p, err := s.command(0x03, sql)
	for ends := 0; err == nil && (p[0] != 0 || ends > 0); p, err = s.answer() {
		if p[0] == 0xfe && len(p) < 9 {
			if ends++; ends == 2 {
				return nil
			}
		}
	}
	return err
}

func (s *rawSession) openCursor(id uint32) error {
	p, err := s.command(0x17, string(binary.LittleEndian.AppendUint32(nil, id))+"\x01\x01\x00\x00\x00")
	for err == nil && !(p[0] == 0xfe && len(p) < 9) {
		p, err = s.answer()
	}
	return err
}

// times runs f until it fails.
func (s *rawSession) times(n int, f func(i int) error) error {
	for i := range n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// endOfAttack waits for the end of the attack.
func (s *rawSession) endOfAttack() error {
	s.there.Add(1)
	defer s.there.Add(-1)
	<-s.over
	return nil
}
