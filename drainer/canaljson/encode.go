package canaljson

import (
	"bytes"
	"strconv"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// Encoder makes messages. It is for one goroutine.
type Encoder struct {
	zone      *time.Location
	extension bool
	now       func() time.Time
	tables    map[*schema.Table]*table
	buf       []byte // of the message
	text      []byte // of a value
}

// NewEncoder makes an encoder. zone is that of the timestamps in rows and of defaults; with extension messages
// have _tidb.
func NewEncoder(zone *time.Location, extension bool) *Encoder {
	return &Encoder{zone: zone, extension: extension, now: time.Now, tables: make(map[*schema.Table]*table)}
}

// Row is the message of a change. The error is of a table whose definition cannot be used.
func (e *Encoder) Row(commitTS nodes.TSO, c *txn.Change) ([]byte, error) {
	return e.row(commitTS, c, false)
}

// KeyOnly is the message of a change with the columns of its primary key alone, or of a unique key without NULLs; with the
// extension it says so. The error is also of a table without such a key.
func (e *Encoder) KeyOnly(commitTS nodes.TSO, c *txn.Change) ([]byte, error) {
	return e.row(commitTS, c, true)
}

func (e *Encoder) row(commitTS nodes.TSO, c *txn.Change, keyOnly bool) ([]byte, error) {
	t, err := e.table(c.Table)
	if err != nil {
		return nil, err
	}
	columns := t.columns
	if keyOnly {
		if columns, err = t.keyColumns(); err != nil {
			return nil, err
		}
	}
	tp, row := "INSERT", c.New
	switch c.Op {
	case txn.Update:
		tp = "UPDATE"
	case txn.Delete:
		tp, row = "DELETE", c.Old
	}
	b := append(e.buf[:0], t.head...)
	b = append(append(b, tp...), '"')
	b = e.appendTimes(b, commitTS)
	b = append(b, `,"sql":"","sqlType":{`...)
	for i, col := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, col.name...)
		b = strconv.AppendInt(b, int64(col.sqlTypeOf(row[col.i])), 10)
	}
	b = append(b, `},"mysqlType":{`...)
	for i, col := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, col.name...)
		b = append(b, col.mysqlType...)
	}
	b = append(b, `},"data":`...)
	b = e.appendRow(b, columns, row)
	b = append(b, `,"old":`...)
	if c.Op == txn.Update {
		b = e.appendRow(b, columns, c.Old)
	} else {
		b = append(b, "null"...)
	}
	if e.extension {
		b = append(b, `,"_tidb":{"commitTs":`...)
		b = strconv.AppendInt(b, int64(commitTS), 10)
		if keyOnly {
			b = append(b, `,"onlyHandleKey":true`...)
		}
		b = append(b, '}')
	}
	return e.done(b), nil
}

// DDL is the message of a statement.
func (e *Encoder) DDL(t *sink.Txn) []byte {
	table := t.DDL.Table
	if t.DDL.After != nil {
		table = t.DDL.After.Name
	}
	b := append(e.buf[:0], `{"id":0,"database":`...)
	b = appendQuoted(b, []byte(t.DDL.Schema))
	b = append(b, `,"table":`...)
	b = appendQuoted(b, []byte(table))
	b = append(b, `,"pkNames":null,"isDdl":true,"type":"`...)
	b = append(append(b, ddlType(t.DDL)...), '"')
	b = e.appendTimes(b, t.CommitTS)
	b = append(b, `,"sql":`...)
	b = appendQuoted(b, []byte(t.Query))
	b = append(b, noRow...)
	if e.extension {
		b = append(b, `,"_tidb":{"commitTs":`...)
		b = append(strconv.AppendInt(b, int64(t.CommitTS), 10), '}')
	}
	return e.done(b)
}

// noRow are the fields of rows in a message without one.
const noRow = `,"sqlType":null,"mysqlType":null,"data":null,"old":null`

// Watermark is the message that everything up to a commit TS has been sent. It is of use with the extension only.
func (e *Encoder) Watermark(ts nodes.TSO) []byte {
	b := append(e.buf[:0], `{"id":0,"database":"","table":"","pkNames":null,"isDdl":false,"type":"TIDB_WATERMARK"`...)
	b = e.appendTimes(b, ts)
	b = append(b, `,"sql":""`...)
	b = append(b, noRow...)
	b = append(b, `,"_tidb":{"watermarkTs":`...)
	b = append(strconv.AppendInt(b, int64(ts), 10), '}')
	return e.done(b)
}

func (e *Encoder) appendTimes(b []byte, ts nodes.TSO) []byte {
	b = append(b, `,"es":`...)
	b = strconv.AppendInt(b, ts.Physical(), 10)
	b = append(b, `,"ts":`...)
	return strconv.AppendInt(b, e.now().UnixMilli(), 10)
}

// keepBytes is how large a buffer may be to be used again: a giant row is rare.
const keepBytes = 4 << 20

// done ends a message and copies it out of the buffer.
func (e *Encoder) done(b []byte) []byte {
	b = append(b, '}')
	e.buf = b
	message := bytes.Clone(b)
	if cap(e.buf) > keepBytes {
		e.buf = nil
	}
	if cap(e.text) > keepBytes {
		e.text = nil
	}
	return message
}

// ddlType is what Canal calls a statement.
func ddlType(d *schema.DDL) string {
	if d.Job == nil {
		return "QUERY"
	}
	switch d.Job.Type {
	case schema.ActionCreateTable, schema.ActionCreateTables:
		return "CREATE"
	case schema.ActionDropTable:
		return "ERASE"
	case schema.ActionTruncateTable:
		return "TRUNCATE"
	case schema.ActionRenameTable, schema.ActionRenameTables:
		return "RENAME"
	}
	switch d.Job.Type.String() {
	case "add index", "add foreign key", "add primary key":
		return "CINDEX"
	case "drop index", "drop foreign key", "drop primary key":
		return "DINDEX"
	case "add column", "drop column", "add multi-columns", "drop multi-columns", "modify column", "alter table multi-schema change",
		"rebase auto_increment ID", "set default value", "modify table comment", "rename index", "alter index visibility",
		"modify table charset and collate", "add partition", "drop partition", "truncate partition", "alter table reorganize partition",
		"alter table partition by", "alter table remove partitioning":
		return "ALTER"
	}
	return "QUERY"
}
