package binlogfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// Print writes what the files hold as text for people, a line a statement or row. What is
// damaged ends the output of that file; the others follow. The errors are joined. Files and
// directories that are not binlog files, neither by name nor by content, are named and left out;
// if all are, that is an [ErrNotBinlog].
func Print(w io.Writer, paths ...string) error {
	out := bufio.NewWriter(w)
	var errs []error
	leftOut := 0
	for _, path := range paths {
		fmt.Fprintf(out, "# %s\n", path)
		switch err := printFile(out, path); {
		case err == nil:
		case errors.Is(err, ErrNotBinlog):
			leftOut++
			fmt.Fprintf(out, "# %v: left out\n", ErrNotBinlog)
		default:
			errs = append(errs, err)
			fmt.Fprintf(out, "# %v\n", err)
		}
	}
	if leftOut > 0 && leftOut == len(paths) {
		errs = append(errs, fmt.Errorf("%s: %w", strings.Join(paths, ", "), ErrNotBinlog))
	}
	return errors.Join(append(errs, out.Flush())...)
}

func printFile(w io.Writer, path string) error {
	_, named := ParseName(filepath.Base(path))
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return ErrNotBinlog
	}
	err := Each(path, func(rec Record) error {
		if err := PrintRecord(w, rec, nil); err != nil {
			return &DamageError{File: path, Offset: rec.Offset, Reason: err.Error()}
		}
		return nil
	})
	var damage *DamageError
	if !named && errors.As(err, &damage) && damage.Offset == 0 {
		return ErrNotBinlog
	}
	return err
}

// PrintRecord is [Print] for one record, of which it leaves out rows of tables that are not to be kept;
// nil: all are. The error names the table and the column whose value does not decode.
func PrintRecord(w io.Writer, rec Record, keep func(schema, table string) bool) error {
	b, err := rec.Decode()
	if err != nil {
		return err
	}
	ts := nodes.TSO(b.GetCommitTs())
	fmt.Fprintf(w, "-- commit TS %s (%s), byte %d\n", ts, ts.Time().Format(time.RFC3339Nano), rec.Offset)
	if b.GetTp() == pbfile.BinlogType_DDL {
		_, err := fmt.Fprintf(w, "%s\n", b.GetDdlQuery())
		return err
	}
	for _, e := range b.GetDmlData().GetEvents() {
		if keep != nil && !keep(e.GetSchemaName(), e.GetTableName()) {
			continue
		}
		line, err := eventText(e)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", e.GetSchemaName(), e.GetTableName(), err)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// eventText is a row's change in one line.
func eventText(e *pbfile.Event) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s.%s", strings.ToUpper(e.GetTp().String()), schema.QuoteName(e.GetSchemaName()), schema.QuoteName(e.GetTableName()))
	for i, raw := range e.GetRow() {
		var c pbfile.Column
		if err := proto.Unmarshal(raw, &c); err != nil {
			return "", fmt.Errorf("column %d: %w", i, err)
		}
		text, err := valueText(&c, c.GetValue())
		if err == nil && e.GetTp() == pbfile.EventType_Update {
			var changed string
			if changed, err = valueText(&c, c.GetChangedValue()); changed != text {
				text += " -> " + changed
			}
		}
		if err != nil {
			return "", fmt.Errorf("column %s: %w", c.GetName(), err)
		}
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s=%s", sep, c.GetName(), text)
	}
	return b.String(), nil
}

// valueText is a value of a column, b, as text.
func valueText(c *pbfile.Column, b []byte) (string, error) {
	v, err := Value(b)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "NULL", nil
	case []byte:
		if string(c.GetTp()) == string([]byte{mysql.TypeBit}) && len(v) <= 8 {
			return strconv.FormatUint(Bits(v), 10), nil
		}
		if printable(v) {
			return strconv.Quote(string(v)), nil
		}
		return fmt.Sprintf("0x%x", v), nil
	}
	return fmt.Sprint(v), nil
}

func printable(b []byte) bool {
	return utf8.Valid(b) && !strings.ContainsFunc(string(b), func(r rune) bool {
		return !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r'
	})
}

// Bits is the number that the bytes of a BIT stand for, of which there are at most 8. Files have the
// number itself; those that early versions of the file sink wrote have its bytes.
func Bits(b []byte) uint64 {
	var wide [8]byte
	copy(wide[8-len(b):], b)
	return binary.BigEndian.Uint64(wide[:])
}

// Value decodes the value of a pbfile.Column: nil, int64, uint64, float64 or []byte (a part of
// b). The package comment has the forms.
func Value(b []byte) (any, error) {
	if len(b) == 0 {
		return nil, errors.New("a value without bytes")
	}
	rest := b[1:]
	var v any
	var n int
	switch b[0] {
	case flagNull:
	case flagVarint, flagUvarint, flagBytes:
		var u uint64
		if u, n = protowire.ConsumeVarint(rest); n < 0 {
			return nil, errors.New("a value that is cut short")
		}
		switch b[0] {
		case flagVarint:
			v = protowire.DecodeZigZag(u)
		case flagUvarint:
			v = u
		default:
			size := protowire.DecodeZigZag(u)
			if size < 0 || size > int64(len(rest)-n) {
				return nil, fmt.Errorf("a value of %d bytes that has %d", size, len(rest)-n)
			}
			v, n = rest[n:n+int(size)], n+int(size)
		}
	case flagFloat:
		if len(rest) < 8 {
			return nil, errors.New("a value that is cut short")
		}
		v, n = unsortable(binary.BigEndian.Uint64(rest)), 8
	default:
		return nil, fmt.Errorf("a value of the unknown form %d", b[0])
	}
	if n != len(rest) {
		return nil, fmt.Errorf("%d bytes after a value", len(rest)-n)
	}
	return v, nil
}
