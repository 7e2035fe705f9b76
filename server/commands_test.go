package server

import (
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

func TestSmallCommands(t *testing.T) {
	h := open(t, Options{}, nil)
	c := dialRaw(t, h)
	c.login("root")

	c.send(0, "\x0e") // PING
	c.expectOK()
	c.send(0, "\x02binlog") // INIT_DB
	c.expectOK()
	if db := h.session().db; db != "binlog" {
		t.Errorf("database %q", db)
	}
	c.send(0, "\x02nowhere")
	c.expectError(1049)
	c.send(0, "\x09") // STATISTICS
	if line := string(c.read()); !strings.HasPrefix(line, "Uptime: ") || !strings.Contains(line, "  Threads: 1  Questions: ") {
		t.Errorf("got %q", line)
	}
	c.send(0, "\x04pumps\x00Node%") // FIELD_LIST
	if p := string(c.read()); !strings.Contains(p, "\x05pumps") || !strings.HasSuffix(p, "\xfb") {
		t.Errorf("got %q", p)
	}
	if p := c.read(); p[0] != gomysql.EOF_HEADER {
		t.Errorf("got %q", p)
	}
	c.send(0, "\x1b\x00\x00") // SET_OPTION: several statements
	if p := c.read(); p[0] != gomysql.EOF_HEADER || !h.session().multi {
		t.Errorf("got %q", p)
	}
	c.send(0, "\x1b\x07\x00")
	c.expectError(1047)
	c.send(0, "\x07\x01") // REFRESH
	c.expectOK()
	for _, unknown := range []string{"\x00", "", "\x05x", "\x08", "\x12", "\x1e", "\x63", "\xfa", "\xff"} {
		c.send(0, unknown)
		c.expectError(1047)
	}
	for _, short := range []string{"\x0c", "\x0c\x01", "\x1a", "\x1c\x01\x00", "\x04noterminator", "\x17"} {
		c.send(0, short)
		c.expectError(1835)
	}
	c.send(0, "\x0c\xff\xff\x00\x00") // PROCESS_KILL
	c.expectError(1094)
	c.send(0, "\x01") // QUIT
	c.expectClosed()
}

func TestProcessKillEndsAnother(t *testing.T) {
	h := open(t, Options{}, nil)
	victim := dialRaw(t, h)
	victim.login("root")
	id := byte(h.session().id)
	c := dialRaw(t, h)
	c.login("root")
	c.send(0, "\x0c"+string([]byte{id, 0, 0, 0}))
	c.expectOK()
	victim.expectClosed()
}

func TestResultsFollowTheCharacterSet(t *testing.T) {
	h := open(t, Options{}, nil)
	for _, c := range []struct{ charset, in, out, collation string }{
		{"utf8mb4", "é中😀", "é中😀", "\x2d\x00"},
		{"utf8", "é中😀", "é中?", "\x21\x00"},
		{"latin1", "\xe9", "\xe9", "\x08\x00"},
		{"gbk", "\xd6\xd0", "\xd6\xd0", "\x1c\x00"},
		{"ascii", "é", "??", "\x0b\x00"}, // two bytes that are no ASCII
		{"binary", "\xff", "\xff", "\x2d\x00"},
	} {
		t.Run(c.charset, func(t *testing.T) {
			r := dialRaw(t, h)
			r.login("root")
			r.send(0, "\x03charset "+c.charset)
			r.expectOK()
			r.send(0, "\x03echo "+c.in)
			r.read()
			if column := string(r.read()); !strings.Contains(column, "\x0c"+c.collation) {
				t.Errorf("column %q, want collation %x", column, c.collation)
			}
			r.read()
			if row := string(r.read()); row[1:] != c.out {
				t.Errorf("got %x, want %x", row[1:], c.out)
			}
			r.read()
		})
	}
}
