package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
)

// Rows that were encoded once go out as the very bytes that they would have been anyway.
func TestTextRowsEqualRowsOneByOne(t *testing.T) {
	cols := []engine.Column{
		{Name: "a", Type: mysql.MYSQL_TYPE_VAR_STRING, Charset: 45}, {Name: "n", Type: mysql.MYSQL_TYPE_LONGLONG, Charset: binaryCollation},
	}
	var many [][]engine.Value
	for i := range 5000 { // several buffers, and sequence numbers go round
		many = append(many, []engine.Value{engine.String(fmt.Sprintf("pump%d", i)), engine.Int(int64(i) << 40)})
	}
	huge := strings.Repeat("x", mysql.MaxPayloadLen) // more than a packet
	for name, rows := range map[string][][]engine.Value{
		"none": nil,
		"one":  {{engine.Null(), engine.Int(1)}},
		"many": many,
		"huge": {{engine.String("é"), engine.Int(1)}, {engine.String(huge), engine.Int(2)}, {engine.String("end"), engine.Null()}},
	} {
		single, one := connOn(nil, 0)
		together, all := connOn(nil, 0)
		for range 2 { // the second time on other sequence numbers
			for _, c := range []*Conn{single, together} {
				c.WriteColumns(cols, 2, 0)
			}
			for _, row := range rows {
				if err := single.WriteTextRow(cols, row); err != nil {
					t.Fatal(err)
				}
			}
			if err := together.WriteTextRows(EncodeTextRows(cols, rows)); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []*Conn{single, together} {
			c.WriteEnd(2, 0)
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(one.out.Bytes(), all.out.Bytes()) {
			t.Errorf("%s: %d bytes, want %d, or others", name, all.out.Len(), one.out.Len())
		}
	}
}

func TestTextRowsFit(t *testing.T) {
	cols := []engine.Column{{Name: "a", Type: mysql.MYSQL_TYPE_VAR_STRING, Charset: 45}}
	for _, c := range []struct {
		text, charset string
		fits          bool
	}{
		{"pump1", "latin1", true}, {"pump1", "utf8mb4", true}, {"pümp", "utf8mb4", true}, {"pümp", "binary", true},
		{"pümp", "latin1", false}, {"pümp", "utf8", false}, {"pümp", "ascii", false},
	} {
		conn, _ := connOn(nil, 0)
		cs, _ := LookupCharset(c.charset)
		conn.SetCharset(cs)
		if got := conn.Fits(EncodeTextRows(cols, [][]engine.Value{{engine.String(c.text)}})); got != c.fits {
			t.Errorf("%q in %s: fits %t", c.text, c.charset, got)
		}
	}
}
