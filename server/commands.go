package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
	"pumphouse/server/session"
	"pumphouse/server/session/privilege"
	"pumphouse/server/wire"
)

// commandName is what the process list shows.
func commandName(command byte) string {
	switch command {
	case mysql.COM_QUERY:
		return "Query"
	case mysql.COM_STMT_EXECUTE:
		return "Execute"
	case mysql.COM_STMT_PREPARE:
		return "Prepare"
	case mysql.COM_STMT_FETCH:
		return "Fetch"
	case mysql.COM_STMT_CLOSE:
		return "Close stmt"
	case mysql.COM_STMT_RESET:
		return "Reset stmt"
	case mysql.COM_STMT_SEND_LONG_DATA:
		return "Long Data"
	case mysql.COM_INIT_DB:
		return "Init DB"
	case mysql.COM_FIELD_LIST:
		return "Field List"
	case mysql.COM_PING:
		return "Ping"
	case mysql.COM_STATISTICS:
		return "Statistics"
	case mysql.COM_PROCESS_INFO:
		return "Processlist"
	case mysql.COM_PROCESS_KILL:
		return "Kill"
	case mysql.COM_CHANGE_USER:
		return "Change user"
	case mysql.COM_RESET_CONNECTION:
		return "Reset connection"
	case mysql.COM_SET_OPTION:
		return "Set option"
	case mysql.COM_QUIT:
		return "Quit"
	}
	return "Error"
}

// dispatch runs one command and writes its answer. False: the connection ends.
func (c *conn) dispatch(ctx context.Context, command byte, payload []byte) bool {
	c.answered = false
	switch command {
	case mysql.COM_QUERY:
		c.query(ctx, c.decode.Decode(payload))
	case mysql.COM_STMT_EXECUTE:
		c.execute(ctx, payload)
	case mysql.COM_STMT_PREPARE:
		c.prepare(ctx, c.decode.Decode(payload))
	case mysql.COM_STMT_FETCH:
		c.fetch(ctx, payload)
	case mysql.COM_STMT_SEND_LONG_DATA:
		c.longData(payload)
	case mysql.COM_STMT_CLOSE:
		c.closeStatement(payload)
	case mysql.COM_STMT_RESET:
		c.resetStatement(payload)
	case mysql.COM_QUIT:
		return false
	case mysql.COM_INIT_DB:
		c.answer(ctx, c.sess.UseDB(ctx, c.decode.Decode(payload)))
	case mysql.COM_FIELD_LIST:
		c.fieldList(ctx, payload)
	case mysql.COM_PING:
		c.ok()
	case mysql.COM_STATISTICS:
		c.wire.WriteText(c.srv.statistics())
	case mysql.COM_PROCESS_INFO:
		c.query(ctx, "SHOW PROCESSLIST")
	case mysql.COM_PROCESS_KILL:
		c.kill(ctx, payload)
	case mysql.COM_REFRESH:
		c.refresh()
	case mysql.COM_CHANGE_USER:
		return c.changeUser(payload)
	case mysql.COM_RESET_CONNECTION:
		c.dropStatements()
		c.sess.Reset()
		c.useCharsets()
		c.ok()
	case mysql.COM_SET_OPTION:
		c.setOption(payload)
	default:
		c.wire.WriteError(errUnknownCommand())
	}
	return true
}

// query runs a text of one or more statements.
func (c *conn) query(ctx context.Context, sql string) {
	c.setInfo(sql)
	c.finish(ctx, c.sess.Query(ctx, sql, c.emitText))
}

// emit writes one statement's outcome in text form.
func (c *conn) emit(o *session.Outcome, more bool) error { return c.write(o, more, textRows) }

// rowsWriter writes all rows of an outcome: as text or binary.
type rowsWriter func(c *conn, o *session.Outcome) error

func textRows(c *conn, o *session.Outcome) error {
	if o.Kept != nil {
		kept, ok := o.Kept.Load().(*wire.TextRows)
		if !ok {
			kept = wire.EncodeTextRows(o.Rows.Columns, o.Rows.Rows)
			o.Kept.Store(kept)
		}
		if c.wire.Fits(kept) {
			return c.wire.WriteTextRows(kept)
		}
	}
	for _, row := range o.Rows.Rows {
		if err := c.writeRow(row, func() error { return c.wire.WriteTextRow(o.Rows.Columns, row) }); err != nil {
			return err
		}
	}
	return nil
}

func binaryRows(c *conn, o *session.Outcome) error {
	for _, row := range o.Rows.Rows {
		if err := c.writeRow(row, func() error { return c.wire.WriteBinaryRow(o.Rows.Columns, row) }); err != nil {
			return err
		}
	}
	return nil
}

// largeRow is from how many bytes on the copy of a row in the write buffer is taken of the share.
const largeRow = 64 << 10

// writeRow writes a row. A row that does not fit in memory once more is the error of the result.
func (c *conn) writeRow(row []engine.Value, write func() error) error {
	n := 0
	for i := range row {
		n += len(row[i].Str())
	}
	if n < largeRow {
		return write()
	}
	if err := c.share.Take(int64(n)); err != nil {
		return err
	}
	defer c.share.Give(int64(n))
	c.wire.Grow(n + n/64 + largeRow)
	return write()
}

func (c *conn) write(o *session.Outcome, more bool, writeRows rowsWriter) error {
	status := o.Status
	if more {
		status |= mysql.SERVER_MORE_RESULTS_EXISTS
	}
	c.answered = !more
	c.useCharsets()
	if o.Rows == nil {
		c.wire.WriteOK(wire.OK{
			Affected: o.Affected, LastInsertID: o.LastInsertID, Status: status, Warnings: o.Warnings, Info: o.Info,
		})
		return nil
	}
	c.wire.WriteColumns(o.Rows.Columns, status, o.Warnings)
	if err := writeRows(c, o); err != nil {
		return err
	}
	c.wire.WriteEnd(status, o.Warnings)
	return nil
}

// finish ends a command whose results were emitted: with the error, or with an OK if
// nothing has answered the client yet.
func (c *conn) finish(ctx context.Context, err error) {
	c.useCharsets()
	switch {
	case err != nil:
		c.wire.WriteError(asClientError(ctx, err))
	case !c.answered:
		c.ok()
	}
}

// answer writes OK or the error.
func (c *conn) answer(ctx context.Context, err error) {
	if err != nil {
		c.wire.WriteError(asClientError(ctx, err))
		return
	}
	c.ok()
}

func (c *conn) ok() { c.wire.WriteOK(wire.OK{Status: c.sess.Status()}) }

// useCharsets follows the session's character sets.
func (c *conn) useCharsets() {
	if name := c.sess.ResultCharset(); name != c.charset || c.decode == nil {
		if cs, ok := wire.LookupCharset(name); ok {
			c.wire.SetCharset(cs)
		}
		c.charset = name
	}
	if name := c.sess.ClientCharset(); c.decode == nil || name != c.decode.Name() {
		cs, ok := wire.LookupCharset(name)
		if !ok {
			cs, _ = wire.LookupCharset("")
		}
		c.decode = cs
	}
}

// fieldList answers with a table's columns: name, NUL, wildcard.
func (c *conn) fieldList(ctx context.Context, payload []byte) {
	table, wildcard, ok := bytes.Cut(payload, []byte{0})
	if !ok {
		c.wire.WriteError(errMalformed())
		return
	}
	cols, err := c.sess.FieldList(ctx, c.decode.Decode(table), c.decode.Decode(wildcard))
	if err != nil {
		c.wire.WriteError(asClientError(ctx, err))
		return
	}
	c.wire.WriteFieldList(cols, c.sess.Status(), 0)
}

// kill goes the way of the statement KILL, so that both obey one rule.
func (c *conn) kill(ctx context.Context, payload []byte) {
	if len(payload) < 4 {
		c.wire.WriteError(errMalformed())
		return
	}
	c.query(ctx, "KILL "+strconv.FormatUint(uint64(binary.LittleEndian.Uint32(payload)), 10))
}

// refresh has nothing to reload; it says so to those who could ask for it on MySQL.
func (c *conn) refresh() {
	if c.account.Role != privilege.Admin {
		c.wire.WriteError(wire.Fail(mysql.ER_SPECIFIC_ACCESS_DENIED_ERROR, "RELOAD"))
		return
	}
	c.ok()
}

// setOption turns several statements in one text on (0) or off (1).
func (c *conn) setOption(payload []byte) {
	if len(payload) < 2 || payload[0] > 1 || payload[1] != 0 {
		c.wire.WriteError(errUnknownCommand())
		return
	}
	c.sess.SetMultiStatements(payload[0] == 0)
	c.wire.WriteEnd(c.sess.Status(), 0)
}
