package definition

import "testing"

// TestPartitionsOfMariaDB: MariaDB prints bounds of RANGE with a sign, and 0 or MAXVALUE for the partition of all other values.
func TestPartitionsOfMariaDB(t *testing.T) {
	for _, c := range []struct {
		flavour           Flavour
		method, want, got string
		same              bool
	}{
		{MariaDB, "RANGE", "18446744073709551615", "-1", true}, {MariaDB, "RANGE", "9223372036854775809", "-9223372036854775807", true},
		{MariaDB, "RANGE", "18446744073709551614", "-1", false}, {TiDB, "RANGE", "18446744073709551615", "-1", false}, {MariaDB, "RANGE", "-1", "-1", true},
		{MariaDB, "LIST", "DEFAULT", "0", true}, {MariaDB, "LIST", "'b',DEFAULT", "MAXVALUE", true}, {MariaDB, "LIST", "DEFAULT", "5", false},
		{MariaDB, "LIST", "1", "0", false}, {TiDB, "LIST", "DEFAULT", "0", false}, {TiDB, "LIST", "DEFAULT", "DEFAULT", true},
	} {
		table := func(values string) *Table {
			return &Table{Kind: BaseTable, Partitioning: &Partitioning{Method: c.method, Expression: "`a`", Partitions: []Partition{{Name: "p", Values: values}}}}
		}
		if found := server(c.flavour).Compare(table(c.want), table(c.got)); (len(found) == 0) != c.same {
			t.Errorf("%s %s, downstream %s: %v", c.method, c.want, c.got, found)
		}
	}
}
