package infoschema

import (
	"errors"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/result"
)

// CheckTables is CHECK, CHECKSUM, ANALYZE, OPTIMIZE and REPAIR TABLE: a line a table that
// says that there is nothing to do.
func (s *Schema) CheckTables(op string, names []string) (*engine.Result, error) {
	if op == "checksum" {
		return s.checksums(names)
	}
	r := result.New(result.Text("Table", 128), result.Text("Op", 10), result.Text("Msg_type", 10), result.Text("Msg_text", 16383))
	for _, full := range names {
		db, tab := splitName(full)
		t, err := s.find(db, tab)
		add := func(level, message string) {
			r.Rows = append(r.Rows, []engine.Value{engine.String(s.fullName(db, tab)), engine.String(op), engine.String(level), engine.String(message)})
		}
		switch {
		case isNoDB(err):
			return nil, err
		case err != nil:
			add("Error", err.Error())
			add("status", "Operation failed")
		case op == "check" || op == "analyze" || t == nil:
			add("status", "OK")
		default:
			add("note", "The storage engine for the table doesn't support "+op)
		}
	}
	return r, nil
}

// TableNames writes names for CheckTables.
func TableNames(list []*ast.TableName) []string {
	var names []string
	for _, t := range list {
		full := result.QuoteName(t.Name.O)
		if t.Schema.O != "" {
			full = result.QuoteName(t.Schema.O) + "." + full
		}
		names = append(names, full)
	}
	return names
}

// checksums is CHECKSUM TABLE: what is read live has none.
func (s *Schema) checksums(names []string) (*engine.Result, error) {
	r := result.New(result.Text("Table", 128), result.NullNumber("Checksum"))
	for _, full := range names {
		db, tab := splitName(full)
		if _, err := s.find(db, tab); err != nil {
			if isNoDB(err) {
				return nil, err
			}
			s.own.Diag.Add(result.Error, result.ErrUnknownTable, err.Error())
		}
		r.Rows = append(r.Rows, []engine.Value{engine.String(s.fullName(db, tab)), engine.Null()})
	}
	return r, nil
}

func isNoDB(err error) bool {
	var e *engine.Error
	return errors.As(err, &e) && e.Code == result.ErrNoDB
}

// fullName is db.table as results show it.
func (s *Schema) fullName(db, tab string) string {
	if db == "" {
		db = s.DB
	}
	if known := catalog.Schema(db); known != "" {
		db = known
	}
	return db + "." + tab
}

// splitName takes `db`.`table` apart; db is "" if it is not named.
func splitName(s string) (db, tab string) {
	first, rest := CutName(s)
	if rest == "" || rest[0] != '.' {
		return "", first
	}
	second, _ := CutName(rest[1:])
	return first, second
}

// CutName takes one identifier off the front of a text.
func CutName(s string) (name, rest string) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '`' {
		end := strings.IndexAny(s, ". ,;")
		if end < 0 {
			return s, ""
		}
		return s[:end], strings.TrimSpace(s[end:])
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '`' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '`' {
			b.WriteByte('`')
			i++
			continue
		}
		return b.String(), strings.TrimSpace(s[i+1:])
	}
	return b.String(), ""
}
