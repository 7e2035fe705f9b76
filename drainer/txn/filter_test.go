package txn_test

import (
	"testing"

	"pumphouse/drainer/txn"
)

// TestFilter holds the rules of a drainer's configuration.
func TestFilter(t *testing.T) {
	table := func(s, n string) txn.TableName { return txn.TableName{Schema: s, Table: n} }
	for _, c := range []struct {
		name       string
		rules      txn.FilterRules
		skip, keep [][2]string
	}{
		{"no rules", txn.FilterRules{}, nil, [][2]string{{"a", "t"}, {"a", ""}}},
		{"ignored schemas, any case",
			txn.FilterRules{IgnoreSchemas: []string{"INFORMATION_SCHEMA", " mysql ", ""}},
			[][2]string{{"mysql", "user"}, {"MySQL", ""}, {"information_schema", "x"}}, [][2]string{{"mysql2", "t"}}},
		{"one database", txn.FilterRules{DoDBs: []string{"a"}},
			[][2]string{{"b", "t"}, {"b", ""}}, [][2]string{{"a", "t"}, {"A", ""}}},
		{"a regular expression is not bound to the whole name, nor to a case", txn.FilterRules{DoDBs: []string{"~^shop_", "~X"}},
			[][2]string{{"the_shop_", "t"}}, [][2]string{{"SHOP_1", "t"}, {"axb", "t"}}},
		{"tables, and the statements on their database", txn.FilterRules{DoTables: []txn.TableName{table("a", "t"), table("b", "~^log.*")}},
			[][2]string{{"a", "u"}, {"b", "t"}, {"c", ""}}, [][2]string{{"a", "t"}, {"a", ""}, {"B", "Log_1"}}},
		{"either is enough", txn.FilterRules{DoDBs: []string{"a"}, DoTables: []txn.TableName{table("b", "t")}},
			[][2]string{{"b", "u"}}, [][2]string{{"a", "u"}, {"b", "t"}}},
		{"ignoring wins", txn.FilterRules{DoDBs: []string{"a"}, IgnoreTables: []txn.TableName{table("~.*", "~_tmp$")}},
			[][2]string{{"a", "x_TMP"}}, [][2]string{{"a", "x"}, {"a", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := txn.NewFilter(c.rules)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range c.skip {
				if !f.Skip(n[0], n[1]) {
					t.Errorf("%v is not skipped", n)
				}
			}
			for _, n := range c.keep {
				if f.Skip(n[0], n[1]) {
					t.Errorf("%v is skipped", n)
				}
			}
		})
	}
	for _, bad := range []txn.FilterRules{
		{DoDBs: []string{"~("}}, {DoDBs: []string{"~"}}, {IgnoreTables: []txn.TableName{{Schema: "a"}}},
	} {
		if _, err := txn.NewFilter(bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
