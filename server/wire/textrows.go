package wire

import "pumphouse/server/engine"

// TextRows are rows as [Conn.WriteTextRow] sends them, encoded once for all who ask for
// the same. They never change.
type TextRows struct {
	packets []byte // with sequence numbers that are still to be filled in
	ascii   bool   // good for every character set
}

// EncodeTextRows encodes rows in utf8mb4.
func EncodeTextRows(cols []engine.Column, rows [][]engine.Value) *TextRows {
	var buf []byte
	c := &Conn{outBuf: &buf, open: -1, charset: utf8mb4}
	r := &TextRows{ascii: true}
	for _, row := range rows {
		c.appendTextRow(cols, row)
		for _, v := range row {
			if v.Kind() == engine.KindString && !isASCII(v.Str()) {
				r.ascii = false
			}
		}
	}
	r.packets = c.out
	return r
}

// Fits reports whether the rows can be sent to this client without another encoding.
func (c *Conn) Fits(r *TextRows) bool { return r.ascii || c.charset.kind == asIs }

// WriteTextRows writes rows that fit.
func (c *Conn) WriteTextRows(r *TextRows) error {
	for rest := r.packets; len(rest) > 0; {
		// As many packets at once as WriteTextRow would gather.
		n := 0
		for n < len(rest) && n < flushThreshold {
			n += packetSize(rest[n:])
		}
		at := c.begin()
		c.out = append(c.out[:at], rest[:n]...)
		for ; at < len(c.out); at += packetSize(c.out[at:]) {
			c.out[at+3] = c.seq
			c.seq++
		}
		c.open = -1
		rest = rest[n:]
		if err := c.sendIfLarge(); err != nil {
			return err
		}
	}
	return nil
}

// packetSize is the length of the packet that b begins with, header included.
func packetSize(b []byte) int { return headerSize + (int(b[0]) | int(b[1])<<8 | int(b[2])<<16) }
