package schema_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/mysql/rewrite"
	"pumphouse/testsuite/tidbtest/golden"
)

// What real DDL jobs did comes back from what was written down of it: the same definitions, the same
// changes, the same statements for every kind of server.
func TestWrittenDDL(t *testing.T) {
	for _, year := range golden.Years() {
		data, err := golden.Load(year)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, x := range data.Transactions(t) {
			if x.DDL == nil || x.DDL.Job == nil && !x.DDL.Setval || x.DDL.Schema == "mysql" {
				continue
			}
			n++
			routed := *x.DDL
			routed.Route = func(schema, table string) (string, string) {
				if table == "" {
					return "to_" + schema, ""
				}
				return "to_" + schema, table + "_there"
			}
			for _, d := range []*schema.DDL{x.DDL, &routed} {
				text, err := d.Encode()
				if err != nil {
					t.Fatalf("%s: %v", d.Job, err)
				}
				got, err := schema.DecodeDDL(text)
				if err != nil {
					t.Fatalf("%s: %v", d.Job, err)
				}
				if again, err := got.Encode(); err != nil || !bytes.Equal(again, text) {
					t.Errorf("%s: written down again, %v:\n%s\nbefore\n%s", d.Job, err, again, text)
				}
				if got.Name() != d.Name() || got.Setval != d.Setval || fmt.Sprint(names(got)) != fmt.Sprint(names(d)) {
					t.Errorf("%s: changes %v, want %v", d.Job, names(got), names(d))
				}
				for _, tables := range [][2]*schema.Table{{got.Before, d.Before}, {got.After, d.After}} {
					if !sameTable(tables[0], tables[1]) {
						t.Errorf("%s: %+v, want %+v", d.Job, tables[0], tables[1])
					}
				}
				for _, to := range []rewrite.Kind{rewrite.MySQL, rewrite.MariaDB, rewrite.TiDB} {
					server := rewrite.Server{Kind: to}
					want, wantErr := rewrite.Statement(x.Query, d, x.CommitTS, server, rewrite.Options{})
					plan, err := rewrite.Statement(x.Query, got, x.CommitTS, server, rewrite.Options{})
					if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && (plan.Text != want.Text || plan.Time != want.Time || plan.Zone != want.Zone || plan.Mode != want.Mode) {
						t.Errorf("%s on %v: %v, %+v, want %v, %+v", d.Job, to, err, plan, wantErr, want)
					}
				}
			}
		}
		if n < 50 {
			t.Errorf("%d: %d jobs", year, n)
		}
	}
}

// names are the names before and after of the tables that a job changed.
func names(d *schema.DDL) (list []string) {
	for _, c := range d.Changes() {
		list = append(list, fmt.Sprint(c.Before, " ", c.After))
	}
	return list
}

func sameTable(a, b *schema.Table) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.String() == b.String() && a.ID == b.ID && a.Version == b.Version && reflect.DeepEqual(a.Columns, b.Columns) &&
		reflect.DeepEqual(a.Keys, b.Keys) && reflect.DeepEqual(a.HandleColumns, b.HandleColumns) && reflect.DeepEqual(a.Partitions, b.Partitions) && reflect.DeepEqual(a.Info, b.Info)
}

// Text that Encode did not write is an error.
func TestDecodeBadDDL(t *testing.T) {
	for _, text := range []string{`{`, `[]`, `{"before":1}`, `{"after":-1}`, `{"known":true,"changes":[[0,9]]}`,
		`{"tables":[{"Keys":[{"Columns":[0]}]}]}`, `{"tables":[{"HandleColumns":[{"Column":3}]}]}`} {
		d, err := schema.DecodeDDL([]byte(text))
		if err == nil || strings.Contains(text, "tables") && !errors.Is(err, schema.ErrBadJob) {
			t.Errorf("%s: %+v, %v", text, d, err)
		}
	}
}
