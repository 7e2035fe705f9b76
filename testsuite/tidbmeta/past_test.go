package tidbmeta

import (
	"fmt"
	"strings"
	"testing"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// TestPastDefinitions: what a table was at a time stamp is read at it whatever has been written since.
func TestPastDefinitions(t *testing.T) {
	cluster := pdtest.StartReal(t, 1)
	tidbtest.StartUnistore(t, cluster.Endpoint(0))
	db := tidbtest.StartTiDB(t, tidbtest.Options{PD: cluster.Endpoint(0), Store: tidbtest.TiKV}).Open(t, "")
	source := newSource(t, cluster)
	mustExec(t, db, "create table test.v (id int primary key)")
	mustExec(t, db, "create table test.ballast (id int primary key auto_increment, text varchar(200))")
	ballast := "insert into test.ballast (text) values " + strings.TrimSuffix(strings.Repeat("('"+strings.Repeat("ballast", 20)+"'),", 3000), ",")
	var schemaID, id int64
	if err := db.QueryRow("select tidb_table_id from information_schema.tables where table_schema = 'test' and table_name = 'v'").Scan(&id); err != nil {
		t.Fatal(err)
	}
	now := func() nodes.TSO {
		ts, err := source.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ts
	}
	list, err := source.DatabasesAt(t.Context(), now())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Name.L == "test" {
			schemaID = d.ID
		}
	}
	var past []nodes.TSO
	for i := range 8 {
		mustExec(t, db, fmt.Sprintf("alter table test.v comment '%d'", i))
		past = append(past, now())
		for range 5 {
			mustExec(t, db, ballast)
		}
	}
	for i, ts := range past {
		info, err := source.TableAt(t.Context(), schemaID, id, ts)
		if err != nil || info == nil || info.Comment != fmt.Sprint(i) {
			t.Errorf("as of %s it is %+v, want the comment %d (%v)", ts, info, i, err)
		}
	}
}
