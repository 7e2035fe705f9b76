package server

import (
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/shopspring/decimal"

	"pumphouse/server/engine"
	"pumphouse/server/session"
)

func everyType() *session.Outcome {
	at := time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC)
	cols := []struct {
		col engine.Column
		val engine.Value
	}{
		{engine.Column{Name: "i", Type: gomysql.MYSQL_TYPE_LONGLONG, Charset: 63}, engine.Int(-5)},
		{engine.Column{Name: "u", Type: gomysql.MYSQL_TYPE_LONGLONG, Charset: 63, Flags: gomysql.UNSIGNED_FLAG}, engine.Uint(1<<64 - 1)},
		{engine.Column{Name: "f", Type: gomysql.MYSQL_TYPE_DOUBLE, Charset: 63}, engine.Float(1.5)},
		{engine.Column{Name: "d", Type: gomysql.MYSQL_TYPE_NEWDECIMAL, Charset: 63}, engine.Decimal(decimal.RequireFromString("12.340"))},
		{engine.Column{Name: "s", Type: gomysql.MYSQL_TYPE_VAR_STRING, Charset: 45}, engine.String("é")},
		{engine.Column{Name: "b", Type: gomysql.MYSQL_TYPE_BLOB, Charset: 63}, engine.Bytes([]byte{0, 255})},
		{engine.Column{Name: "day", Type: gomysql.MYSQL_TYPE_DATE, Charset: 63}, engine.Date(at.Truncate(24 * time.Hour))},
		{engine.Column{Name: "at", Type: gomysql.MYSQL_TYPE_DATETIME, Charset: 63, Decimals: 6}, engine.Datetime(at, 6)},
		{engine.Column{Name: "took", Type: gomysql.MYSQL_TYPE_TIME, Charset: 63}, engine.Duration(-(25*time.Hour + 90*time.Second), 0)},
		{engine.Column{Name: "n", Type: gomysql.MYSQL_TYPE_VAR_STRING, Charset: 45}, engine.Null()},
		{engine.Column{Name: "small", Type: gomysql.MYSQL_TYPE_TINY, Charset: 63}, engine.Int(-1)},
		{engine.Column{Name: "mid", Type: gomysql.MYSQL_TYPE_LONG, Charset: 63}, engine.Int(70000)},
	}
	r := &engine.Result{Rows: [][]engine.Value{nil}}
	for _, c := range cols {
		r.Columns = append(r.Columns, c.col)
		r.Rows[0] = append(r.Rows[0], c.val)
	}
	return &session.Outcome{Rows: r, Status: gomysql.SERVER_STATUS_AUTOCOMMIT}
}

func TestEveryTypeInTextAndBinary(t *testing.T) {
	h := open(t, Options{}, nil)
	db := h.db("root", "?parseTime=true")
	var (
		i, small, mid int64
		u             uint64
		f             float64
		d, s, took    string
		b             []byte
		day, at       time.Time
		n             *string
	)
	st, err := db.Prepare("types")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.QueryRow().Scan(&i, &u, &f, &d, &s, &b, &day, &at, &took, &n, &small, &mid); err != nil {
		t.Fatal(err)
	}
	wantAt := time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC)
	if i != -5 || u != 1<<64-1 || f != 1.5 || d != "12.340" || s != "é" || string(b) != "\x00\xff" || n != nil || small != -1 || mid != 70000 {
		t.Errorf("got %d %d %v %s %s %x %v %d %d", i, u, f, d, s, b, n, small, mid)
	}
	if !at.Equal(wantAt) || !day.Equal(wantAt.Truncate(24*time.Hour)) || took != "-25:01:30" {
		t.Errorf("got %v %v %v", at, day, took)
	}
}

func TestParametersArriveAsSent(t *testing.T) {
	h := open(t, Options{}, nil)
	st, err := h.db("root", "").Prepare("? ? ? ? ? ?")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var got string
	for range 2 { // the driver sends the types each time; see TestTypesAreRemembered
		if err := st.QueryRow(int64(-7), 2.5, "text", []byte("raw"), nil, at).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if want := "-7|2.5|text|raw|NULL|2026-01-02 03:04:05"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPrepareErrorsKeepTheirNumber(t *testing.T) {
	h := open(t, Options{MaxPrepared: 2}, nil)
	db := h.db("root", "")
	_, err := db.Prepare("bad")
	wantError(t, err, 1064)
	for range 2 {
		st, err := db.Prepare("echo x")
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
	}
	_, err = db.Prepare("echo y")
	wantError(t, err, 1461)
	_ = db.Close()
	waitUntil(t, func() bool { return h.Status()["Prepared_stmt_count"] == "0" })
}

// waitUntil polls for what the server does after the client's side is over.
func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// prepareRaw prepares and gives the statement ID; params definitions are read away.
func (c *rawClient) prepareRaw(sql string, params int) string {
	c.t.Helper()
	c.send(0, "\x16"+sql)
	id := string(c.expectOK()[1:5])
	if params > 0 {
		for range params + 1 { // with EOF
			c.read()
		}
	}
	for range 2 { // one column, EOF
		c.read()
	}
	return id
}

// binaryRow reads a result of one column and gives its row's only value.
func (c *rawClient) binaryRow() string {
	c.t.Helper()
	if p := c.read(); p[0] != 1 {
		c.t.Fatalf("got %q, want one column", p)
	}
	c.read() // the column
	c.read() // EOF
	row := c.read()
	if p := c.read(); p[0] != gomysql.EOF_HEADER {
		c.t.Fatalf("got %q, want EOF", p)
	}
	return string(row[3:]) // header, bitmap, length
}

const noTypes, newTypes = "\x00", "\x01"

func TestTypesAreRememberedAndLongDataIsTaken(t *testing.T) {
	h := open(t, Options{}, nil)
	c := dialRaw(t, h)
	c.login("root")
	id := c.prepareRaw("? ?", 2)
	execute := func(rest string) { c.send(0, "\x17"+id+"\x00\x01\x00\x00\x00"+rest) }

	execute("\x00" + noTypes + "\x01\x02") // nothing to remember yet
	c.expectError(1210)
	execute("\x00" + newTypes + "\x01\x00\xfd\x00" + "\x05" + "\x02ab")
	if got := c.binaryRow(); got != "5|ab" {
		t.Errorf("got %q", got)
	}
	execute("\x00" + noTypes + "\x06" + "\x02cd")
	if got := c.binaryRow(); got != "6|cd" {
		t.Errorf("re-execute without types: got %q", got)
	}
	execute("\x01" + noTypes + "\x02ef")
	if got := c.binaryRow(); got != "NULL|ef" {
		t.Errorf("NULL: got %q", got)
	}
	c.send(0, "\x18"+id+"\x01\x00long ")
	c.send(0, "\x18"+id+"\x01\x00data")
	execute("\x00" + noTypes + "\x07")
	if got := c.binaryRow(); got != "7|long data" {
		t.Errorf("long data: got %q", got)
	}
	c.send(0, "\x18"+id+"\x01\x00dropped")
	c.send(0, "\x1a"+id)
	c.expectOK()
	execute("\x00" + noTypes + "\x08\x02xy")
	if got := c.binaryRow(); got != "8|xy" {
		t.Errorf("after COM_STMT_RESET: got %q", got)
	}
	c.send(0, "\x18"+id+"\x05\x00no such parameter")
	execute("\x00" + noTypes + "\x08\x02xy")
	c.expectError(1210)
	// Values missing, or of an unknown type.
	execute("\x00" + noTypes + "\x08")
	c.expectError(1210)
	execute("\x01" + noTypes + "\x02xy\x00") // a stray byte for the NULL, as mysql2 sends it
	if got := c.binaryRow(); got != "NULL|xy" {
		t.Errorf("stray byte: got %q", got)
	}
	execute("\x00" + newTypes + "\x01\x00\x40\x00" + "\x05" + "\x02ab")
	c.expectError(1210)
	c.send(0, "\x17\x63\x00\x00\x00\x00\x01\x00\x00\x00")
	c.expectError(1243)
	c.send(0, "\x17\x01")
	c.expectError(1835)
	c.send(0, "\x19"+id) // close: no answer
	execute("")
	c.expectError(1243)
}

func TestLongDataIsBounded(t *testing.T) {
	opts := Options{}
	opts.Session.MaxPacket = 1000
	h := open(t, opts, nil)
	c := dialRaw(t, h)
	c.login("root")
	id := c.prepareRaw("?", 1)
	piece := string(make([]byte, 600))
	c.send(0, "\x18"+id+"\x00\x00"+piece)
	c.send(0, "\x18"+id+"\x00\x00"+piece)
	c.send(0, "\x17"+id+"\x00\x01\x00\x00\x00\x00\x01\xfc\x00")
	c.expectError(1153)
	c.send(0, "\x0e")
	c.expectOK()
}

func TestCursorIsFetchedInPieces(t *testing.T) {
	h := open(t, Options{}, nil)
	c := dialRaw(t, h)
	c.login("root")
	id := c.prepareRaw("rows 5", 0)
	fetch := func(n byte) (rows int, status uint16) {
		c.send(0, "\x1c"+id+string([]byte{n, 0, 0, 0}))
		for {
			p := c.read()
			switch p[0] {
			case gomysql.EOF_HEADER:
				return rows, uint16(p[3]) | uint16(p[4])<<8
			case gomysql.OK_HEADER:
				rows++
			default:
				t.Fatalf("got %q", p)
			}
		}
	}
	c.send(0, "\x1c"+id+"\x01\x00\x00\x00")
	c.expectError(1421)
	c.send(0, "\x17"+id+"\x01\x01\x00\x00\x00")
	c.read()
	c.read()
	eof := c.read()
	if eof[0] != gomysql.EOF_HEADER || eof[3]&byte(gomysql.SERVER_STATUS_CURSOR_EXISTS) == 0 {
		t.Fatalf("the columns end with %q, want EOF with a cursor", eof)
	}
	if rows, status := fetch(3); rows != 3 || status&gomysql.SERVER_STATUS_CURSOR_EXISTS == 0 {
		t.Errorf("first fetch: %d rows, status %x", rows, status)
	}
	if rows, status := fetch(3); rows != 2 || status&gomysql.SERVER_STATUS_LAST_ROW_SEND == 0 {
		t.Errorf("last fetch: %d rows, status %x", rows, status)
	}
	c.send(0, "\x1c"+id+"\x01\x00\x00\x00")
	c.expectError(1421)
}
