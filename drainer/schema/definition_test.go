package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/testsuite/tidbtest/golden"
)

// TestDefinitions: a table has all that real TiDBs say of it, and of what was in a job nothing is
// kept twice.
func TestDefinitions(t *testing.T) {
	for _, year := range golden.Years() {
		t.Run(fmt.Sprint(year), func(t *testing.T) {
			data, err := golden.Load(year)
			if err != nil {
				t.Fatal(err)
			}
			h, err := schema.Open(t.Context(), data.History(t), schema.Position{CommitTS: 1 << 62, Exact: true}, schema.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ts := h.Tables()
			find := func(db, name string) *schema.Table {
				t.Helper()
				table, ok := ts.Named(db, name)
				if !ok {
					t.Fatalf("no table %s.%s", db, name)
				}
				if table.Info == nil || table.Info.Columns != nil || table.Info.ID != table.ID {
					t.Fatalf("table %s: %+v", table, table.Info)
				}
				return table
			}
			if p := find("parts", "BY_LIST").Info.Partition; p.Type != schema.PartitionList || p.Expr != "`id`" || !p.Enable ||
				fmt.Sprint(p.Definitions[1].InValues) != "[[4] [5] [NULL]]" {
				t.Errorf("%+v", p)
			}
			if p := find("parts", "by_cols").Info.Partition; len(p.Columns) != 1 || p.Columns[0].O != "a" ||
				strings.Join(p.Definitions[0].LessThan, "") != "'m'" || p.Definitions[1].LessThan[0] != "MAXVALUE" {
				t.Errorf("%+v", p)
			}
			find("parts", "swap")
			fk := find("ddls", "child").Info.ForeignKeys
			if len(fk) != 1 || fk[0].RefTable.O != "parent" || fk[0].OnDelete.String() != "CASCADE" || fk[0].Columns[0].O != "pid" {
				t.Errorf("%+v", fk)
			}
			uniq := find("handles", "uniq_null").Info.Indices
			if len(uniq) != 2 || !uniq[0].Unique || uniq[1].Unique || uniq[1].Name.O != "kc" {
				t.Errorf("%+v", uniq)
			}
			if seq := find("ddls", "sq").Info.Sequence; seq == nil || seq.Increment != 5 {
				t.Errorf("%+v", seq)
			}
			if expr := find("handles", "expr_index").Columns[2]; !expr.Hidden || expr.GeneratedExpr != "lower(`s`)" {
				t.Errorf("%+v", expr)
			}
			if find("handles", "auto_rand").Info.AutoRandomBits != 5 || find("handles", "shard").Info.ShardRowIDBits != 4 ||
				find("ddls", "child").Info.Placement == nil || find("ddls", "expires").Info.TTL == nil {
				t.Error("what only a TiDB has is not there")
			}
			if info := find("ddls", "no_pk").Info; info.Charset != "utf8mb4" || info.Collate != "utf8mb4_unicode_ci" {
				t.Errorf("%q %q", info.Charset, info.Collate)
			}
			if db, ok := ts.Database("DDLS"); !ok || db.Name.O != "ddls" || db.Collate != "utf8mb4_unicode_ci" {
				t.Errorf("%+v", db)
			}
		})
	}
}

// TestHiddenDefault: a YEAR that is NOT NULL has a default in jobs that no client sees.
func TestHiddenDefault(t *testing.T) {
	for flag, want := range map[uint]any{mysql.NotNullFlag | mysql.NoDefaultValueFlag: nil, mysql.NotNullFlag: "0000"} {
		h := newHistory(t)
		at := schema.Position{CommitTS: binlogTS(h.n) + 20, Exact: true}
		id := h.job(fmt.Sprintf(`"type":3,"schema_id":1,"table_id":10,"binlog":{"TableInfo":{"id":10,"name":{"O":"t","L":"t"},"state":5,"cols":[`+
			`{"id":1,"name":{"O":"y","L":"y"},"offset":0,"state":5,"default":"0000","type":{"Tp":13,"Flag":%d,"Flen":4,"Charset":"binary","Collate":"binary"}}]}}`, flag))
		made, err := h.open(at).Reach(t.Context(), binlogTS(id), int64(id), schema.StatePublic, "CREATE TABLE t (y YEAR NOT NULL)")
		if err != nil {
			t.Fatal(err)
		}
		if got := made.After.Columns[0].Default; got != want {
			t.Errorf("flags %d: the default is %v, want %v", flag, got, want)
		}
	}
}

// TestChanges: a DDL tells which tables its job changed, and what they were.
func TestChanges(t *testing.T) {
	h := newHistory(t)
	at := schema.Position{CommitTS: binlogTS(h.n) + 20, Exact: true}
	h.job(`"type":3,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "a", "x:1", "") + `}`)
	h.job(`"type":3,"schema_id":1,"table_id":11,"binlog":{` + tableJSON(11, "b", "x:1", "") + `}`)
	h.job(`"type":5,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(10, "a", "x:1 y:2", "") + `}`)
	h.job(`"type":11,"schema_id":1,"table_id":10,"binlog":{` + tableJSON(12, "a", "x:1 y:2", "") + `}`)
	h.job(`"type":47,"schema_id":1,"query":"RENAME TABLE a TO c, b TO a, c TO b","binlog":{"MultipleTableInfos":[` +
		bare(tableJSON(12, "c", "x:1 y:2", "")) + `,` + bare(tableJSON(11, "a", "x:1", "")) + `,` + bare(tableJSON(12, "b", "x:1 y:2", "")) + `]}`)
	h.job(`"type":2,"schema_id":1,"binlog":{"DBInfo":{"id":1,"db_name":"One"}}`)
	s := h.open(at)
	show := func(t *schema.Table) string {
		if t == nil {
			return "-"
		}
		return fmt.Sprintf("%s/%d/%d", t.Name, t.ID, len(t.Columns))
	}
	for i, want := range []string{
		"-→a/10/1", "-→b/11/1", "a/10/1→a/10/2", "a/10/2→a/12/2", "b/11/1→a/11/1 a/12/2→b/12/2", "a/11/1→- b/12/2→-",
	} {
		id := i + 2
		d, err := s.Reach(t.Context(), binlogTS(id), int64(id), schema.StatePublic, "")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range d.Changes() {
			got = append(got, show(c.Before)+"→"+show(c.After))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("job %d: %q, want %q", id, got, want)
		}
		if id == 4 && (show(d.Before) != "a/10/1" || show(d.After) != "a/10/2") {
			t.Errorf("job %d: %s to %s", id, show(d.Before), show(d.After))
		}
		if d.TablesBefore == d.TablesAfter || d.TablesAfter.Bytes() <= 0 {
			t.Errorf("job %d: the definitions before it are those after it", id)
		}
	}
}
