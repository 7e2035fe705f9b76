package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"

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
	// Involving are what the job is about, in lower case (since 8.0): of RENAME TABLE of several the old
	// and the new name of each in turn.
	Involving []Involved `json:"involving_schema_info,omitempty"`
	// Reorg is of jobs that may have to change data: the session of the client (since 5.0, its time
	// zone since 6.2).
	Reorg *Reorg `json:"reorg_meta"`
	// Multi is of a multi-schema change only.
	Multi *MultiSchema `json:"multi_schema_info"`
}

// Involved is a name in a job (model.InvolvingSchemaInfo).
type Involved struct {
	Database string `json:"database"`
	Table    string `json:"table"`
}

// Reorg is what a job keeps of its client's session (model.DDLReorgMeta).
type Reorg struct {
	SQLMode  mysql.SQLMode `json:"sql_mode"`
	Location *Location     `json:"location"`
}

// Location is a time zone in a job (model.TimeZoneLocation).
type Location struct {
	Name   string `json:"name"`
	Offset int    `json:"offset"` // seconds east of UTC; 0: Name says it
}

// Zone is the time zone, as TiDB takes it; nil when it is that of the TiDB server's machine, which
// the job does not tell.
func (l *Location) Zone() (*time.Location, error) {
	switch {
	case l.Offset != 0:
		return time.FixedZone("", l.Offset), nil
	case l.Name == "" || l.Name == "UTC":
		return time.UTC, nil
	case strings.EqualFold(l.Name, "System") || l.Name == "Local":
		return nil, nil
	}
	loc, err := time.LoadLocation(l.Name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q of the client: %w", l.Name, err)
	}
	return loc, nil
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

// Ended reports whether the job will not change any more.
func (j *Job) Ended() bool {
	return j.Succeeded() || j.State == JobRollbackDone || j.State == JobCancelled
}

// Succeeded reports whether the job did what it was to do. A rolled back one did not, though it
// has a DDL binlog too.
func (j *Job) Succeeded() bool { return j.State == JobDone || j.State == JobSynced }

// usable is the schema version from which on clients can use what the job adds, or write what it no longer
// forbids. Parts of a multi-schema change become so together, and others may go on for some versions.
func (j *Job) usable() int64 {
	version := j.Type.usable(j.Result.SchemaVersion)
	if j.Multi != nil {
		for _, sub := range j.Multi.SubJobs {
			if sub.SchemaVersion > 0 {
				version = min(version, sub.Type.usable(sub.SchemaVersion))
			}
		}
	}
	return version
}

// usable is that version of a job whose last step has a version.
func (a Action) usable(last int64) int64 {
	if a == ActionDropIndex || a == ActionDropPrimaryKey || a == ActionDropColumn {
		return last - 2 // delete-only, the second of four steps; or a little more
	}
	return last
}

// String names the job in errors and logs.
func (j *Job) String() string {
	name := j.SchemaName
	if j.TableName != "" {
		name += "." + j.TableName
	}
	return fmt.Sprintf("DDL job %d (%s %s)", j.ID, j.Type, name)
}
