package schema

import (
	"encoding/json"
	"fmt"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/nodes"
)

// JobState is how far a job is; the numbers are TiDB's.
type JobState uint8

// The states a job can end in; every other one means that it has not ended.
const (
	JobRollbackDone JobState = 3 // failed, everything undone
	JobDone         JobState = 4 // succeeded
	JobCancelled    JobState = 5
	JobSynced       JobState = 6 // succeeded, and every TiDB server knows
)

// Job is a DDL job of TiDB's history: what of its JSON is of use here. Fields that are not
// there in an old or a new version are left out or ignored.
type Job struct {
	ID         int64    `json:"id"`
	Type       Action   `json:"type"`
	State      JobState `json:"state"`
	SchemaID   int64    `json:"schema_id"`
	TableID    int64    `json:"table_id"`
	SchemaName string   `json:"schema_name"`
	TableName  string   `json:"table_name"`
	Query      string   `json:"query"`
	// StartTS is when the job was made.
	StartTS nodes.TSO `json:"start_ts"`
	// RawArgs are the job's own arguments. Most versions clear them when a job ends.
	RawArgs json.RawMessage `json:"raw_args"`
	Result  Result          `json:"binlog"`
	// Multi is of a multi-schema change only.
	Multi *MultiSchema `json:"multi_schema_info"`
}

// MultiSchema are the parts of a multi-schema change (model.MultiSchemaInfo, since 6.2).
type MultiSchema struct {
	SubJobs []SubJob `json:"sub_jobs"`
}

// SubJob is one of them. SchemaVersion is that of its last step; 0 when it shares the step of
// another one.
type SubJob struct {
	Type          Action `json:"type"`
	SchemaVersion int64  `json:"schema_version"`
}

// Result is what a job left behind (model.HistoryInfo).
type Result struct {
	SchemaVersion int64
	DBInfo        *DBInfo
	TableInfo     *TableInfo
	Tables        []*TableInfo `json:"MultipleTableInfos"` // of a job on several tables
	// FinishedTS is taken after the job's last transaction: larger than its binlog's commit TS.
	FinishedTS nodes.TSO
}

// DBInfo is a database in a job.
type DBInfo struct {
	ID      int64     `json:"id"`
	Name    ast.CIStr `json:"db_name"`
	Charset string    `json:"charset"` // of tables that name none
	Collate string    `json:"collate"`
}

// ParseJob reads a job's JSON.
func ParseJob(text []byte) (*Job, error) {
	job := new(Job)
	if err := json.Unmarshal(text, job); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadJob, err)
	}
	if job.ID <= 0 {
		return nil, fmt.Errorf("%w: its ID is %d", ErrBadJob, job.ID)
	}
	return job, nil
}

// Ended tells whether the job will not change any more.
func (j *Job) Ended() bool {
	return j.Succeeded() || j.State == JobRollbackDone || j.State == JobCancelled
}

// Succeeded tells whether the job did what it was to do. A rolled back one did not, though it
// has a DDL binlog too.
func (j *Job) Succeeded() bool { return j.State == JobDone || j.State == JobSynced }

// usable is the schema version from which on clients can use what the job adds. Parts of a
// multi-schema change become so together, and others may go on for some versions.
func (j *Job) usable() int64 {
	version := j.Result.SchemaVersion
	if j.Multi != nil {
		for _, sub := range j.Multi.SubJobs {
			if sub.SchemaVersion > 0 {
				version = min(version, sub.SchemaVersion)
			}
		}
	}
	return version
}

// String names the job in errors and logs.
func (j *Job) String() string {
	name := j.SchemaName
	if j.TableName != "" {
		name += "." + j.TableName
	}
	return fmt.Sprintf("DDL job %d (%s %s)", j.ID, j.Type, name)
}
