package wire

import (
	"encoding/binary"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
)

// OK is what an OK packet tells.
type OK struct {
	Affected     uint64
	LastInsertID uint64
	Status       uint16
	Warnings     uint16
	Info         string
}

// WriteOK writes an OK packet.
func (c *Conn) WriteOK(ok OK) {
	at := c.begin()
	c.appendOK(mysql.OK_HEADER, ok)
	c.end(at)
}

func (c *Conn) appendOK(header byte, ok OK) {
	c.out = append(c.out, header)
	c.out = mysql.AppendLengthEncodedInteger(c.out, ok.Affected)
	c.out = mysql.AppendLengthEncodedInteger(c.out, ok.LastInsertID)
	c.out = binary.LittleEndian.AppendUint16(c.out, ok.Status)
	c.out = binary.LittleEndian.AppendUint16(c.out, ok.Warnings)
	if ok.Info != "" {
		// With its length, as the C client reads it; the manual's "string<EOF>" is
		// what only the lazier clients assume.
		c.appendText(ok.Info)
	}
}

// WriteEnd closes a list of columns or rows: EOF, or OK in its place for clients that
// can do CLIENT_DEPRECATE_EOF.
func (c *Conn) WriteEnd(status, warnings uint16) {
	if c.caps&mysql.CLIENT_DEPRECATE_EOF == 0 {
		c.WriteEOF(status, warnings)
		return
	}
	at := c.begin()
	c.appendOK(mysql.EOF_HEADER, OK{Status: status, Warnings: warnings})
	c.end(at)
}

// WriteEOF writes the classic EOF packet, whatever the client can do.
func (c *Conn) WriteEOF(status, warnings uint16) {
	at := c.begin()
	c.out = append(c.out, mysql.EOF_HEADER)
	c.out = binary.LittleEndian.AppendUint16(c.out, warnings)
	c.out = binary.LittleEndian.AppendUint16(c.out, status)
	c.end(at)
}

// WriteError writes an ERR packet. Before a handshake has told what the client can do,
// the SQLSTATE is left out.
func (c *Conn) WriteError(e *engine.Error) {
	at := c.begin()
	c.out = append(c.out, mysql.ERR_HEADER)
	c.out = binary.LittleEndian.AppendUint16(c.out, e.Code)
	if c.caps&mysql.CLIENT_PROTOCOL_41 != 0 {
		state := e.State
		if len(state) != 5 {
			state = mysql.DEFAULT_MYSQL_STATE
		}
		c.out = append(c.out, '#')
		c.out = append(c.out, state...)
	}
	c.out = c.charset.append(c.out, e.Message)
	c.end(at)
}

// WriteText writes a packet that is nothing but a text (COM_STATISTICS).
func (c *Conn) WriteText(s string) {
	at := c.begin()
	c.out = append(c.out, s...)
	c.end(at)
}

// WriteColumns writes the head of a result: the number of columns and what they are.
// With CLIENT_DEPRECATE_EOF nothing closes the list, except before a cursor.
func (c *Conn) WriteColumns(cols []engine.Column, status, warnings uint16) {
	at := c.begin()
	c.out = mysql.AppendLengthEncodedInteger(c.out, uint64(len(cols)))
	c.end(at)
	c.WriteColumnList(cols, status, warnings)
}

// WriteColumnList writes definitions without their number, as they follow a prepare.
func (c *Conn) WriteColumnList(cols []engine.Column, status, warnings uint16) {
	for i := range cols {
		at := c.begin()
		c.appendColumn(&cols[i])
		c.end(at)
	}
	if c.caps&mysql.CLIENT_DEPRECATE_EOF == 0 {
		c.WriteEOF(status, warnings)
	}
}

// WriteFieldList answers COM_FIELD_LIST: definitions with a default value each, here
// always NULL.
func (c *Conn) WriteFieldList(cols []engine.Column, status, warnings uint16) {
	for i := range cols {
		at := c.begin()
		c.appendColumn(&cols[i])
		c.out = append(c.out, nullMark)
		c.end(at)
	}
	c.WriteEnd(status, warnings)
}

// appendColumn writes Protocol::ColumnDefinition41.
func (c *Conn) appendColumn(col *engine.Column) {
	collation, length := c.charset.columnMeta(col.Charset, col.Length)
	c.out = append(c.out, 3, 'd', 'e', 'f')
	c.appendText(col.Schema)
	c.appendText(col.Table)
	c.appendText(col.OrgTable)
	c.appendText(col.Name)
	c.appendText(col.OrgName)
	c.out = append(c.out, 0x0c) // length of what follows
	c.out = binary.LittleEndian.AppendUint16(c.out, collation)
	c.out = binary.LittleEndian.AppendUint32(c.out, length)
	c.out = append(c.out, col.Type)
	c.out = binary.LittleEndian.AppendUint16(c.out, col.Flags)
	c.out = append(c.out, col.Decimals, 0, 0)
}

// appendText writes a length-encoded text in the client's character set.
func (c *Conn) appendText(s string) {
	if c.charset.kind != asIs && !isASCII(s) {
		c.rowText = c.charset.append(c.rowText[:0], s)
		c.out = mysql.AppendLengthEncodedInteger(c.out, uint64(len(c.rowText)))
		c.out = append(c.out, c.rowText...)
		return
	}
	c.appendString(s)
}

// appendString writes a length-encoded string byte for byte.
func (c *Conn) appendString(s string) {
	c.out = mysql.AppendLengthEncodedInteger(c.out, uint64(len(s)))
	c.out = append(c.out, s...)
}

// WritePrepared answers COM_STMT_PREPARE.
func (c *Conn) WritePrepared(id uint32, params int, cols []engine.Column, status, warnings uint16) {
	at := c.begin()
	c.out = append(c.out, mysql.OK_HEADER)
	c.out = binary.LittleEndian.AppendUint32(c.out, id)
	c.out = binary.LittleEndian.AppendUint16(c.out, uint16(len(cols)))
	c.out = binary.LittleEndian.AppendUint16(c.out, uint16(params))
	c.out = append(c.out, 0)
	c.out = binary.LittleEndian.AppendUint16(c.out, warnings)
	c.end(at)
	if params > 0 {
		// One definition serves for all: what a parameter is comes with the execute.
		param := engine.Column{Name: "?", Type: mysql.MYSQL_TYPE_VAR_STRING, Flags: mysql.BINARY_FLAG, Charset: binaryCollation}
		for range params {
			at := c.begin()
			c.appendColumn(&param)
			c.end(at)
		}
		if c.caps&mysql.CLIENT_DEPRECATE_EOF == 0 {
			c.WriteEOF(status, warnings)
		}
	}
	if len(cols) > 0 {
		c.WriteColumnList(cols, status, warnings)
	}
}
