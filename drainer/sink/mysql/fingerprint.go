package mysql

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pumphouse/drainer/schema"
)

// fingerprint says what the tables of a statement look like now: their definitions, and the
// numbers by which the server tells tables apart that have changed their names.
func (w *worker) fingerprint(st statement) (*intent, error) {
	var lines []string
	numbered := true
	seen := map[string]bool{}
	for _, t := range st.tables {
		def, err := w.definition(t)
		if err != nil {
			return nil, err
		}
		lines = append(lines, t.schema+"."+t.table+" "+def)
		if seen[t.schema] {
			continue
		}
		seen[t.schema] = true
		numbers, known, err := w.numbers(t.schema)
		if err != nil {
			return nil, err
		}
		numbered = numbered && known
		lines = append(lines, numbers...)
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return &intent{Definitions: hex.EncodeToString(sum[:]), Numbered: numbered}, nil
}

// autoIncrement changes with rows, and with restarts of old servers.
var autoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// definition is a table as SHOW CREATE TABLE has it; that it is not there is one, too.
func (w *worker) definition(t tableName) (string, error) {
	rows, err := w.server.db.QueryContext(w.ctx, "SHOW CREATE TABLE "+schema.QuoteName(t.schema)+"."+schema.QuoteName(t.table))
	if code(err) != 0 {
		return fmt.Sprint("error ", code(err)), nil // no table, no database, a broken view
	}
	if err != nil {
		return "", err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return "", err
	}
	values := make([]sql.NullString, len(names)) // views have more columns than tables
	targets := make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return "", err
		}
	}
	if len(values) < 2 {
		return "", errors.New("SHOW CREATE TABLE has no second column")
	}
	return autoIncrement.ReplaceAllString(values[1].String, ""), rows.Err()
}

// numbers are a database's tables and partitions with their numbers. They are not known
// when the server does not tell: that needs the privilege PROCESS.
func (w *worker) numbers(schema string) (list []string, known bool, err error) {
	var q string
	arg, ok := fileName(schema)
	if !ok && w.server.flavour != tiDB {
		return nil, false, nil
	}
	switch w.server.flavour {
	case mariaDB:
		q = "SELECT NAME, TABLE_ID FROM information_schema.INNODB_SYS_TABLES WHERE LEFT(NAME, CHAR_LENGTH(?)) = ?"
	case tiDB:
		arg = schema
		q = "SELECT CONCAT(TABLE_NAME, '/', IFNULL(PARTITION_NAME, '')), TIDB_PARTITION_ID FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA IN (?, ?) " +
			"UNION ALL SELECT TABLE_NAME, TIDB_TABLE_ID FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" + strings.ReplaceAll(schema, "'", "''") + "'"
	default:
		q = "SELECT NAME, TABLE_ID FROM information_schema.INNODB_TABLES WHERE LEFT(NAME, CHAR_LENGTH(?)) = ?"
	}
	rows, err := w.server.db.QueryContext(w.ctx, q, arg, arg)
	if code(err) != 0 && !transient(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var id sql.NullInt64
		if err := rows.Scan(&name, &id); err != nil {
			return nil, false, err
		}
		list = append(list, fmt.Sprint(name, " ", id.Int64))
	}
	slices.Sort(list)
	return list, true, rows.Err()
}

// fileName is the beginning of the names InnoDB has for a database's tables. It is not ok
// for names with letters of other alphabets, which InnoDB abbreviates.
func fileName(schema string) (_ string, ok bool) {
	var b strings.Builder
	for _, r := range schema {
		switch {
		case r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, "@%04x", r)
		default:
			return "", false
		}
	}
	b.WriteByte('/')
	return b.String(), true
}
