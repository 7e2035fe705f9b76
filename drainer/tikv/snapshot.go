package tikv

import (
	"context"
	"encoding/json"
	"fmt"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// DatabasesAt implements [schema.Snapshot].
func (s *Source) DatabasesAt(parent context.Context, ts nodes.TSO) (list []*schema.DBInfo, err error) {
	what := fmt.Sprintf("read the databases as of %d", ts)
	prefix := hashPrefix(databasesHash)
	err = s.snapshot(parent, what, ts, prefix, after(prefix), func(value []byte) error {
		info := new(schema.DBInfo)
		list = append(list, info)
		return json.Unmarshal(value, info)
	})
	return list, err
}

// TablesAt implements [schema.Snapshot].
func (s *Source) TablesAt(parent context.Context, schemaID int64, ts nodes.TSO, each func(*schema.TableInfo) error) error {
	what := fmt.Sprintf("read the tables of database %d as of %d", schemaID, ts)
	from, end := tableKeys(schemaID)
	return s.snapshot(parent, what, ts, from, end, func(value []byte) error {
		info := new(schema.TableInfo)
		if err := json.Unmarshal(value, info); err != nil {
			return err
		}
		return each(info)
	})
}

// snapshot calls each with the values of the keys in [from, end) as of ts. An error may come after some
// of them.
func (s *Source) snapshot(parent context.Context, what string, ts nodes.TSO, from, end []byte, each func(value []byte) error) error {
	ctx, done, err := s.begin(parent)
	if err != nil {
		return err
	}
	defer done()
	err = s.pairs(ctx, what, uint64(ts), keyRange{from: from, end: end}, func(key, value []byte) error {
		if err := each(value); err != nil {
			return fmt.Errorf("%s: key %x: %w", what, key, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.untilAnswered(ctx, what, func() error { return s.collected(ctx, ts) })
}
