package binlogfile

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pumphouse/drainer/schema"
)

// Any bytes are read as records or end in an error that tells where, and what is printed of
// them does not end the process.
func FuzzReader(f *testing.F) {
	e := NewEncoder()
	var all []byte
	for _, x := range sample() {
		one := e.Append(nil, x)
		f.Add(one)
		all = append(all, one...)
	}
	f.Add(all)
	f.Add(all[:len(all)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader("fuzz", bytes.NewReader(b))
		end := int64(0)
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				if end != int64(len(b)) {
					t.Errorf("the end is told at byte %d of %d", end, len(b))
				}
				return
			}
			var d *DamageError
			if errors.As(err, &d) {
				if d.Offset != end {
					t.Errorf("damage is told at byte %d, the records end at %d", d.Offset, end)
				}
				if _, at, err := FindRecord(bytes.NewReader(b), d.Offset+1, int64(len(b))); err != nil || at != 0 && at <= d.Offset {
					t.Errorf("a record after byte %d is found at %d: %v", d.Offset, at, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			end = rec.End()
			rec.CommitTS()
			_ = PrintRecord(io.Discard, rec, nil)
			dec := Decoder{Find: func(schemaName, table string) (*schema.Table, error) {
				return &schema.Table{Schema: schemaName, Name: table}, nil
			}}
			_, _ = dec.Changes(rec.Payload)
		}
	})
}
