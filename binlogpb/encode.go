package binlogpb

import "google.golang.org/protobuf/proto"

// EncodeBinlog marshals b as every upstream writer does: the fields tp,
// start_ts, commit_ts, ddl_job_id and ddl_schema_state are written even when b
// leaves them unset.
func EncodeBinlog(b *Binlog) ([]byte, error) {
	return proto.Marshal(&Binlog{
		Tp:             b.GetTp().Enum(),
		StartTs:        proto.Int64(b.GetStartTs()),
		CommitTs:       proto.Int64(b.GetCommitTs()),
		PrewriteKey:    b.PrewriteKey,
		PrewriteValue:  b.PrewriteValue,
		DdlQuery:       b.DdlQuery,
		DdlJobId:       proto.Int64(b.GetDdlJobId()),
		DdlSchemaState: proto.Int32(b.GetDdlSchemaState()),
	})
}

// EncodePrewriteValue marshals v for [Binlog.PrewriteValue] as TiDB does:
// schema_version and every table_id are written even when they are unset.
func EncodePrewriteValue(v *PrewriteValue) ([]byte, error) {
	out := &PrewriteValue{
		SchemaVersion: proto.Int64(v.GetSchemaVersion()),
		Mutations:     make([]*TableMutation, len(v.GetMutations())),
	}
	for i, m := range v.GetMutations() {
		out.Mutations[i] = &TableMutation{
			TableId:      proto.Int64(m.GetTableId()),
			InsertedRows: m.GetInsertedRows(),
			UpdatedRows:  m.GetUpdatedRows(),
			DeletedIds:   m.GetDeletedIds(),
			DeletedPks:   m.GetDeletedPks(),
			DeletedRows:  m.GetDeletedRows(),
			Sequence:     m.GetSequence(),
		}
	}
	return proto.Marshal(out)
}
