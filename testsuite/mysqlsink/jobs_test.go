package mysqlsink

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// upstream is a DDL history under construction: what a TiDB would have of the statements a test gives it,
// with the definitions that the test says they leave. Database d has the ID 1.
type upstream struct {
	t   testing.TB
	dir string
	n   int64
	h   *schema.History
}

func newUpstream(t testing.TB) *upstream {
	u := &upstream{t: t, dir: t.TempDir()}
	u.write(`"type":1,"binlog":{"DBInfo":{"id":1,"db_name":{"O":"d","L":"d"},"charset":"utf8mb4","collate":"utf8mb4_bin"}}`)
	var err error
	u.h, err = schema.Open(t.Context(), schema.Dir(u.dir), schema.Position{CommitTS: u.ts() + 5, Exact: true},
		schema.Options{JobTimeout: time.Millisecond, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// ts is the commit TS of the last job's DDL binlog.
func (u *upstream) ts() nodes.TSO { return nodes.TSO(100 * u.n) }

// write adds a job.
func (u *upstream) write(fields string) {
	u.t.Helper()
	u.n++
	fields = strings.Replace(fields, `"binlog":{`, fmt.Sprintf(`"binlog":{"SchemaVersion":%d,"FinishedTS":%d,`, u.n, u.ts()+1), 1)
	text := fmt.Sprintf(`{"id":%d,"state":6,"schema_id":1,"schema_name":"d","start_ts":%d,%s}`, u.n, u.ts()-1, fields)
	if !json.Valid([]byte(text)) {
		u.t.Fatalf("no JSON: %s", text)
	}
	if err := os.WriteFile(filepath.Join(u.dir, fmt.Sprintf("%d.json", u.n)), []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

// job adds a job and gives its statement as a drainer hands it to a sink.
func (u *upstream) job(action schema.Action, query, fields string) *sink.Txn {
	u.t.Helper()
	text, err := json.Marshal(query)
	if err != nil {
		u.t.Fatal(err)
	}
	u.write(fmt.Sprintf(`"type":%d,"query":%s,%s`, action, text, fields))
	d, err := u.h.Reach(u.t.Context(), u.ts(), u.n, schema.StatePublic, query)
	if err != nil {
		u.t.Fatal(err)
	}
	return &sink.Txn{CommitTS: u.ts(), Query: query, DDL: d}
}

// create and alter are jobs on a table that leave it with an ID, a name and parts of its JSON.
func (u *upstream) create(query string, id int, name string, parts ...string) *sink.Txn {
	u.t.Helper()
	return u.job(schema.ActionCreateTable, query, fmt.Sprintf(`"table_id":%d,"binlog":{"TableInfo":%s}`, id, tableInfo(id, name, parts...)))
}

func (u *upstream) alter(query string, id int, name string, parts ...string) *sink.Txn {
	u.t.Helper()
	return u.job(schema.ActionMultiSchemaChange, query, fmt.Sprintf(`"table_id":%d,"binlog":{"TableInfo":%s}`, id, tableInfo(id, name, parts...)))
}

// tableInfo is a table's JSON, of columns (see col), keys (see key) and other fields in any order.
func tableInfo(id int, name string, parts ...string) string {
	var cols, keys, more []string
	for _, p := range parts {
		switch {
		case strings.HasPrefix(p, `{"offset"`):
			cols = append(cols, strings.Replace(p, `"offset":0`, fmt.Sprintf(`"offset":%d`, len(cols)), 1))
		case strings.HasPrefix(p, `{"idx_name"`):
			keys = append(keys, p)
		default:
			more = append(more, ","+p)
		}
	}
	return fmt.Sprintf(`{"id":%d,"name":%q,"charset":"utf8mb4","collate":"utf8mb4_bin","state":5,"cols":[%s],"index_info":[%s]%s}`,
		id, name, strings.Join(cols, ","), strings.Join(keys, ","), strings.Join(more, ""))
}

// col is a column's JSON. kind is "int", "uint", "bigint", "varchar(20)", "timestamp", each with " not null"
// after it or not; more are other fields.
func col(id int, name, kind string, more ...string) string {
	flag := uint(0)
	kind, notNull := strings.CutSuffix(kind, " not null")
	if notNull {
		flag |= pmysql.NotNullFlag
		if len(more) == 0 {
			flag |= pmysql.NoDefaultValueFlag
		}
	}
	tp, flen, set := byte(0), 11, "binary"
	switch {
	case kind == "int":
		tp = pmysql.TypeLong
	case kind == "uint":
		tp, flag = pmysql.TypeLong, flag|pmysql.UnsignedFlag
	case kind == "bigint":
		tp = pmysql.TypeLonglong
	case kind == "timestamp":
		tp, flen = pmysql.TypeTimestamp, 19
	case strings.HasPrefix(kind, "varchar("):
		tp, set = pmysql.TypeVarchar, "utf8mb4"
		fmt.Sscanf(kind, "varchar(%d)", &flen)
	}
	collation := set
	if set == "utf8mb4" {
		collation = "utf8mb4_bin"
	}
	rest := ""
	for _, m := range more {
		rest += "," + m
	}
	return fmt.Sprintf(`{"offset":0,"id":%d,"name":%q,"state":5,"version":2,"type":{"Tp":%d,"Flag":%d,"Flen":%d,"Decimal":-1,"Charset":%q,"Collate":%q}%s}`,
		id, name, tp, flag, flen, set, collation, rest)
}

// key is an index's JSON: columns as "name/offset" or "name/offset/length".
func key(name string, unique bool, columns ...string) string {
	var list []string
	for _, c := range columns {
		parts := strings.Split(c+"/-1", "/")
		list = append(list, fmt.Sprintf(`{"name":%q,"offset":%s,"length":%s}`, parts[0], parts[1], parts[2]))
	}
	return fmt.Sprintf(`{"idx_name":%q,"state":5,"is_unique":%t,"is_primary":%t,"idx_cols":[%s]}`,
		name, unique, name == "PRIMARY", strings.Join(list, ","))
}
