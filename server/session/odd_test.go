package session

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestKeysThatAreNotUTF8: any bytes may stand in a key in PD; texts for clients are UTF-8.
func TestKeysThatAreNotUTF8(t *testing.T) {
	takePD(t, standard())
	if _, err := pd.client.Put(t.Context(), "/tidb-binlog/v1/pumps/p\xff\x00\n", `{"nodeId":"p","state":"online"}`); err != nil {
		t.Fatal(err)
	}
	if _, err := pd.cluster.View(t.Context(), 1<<62); err != nil { // read anew
		t.Fatal(err)
	}
	s := newSession(t, testOptions(), admin)
	mustRun(t, s, "SHOW PUMP STATUS")
	found := false
	for _, row := range mustRun(t, s, "SHOW WARNINGS").Rows.Rows {
		text := row[2].Text()
		found = found || strings.Contains(text, `/tidb-binlog/v1/pumps/p\xff\x00\n is not shown`)
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\n") {
			t.Errorf("a warning is %q", text)
		}
	}
	if !found {
		t.Error("no warning names the key")
	}
}

// TestCollationOfMetadata: tools that were made for MySQL compare texts of
// information_schema under its collation there.
func TestCollationOfMetadata(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	for sql, want := range map[string]int{
		"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME COLLATE utf8_general_ci = 'BINLOG'":          1,
		"SELECT * FROM information_schema.TABLES WHERE TABLE_SCHEMA COLLATE utf8mb3_general_ci IN ('binlog') AND 1 = 0":     0,
		"SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA COLLATE utf8_bin = 'binlog' AND COLUMN_NAME = 'score'": 2,
		"SELECT p.node_id FROM binlog.pumps p JOIN information_schema.SCHEMATA s ON p.node_id = s.SCHEMA_NAME":              0,
	} {
		if rows := mustRun(t, s, sql).Rows.Rows; len(rows) != want {
			t.Errorf("%s gives %d rows, want %d", sql, len(rows), want)
		}
	}
	row := mustRun(t, s, "SELECT CHARACTER_SET_NAME, COLLATION_NAME, CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH FROM information_schema.COLUMNS "+
		"WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME = 'SCHEMATA' AND COLUMN_NAME = 'SCHEMA_NAME'").Rows.Rows[0]
	if row[0].Text() != "utf8" || row[1].Text() != "utf8_general_ci" || row[3].Int() != 3*row[2].Int() {
		t.Errorf("the column is described as %v", row)
	}
}
