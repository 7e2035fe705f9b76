package handover

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

var oracleFilters = flag.Int("filters", 0, "random filters to compare with TiCDC's own package (builds testsuite/rowsoracle/filter)")

// TestPlan: what a drainer's configuration becomes.
func TestPlan(t *testing.T) {
	db := Settings{DBType: "mysql", Host: "10.0.0.3", Port: 3306, User: "drainer", Password: true, Workers: 16}
	for _, c := range []struct {
		name  string
		s     func(*Settings)
		uri   string
		rules []string
		toml  []string // that the configuration has
		left  []string // that is said of what TiCDC lacks
	}{
		{"a database", func(s *Settings) { *s = db }, "mysql://drainer:PASSWORD@10.0.0.3:3306/?worker-count=16", []string{"*.*"}, []string{"case-sensitive = false"},
			[]string{"in the place of PASSWORD", "without a primary key"}},
		{"TiDB, IPv6, a user with signs, TLS", func(s *Settings) {
			*s = db
			s.DBType, s.Host, s.User, s.Password, s.CA = "tidb", "::1", "a b@c", false, "/etc/ca.pem"
		}, "tidb://a%20b%40c@[::1]:3306/?ssl-ca=%2Fetc%2Fca.pem&worker-count=16", []string{"*.*"}, nil, []string{"TLS files"}},
		{"Kafka, protobuf", func(s *Settings) {
			*s = Settings{DBType: "kafka", Brokers: "k1:9092,k2:9092", Topic: "shop", Kafka: map[string]string{"kafka-version": "2.4.0"}}
		}, "kafka://k1:9092,k2:9092/shop?kafka-version=2.4.0&protocol=canal-json", []string{"*.*"}, nil, []string{"TiCDC does not write them"}},
		{"Kafka, canal-json", func(s *Settings) {
			*s = Settings{DBType: "kafka", Brokers: "k1:9092", Topic: "shop", Partition: "index-value", Kafka: map[string]string{"protocol": "canal-json", "sasl-mechanism": "PLAIN"}}
		}, "kafka://k1:9092/shop?protocol=canal-json&sasl-mechanism=PLAIN", []string{"*.*"}, []string{`partition = "index-value"`}, []string{"add sasl-password"}},
		{"files", func(s *Settings) { *s = Settings{DBType: "file"} }, "", []string{"*.*"}, nil, []string{"TiCDC has no such files"}},
		{"filters", func(s *Settings) {
			*s = db
			s.Filter = txn.FilterRules{IgnoreSchemas: []string{"INFORMATION_SCHEMA", "mysql", "Tmp", ""}, IgnoreTables: []txn.TableName{{Schema: "shop", Table: "~^log/"}},
				DoDBs: []string{"shop", "~^arch"}, DoTables: []txn.TableName{{Schema: "other-db", Table: "~.*"}}}
		}, "mysql://drainer:PASSWORD@10.0.0.3:3306/?worker-count=16",
			[]string{"shop.*", "/(?i)^arch/.*", "`other-db`.*", "!tmp.*", `!shop./(?i)^log\//`}, nil, nil},
		{"events", func(s *Settings) {
			*s = db
			s.SkipDDL = true
			s.Migrate = txn.MigrateRules{CaseSensitive: true, Events: map[string]txn.EventRule{"r": {Events: []string{"Truncate Table", "create index"}, SQL: []string{"^DROP"}}},
				Tables: []txn.MigrateRule{{Source: txn.MigrateName{Schema: "shop_*", Table: "orders"}, Target: &txn.MigrateName{Schema: "archive"}, Events: []string{"r"}}}}
		}, "mysql://drainer:PASSWORD@10.0.0.3:3306/?worker-count=16", []string{"*.*"},
			[]string{"case-sensitive = true", `matcher = ["shop_*.orders"]`, `ignore-event = ["truncate table"]`, `ignore-sql = ["(?i)^DROP"]`, `ignore-event = ["all ddl"]`},
			[]string{"keeps the names of tables", `event "create index"`}},
		{"a transaction to ignore", func(s *Settings) { *s = db; s.Ignored = []nodes.TSO{42} }, "mysql://drainer:PASSWORD@10.0.0.3:3306/?worker-count=16", []string{"*.*"}, nil,
			[]string{"ignore-txn-commit-ts 42"}},
	} {
		var s Settings
		c.s(&s)
		h, err := Plan(s)
		if err != nil {
			t.Fatal(err)
		}
		var got changefeed
		if _, err := toml.Decode(h.Changefeed, &got); err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, h.Changefeed)
		}
		if h.SinkURI != c.uri || !slices.Equal(got.Filter.Rules, c.rules) {
			t.Errorf("%s:\n%s %q, want\n%s %q", c.name, h.SinkURI, got.Filter.Rules, c.uri, c.rules)
		}
		for _, want := range c.toml {
			if !strings.Contains(h.Changefeed, want+"\n") {
				t.Errorf("%s: the configuration has no %s:\n%s", c.name, want, h.Changefeed)
			}
		}
		for _, want := range c.left {
			if !strings.Contains(strings.Join(h.Left, "\n"), want) {
				t.Errorf("%s: it does not say %q: %q", c.name, want, h.Left)
			}
		}
	}
}

// TestRulesOracle: the changefeed's rules let through the tables that the drainer replicates, as TiCDC's own package applies them.
func TestRulesOracle(t *testing.T) {
	if *oracleFilters == 0 {
		t.Log("not asked for: -filters is how many (make oracles)")
		return
	}
	bin := filepath.Join(t.TempDir(), "filter")
	build := exec.Command("go", "build", "-mod=readonly", "-ldflags=-checklinkname=0", "-o", bin, "./filter")
	build.Dir, build.Env = "../../testsuite/rowsoracle", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the filter: %v\n%s", err, out)
	}
	r := rand.New(rand.NewPCG(form.Seed(t), 1))
	words := []string{"shop", "Shop", "shop2", "a", "a-b", "a.b", "a/b", "tab`le", "t*", "größe", "x_y", "q?", "[z]", "~^s", "~.*", "~p2$", "~a/b", "~[A-Z]b", "~^A", "~o+"}
	word := func() string { return words[r.IntN(len(words))] }
	some := func(n int) []string {
		list := make([]string, r.IntN(n))
		for i := range list {
			list[i] = word()
		}
		return list
	}
	tables := func(n int) []txn.TableName {
		list := make([]txn.TableName, r.IntN(n))
		for i := range list {
			list[i] = txn.TableName{Schema: word(), Table: word()}
		}
		return list
	}
	var names [][2]string
	for _, a := range words[:13] {
		for _, b := range words[:13] {
			names = append(names, [2]string{a, b})
		}
	}
	var in bytes.Buffer
	var filters []txn.FilterRules
	for range *oracleFilters {
		f := txn.FilterRules{IgnoreSchemas: some(3), IgnoreTables: tables(3), DoDBs: some(3), DoTables: tables(3)}
		filters = append(filters, f)
		if err := json.NewEncoder(&in).Encode(map[string]any{"rules": rules(f), "tables": names}); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	let := 0
	for _, f := range filters {
		var theirs []bool
		if err := dec.Decode(&theirs); err != nil {
			t.Fatal(err)
		}
		ours, err := txn.NewFilter(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range names {
			if theirs[i] {
				let++
			}
			if got := !ours.Skip(n[0], n[1]); got != theirs[i] {
				t.Errorf("%+v\nas %q: table %q: the drainer replicates it: %v, TiCDC: %v", f, rules(f), n, got, theirs[i])
			}
		}
	}
	if all := len(filters) * len(names); let == 0 || let == all {
		t.Errorf("TiCDC lets through %d of %d tables: %s", let, all, fmt.Sprint(filters))
	}
}
