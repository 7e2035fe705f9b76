package schema

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pingcap/tidb/pkg/parser/types"
	"golang.org/x/sync/errgroup"

	"pumphouse/nodes"
)

// savedPiece is how many tables are in a section of the file.
const savedPiece = 1000

// savedTable is a Table. Columns have their types in savedHead.Types: tables have many of few.
type savedTable struct {
	ID, SchemaID  int64
	Schema, Name  string
	Version       int64
	Kind          Kind
	Columns       []savedColumn
	Handle        Handle
	HandleColumns []HandleColumn
	Keys          []Key
	Partitions    []Partition
	Info          *TableInfo
	Job           int64
	Finished      nodes.TSO
}

// savedColumn is a Column without its type, which gob cannot read.
type savedColumn struct {
	ID                     int64
	Name                   string
	Type                   int // in savedHead.Types
	Public, Hidden         bool
	Generated, Stored      bool
	GeneratedExpr, Comment string
	LocalDefault           bool
	Default, OriginDefault any
	DefaultIsExpr          bool
}

// add puts tables into the head, and the rest of them into pieces.
func (head *savedHead) add(tables *Tables) (pieces []any, err error) {
	head.Dropped = slices.Sorted(maps.Keys(tables.dropped))
	for _, id := range slices.Sorted(maps.Keys(tables.databases)) {
		db := tables.databases[id]
		head.Databases = append(head.Databases, savedDatabase{db.id, db.name, db.charset, db.collate})
	}
	known := make(map[string]int)
	var piece []savedTable
	for _, t := range tables.All() {
		saved := savedTable{t.ID, t.SchemaID, t.Schema, t.Name, t.Version, t.Kind, nil, t.Handle, t.HandleColumns, t.Keys, t.Partitions, t.Info, t.job, t.finished}
		for i := range t.Columns {
			c := &t.Columns[i]
			text, err := json.Marshal(&c.Type)
			if err != nil {
				return nil, fmt.Errorf("column %s of %s: %w", c.Name, t, err)
			}
			n, ok := known[string(text)]
			if !ok {
				n = len(head.Types)
				known[string(text)] = n
				head.Types = append(head.Types, string(text))
			}
			saved.Columns = append(saved.Columns, savedColumn{c.ID, c.Name, n, c.Public, c.Hidden, c.Generated, c.Stored, c.GeneratedExpr, c.Comment,
				c.LocalDefault, c.Default, c.OriginDefault, c.DefaultIsExpr})
		}
		if piece = append(piece, saved); len(piece) == savedPiece {
			pieces, piece = append(pieces, piece), nil
		}
	}
	if len(piece) > 0 {
		pieces = append(pieces, piece)
	}
	return pieces, nil
}

// tables makes the tables anew.
func (head *savedHead) tables(pieces [][]byte) (*Tables, error) {
	columnTypes := make([]types.FieldType, len(head.Types))
	for i, text := range head.Types {
		if err := json.Unmarshal([]byte(text), &columnTypes[i]); err != nil {
			return nil, fmt.Errorf("the type %q: %w", text, err)
		}
	}
	found := make([][]*Table, len(pieces))
	var decoding errgroup.Group
	for i, b := range pieces {
		decoding.Go(func() error {
			var piece []savedTable
			if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&piece); err != nil {
				return err
			}
			for j := range piece {
				t, err := piece[j].table(columnTypes)
				if err != nil {
					return err
				}
				found[i] = append(found[i], t)
			}
			return nil
		})
	}
	if err := decoding.Wait(); err != nil {
		return nil, err
	}
	ts := newTables()
	ts.version, ts.finished = head.Version, head.Newest
	for _, db := range head.Databases {
		ts.databases[db.ID] = &database{db.ID, db.Name, db.Charset, db.Collate}
	}
	for _, t := range slices.Concat(found...) {
		ts.set(t)
	}
	for _, id := range head.Dropped {
		ts.dropped[id] = struct{}{}
	}
	return ts, nil
}

// table is the Table that was saved.
func (s *savedTable) table(columnTypes []types.FieldType) (*Table, error) {
	t := &Table{s.ID, s.SchemaID, s.Schema, s.Name, s.Version, s.Kind, make([]Column, 0, len(s.Columns)), s.Handle, s.HandleColumns, s.Keys, s.Partitions, s.Info,
		make(map[int64]int, len(s.Columns)), s.Job, s.Finished}
	for i, c := range s.Columns {
		if c.Type < 0 || c.Type >= len(columnTypes) {
			return nil, fmt.Errorf("column %s of %s has the type number %d of %d", c.Name, t, c.Type, len(columnTypes))
		}
		t.byID[c.ID] = i
		t.Columns = append(t.Columns, Column{c.ID, c.Name, columnTypes[c.Type], c.Public, c.Hidden, c.Generated, c.Stored, c.GeneratedExpr, c.Comment,
			c.LocalDefault, c.Default, c.OriginDefault, c.DefaultIsExpr})
	}
	return t, nil
}

// GobEncode and GobDecode keep gob from looking into what it cannot read. A Table has its columns elsewhere.
func (ColumnInfo) GobEncode() ([]byte, error) { return nil, errColumnInfo }

// GobDecode is not called.
func (*ColumnInfo) GobDecode([]byte) error { return errColumnInfo }

var errColumnInfo = errors.New("the columns of a TableInfo are not saved")
