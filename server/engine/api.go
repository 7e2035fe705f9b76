package engine

import (
	"context"
	"time"
)

// Column describes a column of a table or a result as the MySQL protocol sends it.
type Column struct {
	Schema   string // database, "" for an expression
	Table    string // alias of the table
	OrgTable string // the table's own name
	Name     string // alias of the column
	OrgName  string // the column's own name
	Type     uint8  // MySQL type code (mysql.MYSQL_TYPE_*)
	Flags    uint16 // mysql.NOT_NULL_FLAG, UNSIGNED_FLAG, BINARY_FLAG …
	Length   uint32 // display length in bytes
	Decimals uint8  // digits after the point; 31 = as many as needed
	Charset  uint16 // collation ID; 63 = binary, also for numbers and times
}

// Result is the outcome of a query: columns also when there are no rows.
type Result struct {
	Columns []Column
	Rows    [][]Value
}

// Bytes is what the rows take, in bytes.
func (r *Result) Bytes() int64 {
	n := int64(0)
	for _, row := range r.Rows {
		n += rowBytes(row)
	}
	return n
}

// Table is something to select from. Rows must not change once handed out.
type Table interface {
	Columns() []Column
	// Scan calls yield with every row until yield returns false. An error of the
	// table's source ends the statement.
	Scan(ctx context.Context, yield func(row []Value) bool) error
}

// ColumnScanner is a Table that can leave out what a statement does not look at.
type ColumnScanner interface {
	Table
	// ScanColumns is Scan where only the columns with need set matter; the others may
	// hold anything. The row is only valid during the call of yield.
	ScanColumns(ctx context.Context, need []bool, yield func(row []Value) bool) error
}

// Env is what an expression may know of its session and server.
type Env interface {
	// Table finds a table; db is "" where the statement named none. Errors are
	// *Error values (1046 no database selected, 1049, 1146).
	Table(ctx context.Context, db, name string) (Table, error)
	// SysVar reads @@name, @@session.name or @@global.name (global true);
	// explicit reports whether the statement named the scope. Unknown: *Error 1193.
	SysVar(ctx context.Context, name string, global, explicit bool) (Value, error)
	// UserVar reads @name; NULL if it was never set. Names are case-insensitive.
	UserVar(name string) Value
	// SetUserVar carries out @name := value.
	SetUserVar(name string, v Value) error

	Database() string    // DATABASE(), "" = NULL
	User() string        // USER(): name@host as the client gave it
	CurrentUser() string // CURRENT_USER(): the account that matched
	Version() string     // VERSION()
	ConnectionID() uint32
	Now() time.Time           // one instant for the whole statement
	Location() *time.Location // the session's time_zone
	// Zone finds a time zone as @@time_zone names it; nil: there is none of that name.
	Zone(name string) *time.Location
	SQLMode() uint64   // bits of the parser's mysql.SQLMode
	Collation() uint16 // collation ID of string literals
	LastInsertID() uint64
	RowCount() int64
	FoundRows() int64
	// Warn adds a warning to the statement's list (SHOW WARNINGS).
	Warn(code uint16, message string)
}

// Limits bound one statement. A zero field means the default.
type Limits struct {
	Rows   int   // rows held at once, intermediate ones too; default 1,000,000
	Memory int64 // bytes of values held at once; default 64 MiB
}

// Budget is what statements may use of the process.
type Budget interface {
	// Take asks for n more bytes; fewer than 0 gives back. Its error is the statement's.
	Take(n int64) error
	// Work is called every few thousand rows: it returns when the statement may go on, or with
	// ctx's error.
	Work(ctx context.Context) error
	// Yield says that the statement computes no longer, for now.
	Yield()
}

// Executor carries what every statement needs. Its methods Select, Describe, Eval and
// Filter may be called one after the other; nothing is kept between them but what they have
// taken of the budget for their results, until Release.
type Executor struct {
	Env    Env
	Limits Limits
	Budget Budget  // nil = without bounds
	Params []Value // values for ?, in order of appearance

	taken int64 // bytes of the budget
}

// Error is an error with MySQL's number, SQLSTATE and wording.
type Error struct {
	Code    uint16
	State   string
	Message string
}

func (e *Error) Error() string { return e.Message }
