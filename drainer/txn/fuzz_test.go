package txn_test

import (
	"errors"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/tidbtest/golden"
)

// FuzzBinlog feeds broken binlogs with the definitions of the golden data: an error that names the
// table, never a panic, and never more memory than the bytes can ask for.
func FuzzBinlog(f *testing.F) {
	data, err := golden.Load(2023)
	if err != nil {
		f.Fatal(err)
	}
	h, err := schema.Open(f.Context(), data.History(f), schema.Position{CommitTS: 1 << 62}, schema.Options{})
	if err != nil {
		f.Fatal(err)
	}
	tables := h.Tables()
	for i, payload := range data.Committed(f) {
		if len(payload) < 4000 && i%3 == 0 {
			f.Add(payload)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := txn.Parse(payload)
		if err != nil {
			if !errors.Is(err, txn.ErrCorrupt) {
				t.Errorf("%v", err)
			}
			return
		}
		find := func(id int64) (*schema.Table, error) {
			if tab, ok := tables.Table(id); ok {
				return tab, nil
			}
			return nil, nil
		}
		if err := b.Tables(find, func(_ *schema.Table, unknown func() []int64) error { unknown(); return nil }); err != nil {
			t.Errorf("%v", err)
		}
		size := 0
		err = b.Each(find, time.UTC, func(c *txn.Change) error {
			for _, row := range []txn.Row{c.Old, c.New} {
				for _, v := range row {
					size += len(v.Bytes)
				}
			}
			return nil
		})
		if e := (*txn.RowError)(nil); err != nil && !errors.As(err, &e) {
			t.Errorf("%v", err)
		}
		// JSON text is at most six times its strings; names of enum members are short.
		if size > 100*len(payload)+1000 {
			t.Errorf("%d bytes of values in %d", size, len(payload))
		}
	})
}
