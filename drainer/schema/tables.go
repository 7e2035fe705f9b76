package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/nodes"
)

// Tables are the definitions at one place of the history. The value History.Tables gives is
// never changed.
type Tables struct {
	databases  map[int64]*database
	tables     map[int64]*Table
	partitions map[int64]int64    // partition ID to table ID
	names      map[tableKey]int64 // the present tables by name
	dropped    map[int64]struct{} // IDs of tables that were dropped or truncated
	version    int64              // largest schema version applied
	finished   nodes.TSO          // largest FinishedTS applied
}

// database is a database, never changed once it is in a Tables.
type database struct {
	id               int64
	name             string
	charset, collate string // of tables that name none; empty: not known
}

// tableKey is a name as TiDB compares it.
type tableKey struct {
	schemaID int64
	name     string // lower case
}

// newTables are no tables.
func newTables() *Tables {
	return &Tables{
		databases:  make(map[int64]*database),
		tables:     make(map[int64]*Table),
		partitions: make(map[int64]int64),
		names:      make(map[tableKey]int64),
		dropped:    make(map[int64]struct{}),
	}
}

// Table is the table with an ID, or the one with a partition of that ID.
func (ts *Tables) Table(id int64) (*Table, bool) {
	if t, ok := ts.tables[id]; ok {
		return t, true
	}
	t, ok := ts.tables[ts.partitions[id]]
	return t, ok
}

// Dropped reports whether there was a table with the ID once: its rows have no meaning any more.
func (ts *Tables) Dropped(id int64) bool {
	_, ok := ts.dropped[id]
	return ok
}

// Named is the table with a name, in any letter case.
func (ts *Tables) Named(schema, name string) (*Table, bool) {
	db := ts.database(schema)
	if db == nil {
		return nil, false
	}
	t, ok := ts.tables[ts.names[tableKey{db.id, strings.ToLower(name)}]]
	return t, ok
}

// Database is the database with a name, in any letter case.
func (ts *Tables) Database(name string) (DBInfo, bool) {
	db := ts.database(name)
	if db == nil {
		return DBInfo{}, false
	}
	return DBInfo{ID: db.id, Name: ast.NewCIStr(db.name), Charset: db.charset, Collate: db.collate}, true
}

// DatabaseByID is the database with an ID.
func (ts *Tables) DatabaseByID(id int64) (DBInfo, bool) {
	db, ok := ts.databases[id]
	if !ok {
		return DBInfo{}, false
	}
	return DBInfo{ID: db.id, Name: ast.NewCIStr(db.name), Charset: db.charset, Collate: db.collate}, true
}

func (ts *Tables) database(name string) *database {
	for _, db := range ts.databases {
		if strings.EqualFold(db.name, name) {
			return db
		}
	}
	return nil
}

// Bytes is about how much memory a copy of the maps takes, which every change of a Tables that was
// given away makes. The definitions in them are shared.
func (ts *Tables) Bytes() int64 {
	const entry = 48 // a key, a value and what a map keeps free
	return entry * int64(len(ts.databases)+len(ts.tables)+len(ts.partitions)+2*len(ts.names)+len(ts.dropped))
}

// Version is the largest schema version of a job that these tables include.
func (ts *Tables) Version() int64 { return ts.version }

// All are the tables by ID.
func (ts *Tables) All() []*Table {
	list := make([]*Table, 0, len(ts.tables))
	for _, id := range slices.Sorted(maps.Keys(ts.tables)) {
		list = append(list, ts.tables[id])
	}
	return list
}

func (ts *Tables) clone() *Tables {
	return &Tables{
		databases:  maps.Clone(ts.databases),
		tables:     maps.Clone(ts.tables),
		partitions: maps.Clone(ts.partitions),
		names:      maps.Clone(ts.names),
		dropped:    maps.Clone(ts.dropped),
		version:    ts.version,
		finished:   ts.finished,
	}
}

// apply changes the tables as a job did that succeeded. On an error nothing is to be trusted.
func (ts *Tables) apply(job *Job) error {
	if err := ts.change(job); err != nil {
		return fmt.Errorf("apply %s: %w", job, err)
	}
	ts.passed(job)
	return nil
}

func (ts *Tables) passed(job *Job) {
	ts.version = max(ts.version, job.Result.SchemaVersion)
	ts.finished = max(ts.finished, job.Result.FinishedTS)
}

func (ts *Tables) change(job *Job) error {
	switch job.Type {
	case ActionCreateSchema, ActionModifySchemaCharset:
		return ts.putDatabase(job)
	case ActionDropSchema:
		ts.dropDatabase(job.SchemaID)
		return nil
	case ActionDropTable, ActionDropView, ActionDropSequence:
		ts.drop(job.TableID)
		return nil
	case ActionRenameTables, ActionCreateTables:
		return ts.changeMany(job)
	case ActionExchangePartition:
		return ts.exchange(job)
	case ActionFlashbackCluster:
		return fmt.Errorf("%w: FLASHBACK CLUSTER takes back changes without binlogs; "+
			"copy the data again and start at a later commit TS", ErrBadJob)
	}
	if job.Result.TableInfo == nil {
		return nil // placement policies, resource groups and what else has no table
	}
	// Everything else leaves the definition as it is now in the job. When the ID is another one,
	// the rows went away (TRUNCATE) or moved (PARTITION BY, REMOVE PARTITIONING).
	if job.TableID != job.Result.TableInfo.ID {
		ts.drop(job.TableID)
	}
	return ts.put(job, job.SchemaID, job.Result.TableInfo)
}

func (ts *Tables) putDatabase(job *Job) error {
	info := job.Result.DBInfo
	if info == nil {
		return fmt.Errorf("%w: it does not say which database", ErrBadJob)
	}
	ts.databases[info.ID] = &database{id: info.ID, name: info.Name.O, charset: info.Charset, collate: info.Collate}
	return nil
}

func (ts *Tables) dropDatabase(id int64) {
	for _, t := range ts.tables {
		if t.SchemaID == id {
			ts.drop(t.ID)
		}
	}
	delete(ts.databases, id)
}

// put makes info the definition of its table, in a database.
func (ts *Tables) put(job *Job, schemaID int64, info *TableInfo) error {
	db, ok := ts.databases[schemaID]
	if !ok {
		// The history may begin after the database (of old TiDB versions: mysql).
		if job.SchemaName == "" || schemaID != job.SchemaID {
			return fmt.Errorf("%w: there is no database with the ID %d: %w", ErrBadJob, schemaID, errIncomplete)
		}
		db = &database{id: schemaID, name: job.SchemaName}
		ts.databases[schemaID] = db
	}
	t, err := newTable(db, info, job.Result.SchemaVersion)
	if err != nil {
		return err
	}
	t.job, t.finished = job.ID, job.Result.FinishedTS
	if now, ok := ts.tables[t.ID]; ok && now.Version > t.Version {
		return nil // a job that was applied long ago
	}
	ts.set(t)
	return nil
}

// set puts a table in the place of the one with its ID, and of a view with its name.
func (ts *Tables) set(t *Table) {
	ts.forget(t.ID)
	key := t.key()
	if old := ts.tables[ts.names[key]]; old != nil && old.Kind == View {
		ts.drop(old.ID) // CREATE OR REPLACE VIEW
	}
	ts.tables[t.ID] = t
	ts.names[key] = t.ID
	for _, p := range t.Partitions {
		ts.partitions[p.ID] = t.ID
	}
	delete(ts.dropped, t.ID)
}

func (t *Table) key() tableKey { return tableKey{t.SchemaID, strings.ToLower(t.Name)} }

// drop forgets a table and remembers that it was there.
func (ts *Tables) drop(id int64) {
	if ts.forget(id) {
		ts.dropped[id] = struct{}{}
	}
}

// forget takes a table out of all maps.
func (ts *Tables) forget(id int64) bool {
	t, ok := ts.tables[id]
	if !ok {
		return false
	}
	for _, p := range t.Partitions {
		if ts.partitions[p.ID] == id {
			delete(ts.partitions, p.ID)
		}
	}
	if key := t.key(); ts.names[key] == id {
		delete(ts.names, key)
	}
	delete(ts.tables, id)
	return true
}

// changeMany applies CREATE TABLE of many and RENAME TABLE of many.
func (ts *Tables) changeMany(job *Job) error {
	if slices.Contains(job.Result.Tables, nil) {
		return fmt.Errorf("%w: a table in it is null", ErrBadJob)
	}
	if job.Type == ActionCreateTables {
		for _, info := range job.Result.Tables {
			if err := ts.put(job, job.SchemaID, info); err != nil {
				return err
			}
		}
		return nil
	}
	// A table is in the list once for each of its new names; the last one counts. Names are
	// freed before they are taken: t1 to t2, t2 to t1.
	schemas, err := ts.renamedTo(job)
	if err != nil {
		return err
	}
	last := make(map[int64]int)
	for i, info := range job.Result.Tables {
		last[info.ID] = i
		ts.forget(info.ID)
	}
	for i, info := range job.Result.Tables {
		if last[info.ID] != i {
			continue
		}
		if err := ts.put(job, schemas[i], info); err != nil {
			return err
		}
	}
	return nil
}

// exchange swaps a partition with a plain table. The job has the partitioned table as it is
// after it; the plain one is known by the ID it had and goes on under that of the partition.
func (ts *Tables) exchange(job *Job) error {
	info := job.Result.TableInfo
	if info == nil || info.Partition == nil {
		return fmt.Errorf("%w: it has no partitioned table", ErrBadJob)
	}
	plain, ok := ts.tables[job.TableID]
	if !ok {
		return fmt.Errorf("%w: the table %d that is exchanged: %w", ErrNoTable, job.TableID, errIncomplete)
	}
	parted, ok := ts.tables[info.ID]
	if !ok {
		return fmt.Errorf("%w: the table %d of the partition: %w", ErrNoTable, info.ID, errIncomplete)
	}
	free := slices.DeleteFunc(slices.Clone(parted.Partitions), func(p Partition) bool {
		return slices.ContainsFunc(info.Partition.Definitions, func(q Partition) bool { return p.ID == q.ID })
	})
	if len(free) != 1 {
		return fmt.Errorf("%w: %d partitions of %s disappeared, an exchange removes exactly one", ErrBadJob, len(free), parted)
	}
	moved := *plain
	moved.ID, moved.Version, moved.job, moved.finished = free[0].ID, job.Result.SchemaVersion, job.ID, job.Result.FinishedTS
	if plain.Info != nil {
		own := *plain.Info
		own.ID = moved.ID
		moved.Info = &own
	}
	ts.forget(plain.ID)
	if err := ts.put(job, parted.SchemaID, info); err != nil {
		return err
	}
	ts.set(&moved)
	return nil
}
