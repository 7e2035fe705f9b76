package server

import (
	"context"
	"encoding/binary"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
	"pumphouse/server/session"
	"pumphouse/server/wire"
)

// statement is one prepared statement of a connection.
type statement struct {
	id       uint32
	prepared *session.Prepared
	params   *wire.Params
	cursor   *cursor // open cursor, nil for none
	bytes    int64   // taken for the statement without long data and cursor
}

// cursor is a result the client takes in pieces. Results are held in memory whole, so
// a cursor is just a place in one.
type cursor struct {
	rows     *engine.Result
	next     int
	status   uint16
	warnings uint16
	bytes    int64 // taken for it
}

func (c *conn) prepare(ctx context.Context, sql string) {
	c.setInfo(sql)
	if !c.srv.reservePrepared(1) {
		c.wire.WriteError(errTooManyPrepared(c.srv.opts.MaxPrepared))
		return
	}
	p, err := c.sess.Prepare(ctx, sql)
	if err == nil && p.Params > 0xffff {
		err = wire.Fail(mysql.ER_PS_MANY_PARAM)
	}
	if err == nil {
		err = c.share.Take(p.Size())
	}
	if err != nil {
		c.srv.reservePrepared(-1)
		c.wire.WriteError(asClientError(ctx, err))
		return
	}
	c.lastStmt++
	for c.lastStmt == 0 || c.stmts[c.lastStmt] != nil {
		c.lastStmt++
	}
	if c.stmts == nil {
		c.stmts = make(map[uint32]*statement)
	}
	c.srv.counters.prepares.Add(1)
	c.stmts[c.lastStmt] = &statement{id: c.lastStmt, prepared: p, params: wire.NewParams(p.Params), bytes: p.Size()}
	c.wire.WritePrepared(c.lastStmt, p.Params, p.Columns, c.sess.Status(), c.sess.Warnings())
}

func (c *conn) execute(ctx context.Context, payload []byte) {
	e, err := wire.ParseExecute(payload)
	if err != nil {
		c.wire.WriteError(asClientError(ctx, err))
		return
	}
	st := c.stmts[e.Statement]
	if st == nil {
		c.wire.WriteError(errUnknownStatement(e.Statement, "mysqld_stmt_execute"))
		return
	}
	c.closeCursor(st)
	c.setInfo(st.prepared.SQL)
	long := int64(st.params.LongSize())
	err = c.share.Take(long) // for the values made of it
	if err != nil {
		c.dropLong(st)
		c.wire.WriteError(asClientError(ctx, err))
		return
	}
	defer c.share.Give(2 * long)
	defer st.params.Forget()
	args, err := st.params.Decode(e, c.decode)
	if err != nil {
		c.wire.WriteError(asClientError(ctx, err))
		return
	}
	err = c.sess.Execute(ctx, st.prepared, args, func(o *session.Outcome, more bool) error {
		if e.Cursor && o.Rows != nil && !more {
			return c.openCursor(st, o)
		}
		return c.write(o, more, binaryRows)
	})
	c.finish(ctx, err)
}

// openCursor answers with the columns only; the rows wait for COM_STMT_FETCH. Here the
// list of columns is closed in either form of the protocol.
func (c *conn) openCursor(st *statement, o *session.Outcome) error {
	bytes := o.Rows.Bytes()
	if err := c.share.Take(bytes); err != nil {
		return err
	}
	c.answered = true
	c.useCharsets()
	st.cursor = &cursor{rows: o.Rows, status: o.Status, warnings: o.Warnings, bytes: bytes}
	status := o.Status | mysql.SERVER_STATUS_CURSOR_EXISTS
	c.wire.WriteColumns(o.Rows.Columns, status, o.Warnings)
	if c.wire.Capabilities()&mysql.CLIENT_DEPRECATE_EOF != 0 {
		c.wire.WriteEnd(status, o.Warnings)
	}
	return nil
}

func (c *conn) closeCursor(st *statement) {
	if st.cursor != nil {
		c.share.Give(st.cursor.bytes)
		st.cursor = nil
	}
}

// fetch sends the next rows of a cursor: statement ID, number of rows.
func (c *conn) fetch(ctx context.Context, payload []byte) {
	if len(payload) < 8 {
		c.wire.WriteError(errMalformed())
		return
	}
	id, n := binary.LittleEndian.Uint32(payload), binary.LittleEndian.Uint32(payload[4:])
	st := c.stmts[id]
	if st == nil {
		c.wire.WriteError(errUnknownStatement(id, "mysqld_stmt_fetch"))
		return
	}
	cur := st.cursor
	if cur == nil {
		c.wire.WriteError(errNoCursor(id))
		return
	}
	c.setInfo(st.prepared.SQL)
	rows := cur.rows.Rows[cur.next:]
	rows = rows[:min(uint64(n), uint64(len(rows)))]
	for _, row := range rows {
		if err := c.writeRow(row, func() error { return c.wire.WriteBinaryRow(cur.rows.Columns, row) }); err != nil {
			c.wire.WriteError(asClientError(ctx, err))
			return
		}
	}
	cur.next += len(rows)
	status := cur.status | mysql.SERVER_STATUS_CURSOR_EXISTS
	if cur.next == len(cur.rows.Rows) {
		status = cur.status | mysql.SERVER_STATUS_LAST_ROW_SEND
		c.closeCursor(st)
	}
	c.wire.WriteEnd(status, cur.warnings)
}

// longData takes a piece of a parameter: statement ID, parameter, bytes. It has no
// answer; what is wrong is said by the execute that follows.
func (c *conn) longData(payload []byte) {
	if len(payload) < 6 {
		return
	}
	if st := c.stmts[binary.LittleEndian.Uint32(payload)]; st != nil {
		index := int(binary.LittleEndian.Uint16(payload[4:]))
		st.params.AddLong(index, payload[6:], int(c.srv.opts.Session.MaxPacket), c.share.Take)
	}
}

// closeStatement has no answer either.
func (c *conn) closeStatement(payload []byte) {
	if len(payload) < 4 {
		return
	}
	id := binary.LittleEndian.Uint32(payload)
	if st := c.stmts[id]; st != nil {
		c.dropStatement(st)
	}
}

// resetStatement drops long data and the cursor.
func (c *conn) resetStatement(payload []byte) {
	if len(payload) < 4 {
		c.wire.WriteError(errMalformed())
		return
	}
	id := binary.LittleEndian.Uint32(payload)
	st := c.stmts[id]
	if st == nil {
		c.wire.WriteError(errUnknownStatement(id, "mysqld_stmt_reset"))
		return
	}
	c.dropLong(st)
	c.closeCursor(st)
	c.ok()
}

func (c *conn) dropStatements() {
	for _, st := range c.stmts {
		c.dropStatement(st)
	}
}

func (c *conn) dropStatement(st *statement) {
	c.dropLong(st)
	c.closeCursor(st)
	c.share.Give(st.bytes)
	delete(c.stmts, st.id)
	c.srv.reservePrepared(-1)
}

func (c *conn) dropLong(st *statement) {
	c.share.Give(int64(st.params.LongSize()))
	st.params.Reset()
}
