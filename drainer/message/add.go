package message

import (
	"encoding/json"

	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

// The fields of the additions; see the package comment.
const (
	addStartTS = 100
	addEarly   = 101

	addNumber     = 100
	addDefinition = 101

	addMissing    = 100
	addMissingOld = 101
	addRowID      = 102

	addDDL = 101
)

// definition is a table as it is added to messages: its columns are those that are in messages.
type definition struct {
	ID      int64        `json:"id"`
	Version int64        `json:"version"`
	Schema  string       `json:"schema"`
	Name    string       `json:"name"`
	Columns []definedCol `json:"columns"`
	Keys    []definedKey `json:"keys"`
}

type definedCol struct {
	ID        int64            `json:"id"`
	Name      string           `json:"name"`
	Type      *types.FieldType `json:"type"`
	Generated bool             `json:"generated,omitempty"`
	Virtual   bool             `json:"virtual,omitempty"` // generated and not stored
}

// definedKey is a key; one with columns that are not in messages has no columns, and is virtual.
type definedKey struct {
	Name    string `json:"name"`
	Primary bool   `json:"primary,omitempty"`
	Columns []int  `json:"columns"`
	Prefix  bool   `json:"prefix,omitempty"`
	Virtual bool   `json:"virtual,omitempty"`
}

// define describes a table.
func define(t *schema.Table) *definition {
	d := &definition{ID: t.ID, Version: t.Version, Schema: t.Schema, Name: t.Name}
	place := make(map[int]int) // of a column among those in messages
	for i := range t.Columns {
		c := &t.Columns[i]
		if !written(c) {
			continue
		}
		place[i] = len(d.Columns)
		d.Columns = append(d.Columns, definedCol{ID: c.ID, Name: c.Name, Type: &c.Type, Generated: c.Generated, Virtual: c.Virtual()})
	}
	for _, k := range t.Keys {
		key := definedKey{Name: k.Name, Primary: k.Primary, Prefix: k.Prefix, Virtual: k.Virtual}
		for _, i := range k.Columns {
			if at, ok := place[i]; ok {
				key.Columns = append(key.Columns, at)
			} else {
				key.Virtual = true
			}
		}
		if key.Virtual {
			key.Columns = nil
		}
		d.Keys = append(d.Keys, key)
	}
	return d
}

// table is the table that was described.
func (d *definition) table() *schema.Table {
	t := &schema.Table{ID: d.ID, Version: d.Version, Schema: d.Schema, Name: d.Name}
	for _, c := range d.Columns {
		col := schema.Column{ID: c.ID, Name: c.Name, Public: true, Generated: c.Generated, Stored: c.Generated && !c.Virtual}
		if c.Type != nil {
			col.Type = *c.Type
		}
		t.Columns = append(t.Columns, col)
	}
	for _, k := range d.Keys {
		t.Keys = append(t.Keys, schema.Key(k))
	}
	return t
}

// addition is what a Table gets.
func (e *Encoder) addition(t *schema.Table) []byte {
	if e.numbers == nil {
		return nil
	}
	n, known := e.numbers[t]
	if !known {
		n = uint64(len(e.numbers) + 1)
		e.numbers[t] = n
	}
	b := appendVarint(nil, addNumber, n)
	if !known {
		b = appendBytes(b, addDefinition, marshal(define(t)))
	}
	return b
}

// rowAddition is what a TableMutation gets.
func (e *Encoder) rowAddition(h *tableHead, c *txn.Change, row txn.Row) []byte {
	if e.numbers == nil {
		return nil
	}
	var b []byte
	if missing := h.missing(row); missing != nil {
		b = appendBytes(b, addMissing, missing)
	}
	if c.Op == txn.Update {
		if missing := h.missing(c.Old); missing != nil {
			b = appendBytes(b, addMissingOld, missing)
		}
	}
	if c.RowID != 0 {
		b = appendVarint(b, addRowID, uint64(c.RowID))
	}
	return b
}

// missing are the columns that the binlog does not tell, nil if there are none.
func (h *tableHead) missing(row txn.Row) []byte {
	var bits []byte
	for n, col := range h.columns {
		if row[col.i].Kind != txn.Missing {
			continue
		}
		if bits == nil {
			bits = make([]byte, (len(h.columns)+7)/8)
		}
		bits[n/8] |= 1 << (n % 8)
	}
	return bits
}

// early is an early statement of a transaction.
type early struct {
	Query string          `json:"query"`
	DDL   json.RawMessage `json:"ddl"`
}

func marshalEarly(list []sink.Statement) ([]byte, error) {
	var all []early
	for _, st := range list {
		ddl, err := st.DDL.Encode()
		if err != nil {
			return nil, err
		}
		all = append(all, early{Query: st.Query, DDL: ddl})
	}
	return marshal(all), nil
}

// marshal is for values that JSON has room for.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // there are only numbers and strings
	}
	return b
}
