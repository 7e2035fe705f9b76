package schema_test

import (
	"context"
	"errors"
	"testing"

	"pumphouse/drainer/schema"
	"pumphouse/testsuite/tidbtest/golden"
)

// someJobs is a history in memory.
type someJobs [][]byte

func (s someJobs) History(ctx context.Context, _ int64, each func(*schema.Job) error) error {
	for i := range s {
		job, err := schema.ParseJob(s[i])
		if err != nil {
			return err
		}
		if err := each(job); err != nil {
			return err
		}
	}
	return nil
}

func (s someJobs) Job(_ context.Context, id int64) (*schema.Job, error) {
	for i := range s {
		if job, err := schema.ParseJob(s[i]); err == nil && job.ID == id {
			return job, nil
		}
	}
	return nil, schema.ErrNoJob
}

// FuzzJob applies nonsense after two tables: an error of a job, never a panic.
func FuzzJob(f *testing.F) {
	data, err := golden.Load(2024)
	if err != nil {
		f.Fatal(err)
	}
	for i, job := range data.Jobs {
		if i > 60 || i%10 == 0 {
			f.Add([]byte(job))
		}
	}
	f.Add([]byte(`{"id":9,"state":6,"type":47,"binlog":{"MultipleTableInfos":[null]}}`))
	before := someJobs{
		[]byte(`{"id":1,"type":1,"state":6,"schema_id":1,"binlog":{"DBInfo":{"id":1,"db_name":"d"}}}`),
		[]byte(`{"id":2,"type":3,"state":6,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "t", "a:1", "") + `}}`),
		[]byte(`{"id":3,"type":3,"state":6,"schema_id":1,"table_id":11,"binlog":{` + tableJSON(11, "p", "a:1", `,"partition":{"definitions":[{"id":12}]}`) + `}}`),
	}
	f.Fuzz(func(t *testing.T, job []byte) {
		source := append(before[:len(before):len(before)], job)
		h, err := schema.Open(t.Context(), source, schema.Position{CommitTS: 1 << 62}, schema.Options{})
		if err != nil {
			if !errors.Is(err, schema.ErrBadJob) && !errors.Is(err, schema.ErrNoTable) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, tab := range h.Tables().All() {
			if got, ok := h.Tables().Table(tab.ID); !ok || got != tab {
				t.Errorf("%v is not found by its ID", tab)
			}
		}
	})
}
