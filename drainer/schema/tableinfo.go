package schema

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/nodes"
)

// TableInfo is a table in a job (model.TableInfo): what of it is of use here.
type TableInfo struct {
	ID             int64          `json:"id"`
	Name           ast.CIStr      `json:"name"`
	Columns        []ColumnInfo   `json:"cols"`
	Indices        []IndexInfo    `json:"index_info"`
	PKIsHandle     bool           `json:"pk_is_handle"`
	IsCommonHandle bool           `json:"is_common_handle"`
	Partition      *PartitionInfo `json:"partition"`
	View           *struct{}      `json:"view"`
	Sequence       *struct{}      `json:"sequence"`
	TempTableType  uint8          `json:"temp_table_type"`
	// UpdateTS is another one after every change of the definition, finished or not.
	UpdateTS nodes.TSO `json:"update_timestamp"`
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
}

// IndexInfo is an index in a job (model.IndexInfo).
type IndexInfo struct {
	Name    ast.CIStr     `json:"idx_name"`
	Columns []IndexColumn `json:"idx_cols"`
	State   State         `json:"state"`
	Unique  bool          `json:"is_unique"`
	Primary bool          `json:"is_primary"`
}

// IndexColumn is a column of an index; Length is -1 for the whole value.
type IndexColumn struct {
	Name   ast.CIStr `json:"name"`
	Offset int       `json:"offset"`
	Length int       `json:"length"`
}

// PartitionInfo are the partitions in a job (model.PartitionInfo).
type PartitionInfo struct {
	Definitions []Partition `json:"definitions"`
	Adding      []Partition `json:"adding_definitions"`
	Dropping    []Partition `json:"dropping_definitions"`
}

// Partition is one partition. Its ID is a table ID of its own.
type Partition struct {
	ID   int64     `json:"id"`
	Name ast.CIStr `json:"name"`
}

// State is how far a column or an index is in a job that adds or drops it; numbers are TiDB's.
type State uint8

// States that are asked for by name.
const (
	StateNone       State = 0
	StateDeleteOnly State = 1
	StateWriteOnly  State = 2
	StateWriteReorg State = 3
	StatePublic     State = 5
)
