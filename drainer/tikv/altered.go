package tikv

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// diff is what a schema version has changed (model.SchemaDiff).
type diff struct {
	TableID    int64  `json:"table_id"`
	OldTableID int64  `json:"old_table_id"`
	Whole      bool   `json:"regenerate_schema_map"` // everything may have been changed
	Others     []diff `json:"affected_options"`
}

// manyVersions is a number of schema versions that are not looked at one by one.
const manyVersions = 100

// Altered implements [schema.Meta].
func (s *Source) Altered(parent context.Context, since int64) (schema.Altered, error) {
	ctx, done, err := s.begin(parent)
	if err != nil {
		return schema.Altered{}, err
	}
	defer done()
	var a schema.Altered
	err = s.untilAnswered(ctx, "read which tables TiDB has altered", func() error {
		ts, err := s.now(ctx)
		if err == nil {
			a, err = s.altered(ctx, ts, since)
		}
		return err
	})
	return a, err
}

// altered is Altered as of a time stamp.
func (s *Source) altered(ctx context.Context, ts uint64, since int64) (schema.Altered, error) {
	a := schema.Altered{Now: nodes.TSO(ts)}
	text, err := s.get(ctx, ts, stringKey("SchemaVersionKey"))
	if err != nil || text == nil {
		return a, err
	}
	if a.Version, err = strconv.ParseInt(string(text), 10, 64); err != nil {
		return a, fmt.Errorf("the schema version %q: %w", text, err)
	}
	if a.Version == since {
		return a, nil
	}
	newest, err := s.diff(ctx, ts, a.Version)
	if err != nil {
		return a, err
	}
	if newest == nil {
		a.Version-- // its diff is still to come, with what it changes
	}
	if since == 0 {
		return a, nil
	}
	if a.Version-since > manyVersions {
		a.All = true
		return a, nil
	}
	for v := since + 1; v <= a.Version; v++ {
		d, err := s.diff(ctx, ts, v)
		if err != nil {
			return a, err
		}
		if d == nil {
			continue // a step that failed
		}
		a.All = a.All || d.Whole
		a.Tables = append(a.Tables, d.TableID, d.OldTableID)
		for _, other := range d.Others {
			a.Tables = append(a.Tables, other.TableID, other.OldTableID)
		}
	}
	return a, nil
}

// diff is what a schema version has changed, nil if it is not there.
func (s *Source) diff(ctx context.Context, ts uint64, version int64) (*diff, error) {
	value, err := s.get(ctx, ts, diffKey(version))
	if err != nil || value == nil {
		return nil, err
	}
	d := new(diff)
	if json.Unmarshal(value, d) != nil {
		d.Whole = true // what it says nobody knows
	}
	return d, nil
}
