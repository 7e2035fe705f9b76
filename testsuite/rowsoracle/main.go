package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"time"

	"github.com/pingcap/tidb/pkg/kv"
	"github.com/pingcap/tidb/pkg/parser/model"
	"github.com/pingcap/tidb/pkg/sessionctx/stmtctx"
	"github.com/pingcap/tidb/pkg/tablecodec"
	"github.com/pingcap/tidb/pkg/types"
	"github.com/pingcap/tidb/pkg/util/codec"
	"github.com/pingcap/tidb/pkg/util/collate"
)

func main() {
	rows := flag.Int("rows", 20000, "rows to write")
	seed := flag.Int64("seed", 1, "seed of the random numbers")
	flag.Parse()
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	g := &generator{Rand: rand.New(rand.NewSource(*seed)), out: json.NewEncoder(out)}
	collate.SetNewCollationEnabledForTest(true)
	for g.written < *rows {
		if err := g.table(min(50, *rows-g.written)); err != nil {
			fmt.Fprintln(os.Stderr, "rowsoracle:", err)
			os.Exit(1)
		}
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "rowsoracle:", err)
		os.Exit(1)
	}
}

// generator makes tables and rows.
type generator struct {
	*rand.Rand
	out     *json.Encoder
	written int

	// Of the present table.
	info *model.TableInfo
	sc   *stmtctx.StatementContext
	zone *time.Location
	fts  map[int64]*types.FieldType
}

var zones = []string{"UTC", "Asia/Shanghai", "America/New_York", "Asia/Kolkata"}

// table makes a table and n rows.
func (g *generator) table(n int) error {
	name := zones[g.Intn(len(zones))]
	zone, err := time.LoadLocation(name)
	if err != nil {
		return err
	}
	g.zone, g.sc = zone, stmtctx.NewStmtCtxWithTimeZone(zone)
	g.info = g.newTable()
	g.fts = make(map[int64]*types.FieldType)
	for _, c := range g.info.Columns {
		g.fts[c.ID] = &c.FieldType
	}
	info, err := json.Marshal(g.info)
	if err != nil {
		return err
	}
	if err := g.out.Encode(Line{Info: info, Zone: name}); err != nil {
		return err
	}
	for range n {
		line, err := g.row()
		if err != nil {
			return fmt.Errorf("row of %s: %w", info, err)
		}
		if err := g.out.Encode(line); err != nil {
			return err
		}
		g.written++
	}
	return nil
}

// row makes a change as table/tables/tables.go does.
func (g *generator) row() (*Line, error) {
	row := g.values()
	switch g.Intn(3) {
	case 0:
		return g.insert(row)
	case 1:
		newRow := g.values()
		old, _, err := g.encode(row, nil)
		if err != nil {
			return nil, err
		}
		b, _, err := g.encode(newRow, nil)
		if err != nil {
			return nil, err
		}
		line := &Line{Op: "update", Row: append(append([]byte(nil), old...), b...)}
		if line.Old, err = g.expect(old, nil); err != nil {
			return nil, err
		}
		line.New, err = g.expect(b, nil)
		return line, err
	}
	b, _, err := g.encode(row, nil)
	if err != nil {
		return nil, err
	}
	line := &Line{Op: "delete", Row: b}
	line.Old, err = g.expect(b, nil)
	return line, err
}

// insert makes an inserted row: the handle, and the columns it does not make unnecessary.
func (g *generator) insert(row []types.Datum) (*Line, error) {
	h, err := g.handle(row)
	if err != nil {
		return nil, err
	}
	data, err := h.Data()
	if err != nil {
		return nil, err
	}
	pk, err := codec.EncodeValue(g.sc, nil, data...)
	if err != nil {
		return nil, err
	}
	b, skipped, err := g.encode(row, g.canSkip)
	if err != nil {
		return nil, err
	}
	line := &Line{Op: "insert", Row: append(append([]byte(nil), pk...), b...)}
	line.New, err = g.expect(b, skipped)
	return line, err
}

// handle is the row's handle.
func (g *generator) handle(row []types.Datum) (kv.Handle, error) {
	switch {
	case g.info.PKIsHandle:
		return kv.IntHandle(row[0].GetInt64()), nil
	case g.info.IsCommonHandle:
		var ds []types.Datum
		for _, c := range g.info.Indices[0].Columns {
			d := row[c.Offset]
			tablecodec.TruncateIndexValue(&d, c, g.info.Columns[c.Offset])
			ds = append(ds, d)
		}
		key, err := codec.EncodeKey(g.sc, nil, ds...)
		if err != nil {
			return nil, err
		}
		return kv.NewCommonHandle(key)
	}
	return kv.IntHandle(g.Int63()), nil
}

// canSkip reports whether an inserted row is without a column (tables.CanSkip).
func (g *generator) canSkip(i int, d types.Datum) bool {
	if g.info.PKIsHandle && i == 0 {
		return true
	}
	if g.info.IsCommonHandle {
		for _, c := range g.info.Indices[0].Columns {
			if c.Offset == i {
				return c.Length == types.UnspecifiedLength && !types.NeedRestoredData(&g.info.Columns[i].FieldType)
			}
		}
	}
	col := g.info.Columns[i]
	return d.IsNull() && col.DefaultValue == nil && col.OriginDefaultValue == nil
}

// encode makes the bytes of a row, and the values left out.
func (g *generator) encode(row []types.Datum, skip func(int, types.Datum) bool) ([]byte, map[int64]types.Datum, error) {
	var ids []int64
	var values []types.Datum
	skipped := make(map[int64]types.Datum)
	for i, d := range row {
		id := g.info.Columns[i].ID
		if skip != nil && skip(i, d) {
			skipped[id] = d
			continue
		}
		ids, values = append(ids, id), append(values, d)
	}
	if skip == nil && !g.info.PKIsHandle && !g.info.IsCommonHandle {
		ids, values = append(ids, model.ExtraHandleID), append(values, types.NewIntDatum(g.Int63()))
	}
	b, err := tablecodec.EncodeOldRow(g.sc, values, ids, nil, nil)
	return b, skipped, err
}

// expect is what TiDB reads in a row, with the values that are not in it.
func (g *generator) expect(b []byte, skipped map[int64]types.Datum) ([]*string, error) {
	read, err := tablecodec.DecodeRowWithMap(b, g.fts, g.zone, nil)
	if err != nil {
		return nil, err
	}
	out := make([]*string, len(g.info.Columns))
	for i, c := range g.info.Columns {
		d, ok := read[c.ID]
		if !ok {
			d = skipped[c.ID]
		}
		if out[i], err = printed(&c.FieldType, d); err != nil {
			return nil, err
		}
	}
	return out, nil
}
