package schema

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/nodes"
)

// TableInfo is a table in a job (model.TableInfo): all that makes its definition, and whether it has
// the properties that only a TiDB has. What is not there is left out by TiDB or older than the job.
type TableInfo struct {
	ID             int64          `json:"id"`
	Name           ast.CIStr      `json:"name"`
	Charset        string         `json:"charset"` // of columns that name none; empty in jobs of 2.0
	Collate        string         `json:"collate"`
	Comment        string         `json:"comment"`
	Columns        []ColumnInfo   `json:"cols"`
	Indices        []IndexInfo    `json:"index_info"`
	ForeignKeys    []ForeignKey   `json:"fk_info"`
	Checks         []Check        `json:"constraint_info"`
	PKIsHandle     bool           `json:"pk_is_handle"`
	IsCommonHandle bool           `json:"is_common_handle"`
	Partition      *PartitionInfo `json:"partition"`
	View           *ViewInfo      `json:"view"`
	Sequence       *SequenceInfo  `json:"sequence"`
	TempTableType  uint8          `json:"temp_table_type"`
	// UpdateTS is another one after every change of the definition, finished or not.
	UpdateTS nodes.TSO `json:"update_timestamp"`

	// What only a TiDB has. Zero or nil: the table has not got it.

	Compression         string     `json:"compression"` // taken by TiDB and without effect there
	AutoRandomBits      uint64     `json:"auto_random_bits"`
	AutoRandomRangeBits uint64     `json:"auto_random_range_bits"`
	AutoIDCache         int64      `json:"auto_id_cache"`
	ShardRowIDBits      uint64     `json:"ShardRowIDBits"`
	PreSplitRegions     uint64     `json:"pre_split_regions"`
	CacheStatus         uint8      `json:"cache_table_status"`
	Placement           *PolicyRef `json:"policy_ref_info"`
	TTL                 *TTLInfo   `json:"ttl_info"`
	TiFlash             *TiFlash   `json:"tiflash_replica"`
}

// ColumnInfo is a column in a job (model.ColumnInfo).
type ColumnInfo struct {
	ID               int64           `json:"id"`
	Name             ast.CIStr       `json:"name"`
	Offset           int             `json:"offset"`
	OriginDefault    any             `json:"origin_default"`
	OriginDefaultBit []byte          `json:"origin_default_bit"`
	Default          any             `json:"default"`
	DefaultBit       []byte          `json:"default_bit"`
	DefaultIsExpr    bool            `json:"default_is_expr"`
	GeneratedExpr    string          `json:"generated_expr_string"`
	GeneratedStored  bool            `json:"generated_stored"`
	Type             types.FieldType `json:"type"`
	State            State           `json:"state"`
	Hidden           bool            `json:"hidden"`
	Comment          string          `json:"comment"`
	// Version is 0 in columns of before 2.1: their TIMESTAMP defaults are in the time zone of the
	// server that made them. From 1 on they are in UTC.
	Version uint64 `json:"version"`
}

// IndexInfo is an index in a job (model.IndexInfo). An integer primary key that is the handle is
// in no index: its column has the flag.
type IndexInfo struct {
	ID         int64         `json:"id"`
	Name       ast.CIStr     `json:"idx_name"`
	Columns    []IndexColumn `json:"idx_cols"`
	State      State         `json:"state"`
	Unique     bool          `json:"is_unique"`
	Primary    bool          `json:"is_primary"`
	Invisible  bool          `json:"is_invisible"`
	Global     bool          `json:"is_global"`
	MultiValue bool          `json:"mv_index"`
	Comment    string        `json:"comment"`
}

// IndexColumn is a column of an index; Length is -1 for the whole value. An expression is a hidden
// column.
type IndexColumn struct {
	Name   ast.CIStr `json:"name"`
	Offset int       `json:"offset"`
	Length int       `json:"length"`
}

// ForeignKey is a foreign key in a job (model.FKInfo). TiDB before 6.6 keeps it without effect;
// Version is 0 then.
type ForeignKey struct {
	Name       ast.CIStr   `json:"fk_name"`
	Columns    []ast.CIStr `json:"cols"`
	RefSchema  ast.CIStr   `json:"ref_schema"` // empty in old versions: the table's own
	RefTable   ast.CIStr   `json:"ref_table"`
	RefColumns []ast.CIStr `json:"ref_cols"`
	OnDelete   ReferAction `json:"on_delete"`
	OnUpdate   ReferAction `json:"on_update"`
	State      State       `json:"state"`
	Version    int         `json:"version"`
}

// ReferAction is what a foreign key does; the numbers are TiDB's.
type ReferAction int

// The actions.
const (
	ReferNone ReferAction = iota
	ReferRestrict
	ReferCascade
	ReferSetNull
	ReferNoAction
	ReferSetDefault
)

// String is the action in SQL, empty for ReferNone and for what is unknown.
func (a ReferAction) String() string {
	switch a {
	case ReferRestrict:
		return "RESTRICT"
	case ReferCascade:
		return "CASCADE"
	case ReferSetNull:
		return "SET NULL"
	case ReferNoAction:
		return "NO ACTION"
	case ReferSetDefault:
		return "SET DEFAULT"
	}
	return ""
}

// Check is a CHECK constraint in a job (model.ConstraintInfo). TiDB keeps it only where
// tidb_enable_check_constraint is on.
type Check struct {
	Name     ast.CIStr `json:"constraint_name"`
	Enforced bool      `json:"enforced"`
	Expr     string    `json:"expr_string"`
	State    State     `json:"state"`
}

// PartitionInfo are the partitions in a job (model.PartitionInfo).
type PartitionInfo struct {
	Type    PartitionType `json:"type"`
	Expr    string        `json:"expr"`    // empty: by Columns
	Columns []ast.CIStr   `json:"columns"` // of RANGE COLUMNS, LIST COLUMNS and KEY
	// Enable: false when TiDB took the clause without effect.
	Enable      bool        `json:"enable"`
	Definitions []Partition `json:"definitions"`
	Adding      []Partition `json:"adding_definitions"`
	Dropping    []Partition `json:"dropping_definitions"`
}

// PartitionType is how a table is partitioned; the numbers are TiDB's.
type PartitionType int

// The types.
const (
	PartitionNone  PartitionType = 0
	PartitionRange PartitionType = 1
	PartitionHash  PartitionType = 2
	PartitionList  PartitionType = 3
	PartitionKey   PartitionType = 4
)

// String is the type in SQL, without COLUMNS.
func (t PartitionType) String() string {
	switch t {
	case PartitionRange:
		return "RANGE"
	case PartitionHash:
		return "HASH"
	case PartitionList:
		return "LIST"
	case PartitionKey:
		return "KEY"
	}
	return fmt.Sprintf("partition type %d", int(t))
}

// Partition is one partition. Its ID is a table ID of its own.
type Partition struct {
	ID   int64     `json:"id"`
	Name ast.CIStr `json:"name"`
	// LessThan are the bounds of RANGE, one for each column, as SQL literals or MAXVALUE: TiDB has
	// evaluated them. InValues are the values of LIST in the same form.
	LessThan []string   `json:"less_than"`
	InValues [][]string `json:"in_values"`
	Comment  string     `json:"comment"`
}

// ViewInfo is a view in a job (model.ViewInfo).
type ViewInfo struct {
	Algorithm   int          `json:"view_algorithm"` // 0 UNDEFINED, 1 MERGE, 2 TEMPTABLE
	Definer     *ViewDefiner `json:"view_definer"`
	Security    int          `json:"view_security"` // 0 DEFINER, 1 INVOKER
	Select      string       `json:"view_select"`   // every table in it has its database
	CheckOption int          `json:"view_checkoption"`
	Columns     []ast.CIStr  `json:"view_cols"` // none: those of the query
}

// ViewDefiner is the user a view runs as. AuthUser and AuthHost are the account that the user
// matched, empty in old versions.
type ViewDefiner struct {
	User     string `json:"Username"`
	Host     string `json:"Hostname"`
	AuthUser string `json:"AuthUsername"`
	AuthHost string `json:"AuthHostname"`
}

// SequenceInfo is a sequence in a job (model.SequenceInfo).
type SequenceInfo struct {
	Start      int64  `json:"sequence_start"`
	Cache      bool   `json:"sequence_cache"`
	Cycle      bool   `json:"sequence_cycle"`
	MinValue   int64  `json:"sequence_min_value"`
	MaxValue   int64  `json:"sequence_max_value"`
	Increment  int64  `json:"sequence_increment"`
	CacheValue int64  `json:"sequence_cache_value"`
	Comment    string `json:"sequence_comment"`
}

// PolicyRef names a placement policy.
type PolicyRef struct {
	ID   int64     `json:"id"`
	Name ast.CIStr `json:"name"`
}

// TTLInfo says when rows expire (model.TTLInfo).
type TTLInfo struct {
	Column ast.CIStr `json:"column"`
	Enable bool      `json:"enable"`
}

// TiFlash are a table's replicas there.
type TiFlash struct {
	Count uint64
}

// State is how far a column or an index is in a job that adds or drops it; numbers are TiDB's.
type State uint8

// States that are asked for by name.
const (
	StateNone        State = 0
	StateDeleteOnly  State = 1
	StateWriteOnly   State = 2
	StateWriteReorg  State = 3
	StateDeleteReorg State = 4
	StatePublic      State = 5
)
