package schema_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// snapshots is a source with TiDB's meta data of all tables, which are the same at all times.
type snapshots struct {
	schema.Source
	tables map[int64]string
	safe   nodes.TSO // what is older is gone
}

func (s *snapshots) Altered(context.Context, int64) (schema.Altered, error) {
	return schema.Altered{Now: 10_000, Version: 1}, nil
}

func (s *snapshots) Now(context.Context) (nodes.TSO, error) { return 10_000, nil }

func (s *snapshots) DatabasesAt(_ context.Context, ts nodes.TSO) ([]*schema.DBInfo, error) {
	if ts < s.safe {
		return nil, schema.ErrNoMeta
	}
	db := new(schema.DBInfo)
	err := json.Unmarshal([]byte(`{"id":1,"db_name":{"O":"One","L":"one"}}`), db)
	return []*schema.DBInfo{db}, err
}

func (s *snapshots) TablesAt(ctx context.Context, schemaID int64, ts nodes.TSO, each func(*schema.TableInfo) error) error {
	for id := range s.tables {
		info, err := s.TableAt(ctx, schemaID, id, ts)
		if err == nil {
			err = each(info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshots) TableAt(_ context.Context, _, id int64, ts nodes.TSO) (*schema.TableInfo, error) {
	if ts < s.safe {
		return nil, schema.ErrNoMeta
	}
	if s.tables[id] == "" {
		return nil, nil
	}
	info := new(schema.TableInfo)
	err := json.Unmarshal([]byte(bare(s.tables[id])), info)
	return info, err
}

func openSnapshot(t *testing.T, s schema.Source, at nodes.TSO) *schema.History {
	t.Helper()
	h, err := schema.Open(t.Context(), s, schema.Position{CommitTS: at, Exact: true},
		schema.Options{JobTimeout: time.Millisecond, Poll: time.Millisecond, LoadSnapshot: true})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestSnapshotAndJobs: what TiDB's meta data do not have is gone, but for a table whose job is under way: the meta data
// are a step ahead of its binlog, and the downstream still has it.
func TestSnapshotAndJobs(t *testing.T) {
	h := newHistory(t)
	h.create(10, "t", "a:1", "")
	h.create(11, "gone", "a:1", "") // without a job, by BR for instance
	drop := h.job(`"type":4,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1", "") + `}`)
	s := &snapshots{Source: schema.Dir(h.dir)}
	if got := shape(openSnapshot(t, s, binlogTS(drop)-1).Tables()); got != "10 One.t(a)" {
		t.Errorf("while the DROP TABLE is under way there are %q", got)
	}
	if got := shape(openSnapshot(t, s, binlogTS(drop)+20).Tables()); got != "" {
		t.Errorf("after the DROP TABLE there are %q", got)
	}
}

// TestSnapshotIsGone: of a time that TiKV's garbage collection has overtaken, the definitions of now are those that have
// not changed since.
func TestSnapshotIsGone(t *testing.T) {
	h := newHistory(t)
	s := &snapshots{Source: schema.Dir(h.dir), safe: 5000, tables: map[int64]string{
		12: tableJSON(12, "old", "a:1", `,"update_timestamp":250`),
		13: tableJSON(13, "changed", "a:1", `,"update_timestamp":251`),
		14: tableJSON(14, "unknown", "a:1", ""),
	}}
	if got := shape(openSnapshot(t, s, 250).Tables()); got != "12 One.old(a)" {
		t.Errorf("there are %q", got)
	}
}
