package console

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// statement is a text with the error number of its answer; 0 is a result.
type statement struct {
	sql  string
	code uint16
}

// hostile are statements that cost as much as one statement can.
func hostile() map[string]statement {
	deep := func(before, middle, after string, n int) string {
		return strings.Repeat(before, n) + middle + strings.Repeat(after, n)
	}
	list := func(n int, sep string, f func(i int) string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = f(i)
		}
		return strings.Join(all, sep)
	}
	same := func(text string) func(int) string { return func(int) string { return text } }
	const columns = "information_schema.columns"
	return map[string]statement{
		// Nested more deeply than a stack should be.
		"parentheses":        {"select " + deep("(", "7", ")", 9000), 1436},
		"NOT":                {"select " + deep("not ", "7", "", 18000), 1436},
		"signs":              {"select " + deep("- ", "7", "", 18000), 1436},
		"scalar subqueries":  {"select " + deep("(select ", "7", ")", 6000), 1436},
		"CASE":               {"select " + deep("case when 7 then ", "7", " end", 4000), 1436},
		"derived tables":     {"select * from " + deep("(select * from ", "(select 7 x) d", ") d", 1500), 1436},
		"sums":               {"select " + list(9900, "+", same("7")), 1436},
		"arrays by an index": {"select json_extract('" + deep("[", "", "]", 100) + "', '$" + strings.Repeat("[0]", 90) + "')", 0},
		"objects by a path":  {`select json_extract('` + deep(`{"k":`, "7", "}", 90) + `', '$**.k')`, 0},
		// Long.
		"IN list":         {"select count(*) from information_schema.collations where id in (" + list(9900, ",", func(i int) string { return fmt.Sprint(i) }) + ")", 0},
		"UNION":           {list(4000, " union ", same("select 7")), 0},
		"many columns":    {"select " + list(9900, ",", same("7")), 0},
		"columns by star": {"select " + list(4000, ",", same("c.*")) + " from " + columns + " c", 1038},
		"many statements": {list(30000, ";", same("select 7")), 1038},
		// Texts and numbers that grow.
		"UNION ALL of long texts": {list(60, " union all ", same("select repeat('y', 1000000)")), 1038},
		"CONCAT":                  {"select length(concat(" + list(50, ",", same("repeat('y', 15000000)")) + "))", 1038},
		"REPLACE":                 {"select length(replace(repeat('y', 10000000), 'y', repeat('z', 10000000)))", 0},
		"HEX":                     {"select length(hex(hex(hex(hex(repeat('y', 4000000))))))", 0},
		"LPAD":                    {"select length(lpad('y', 16000000, 'z'))", 0},
		"INSERT":                  {"select length(insert(repeat('y', 10000000), 1, 1, repeat('z', 10000000)))", 0},
		"DATE_FORMAT":             {"select length(date_format(now(), repeat('%M', 5000000)))", 0},
		"CONV, TO_BASE64":         {"select conv(repeat('f', 10000000), 16, 10), length(to_base64(repeat('y', 10000000)))", 0},
		"SUBSTRING_INDEX":         {"select length(substring_index(repeat('y', 10000000), 'y', -5000000))", 0},
		"GROUP_CONCAT":            {"select length(group_concat(x)) from (select repeat('y', 1000000) x union all select repeat('z', 1000000)) d", 0},
		"EXP":                     {"select exp(1e308)", 1690},
		"decimals":                {"select " + list(200, "*", same(strings.Repeat("9", 60))), 1690},
		"exponents":               {"select round(1.5, 1000), cast('1e1000000000' as decimal(65,30)), '1e1000000000' + 0, cast('1e-1000000000' as decimal)", 0},
		"long JSON":               {"select json_length(concat('[', repeat('7,', 2000000), '7]'))", 1235},
		"deep JSON":               {"select json_depth(concat(repeat('[', 5000000), repeat(']', 5000000)))", 1235},
		// Patterns.
		"REGEXP that backtracks": {"select repeat('y', 100000) regexp '(y*)*z'", 0},
		"REGEXP that repeats":    {"select repeat('y', 1000000) regexp '(y{1,1000}){1,1000}'", 1139},
		"long REGEXP":            {"select repeat('y', 10000000) regexp concat(repeat('y?', 500), repeat('y', 500))", 0},
		"LIKE":                   {"select repeat('y', 16000000) like concat(repeat('%y', 100000), 'z')", 0},
		// Rows that multiply.
		"joins":        {"select count(*) from " + list(5, ", ", func(i int) string { return fmt.Sprintf("information_schema.collations c%d", i) }) + " where c0.id + c4.id < 0", 3024},
		"join by LIKE": {"select count(*) from " + columns + " a join " + columns + " b on a.column_name not like b.column_name join " + columns + " c on c.column_name not like a.column_name join " + columns + " d on d.column_name not like c.column_name", 3024},
		"sorted":       {"select a.column_name from " + columns + " a, " + columns + " b, " + columns + " c order by rand()", 1038},
		"DISTINCT":     {"select distinct rand() from " + columns + " a, " + columns + " b, " + columns + " c", 1038},
		"groups":       {"select rand() r, count(*) from " + columns + " a, " + columns + " b, " + columns + " c group by r", 1038},
		"NOT IN":       {"select count(*) from " + columns + " where column_name not in (select b.column_name from " + columns + " b, " + columns + " c where b.ordinal_position > 100000)", 0},
		"correlated":   {"select count(*) from " + columns + " a where (select count(*) from " + columns + " b, " + columns + " c, " + columns + " d where b.column_name > a.column_name) < 0", 3024},
		"doubling WITH": {"with d0 as (select 7 x), " + list(59, ", ", func(i int) string {
			return fmt.Sprintf("d%d as (select * from d%d union all select * from d%[2]d)", i+1, i)
		}) + " select count(*) from d59", 1038},
		"squaring WITH":  {"with d0 as (select 7 x union all select 8), " + list(29, ", ", func(i int) string { return fmt.Sprintf("d%d as (select p.x from d%d p, d%[2]d q)", i+1, i) }) + " select count(*) from d29", 1038},
		"only for SLEEP": {"select sleep(100)", 3024},
	}
}

// TestHostileStatements: whatever one statement asks for, it is answered or refused, the console stays small, and another
// user is served after each.
func TestHostileStatements(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	rig.Put(t, rig.Etcd(t, pd.Endpoints()), rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	c := rig.StartConsole(t, pd.Endpoints(), "-log-level", "error", "-statement-timeout", "5s", "-config", withUsers(t, ""))
	other := c.Login(t, "chief", "ch1ef", nil)
	statements := hostile()
	for name, h := range statements {
		s, err := c.RawLogin("watch", "w4tch")
		if err != nil {
			t.Fatalf("before %s: %v\n%s", name, err, c.Output())
		}
		s.Nc.SetDeadline(time.Now().Add(2 * rig.Timeout))
		code, err := s.Code(h.sql)
		s.Nc.Close()
		if err != nil {
			t.Fatalf("%s ended the connection: %v\n%s", name, err, c.Output())
		}
		if code != h.code && code != 3024 { // the machine may be busy
			t.Errorf("%s: error %d, want %d", name, code, h.code)
		}
		if peak := c.Peak(t); peak > maxRSS {
			t.Fatalf("%s: peak resident memory %d MB", name, peak>>20)
		}
		rig.Eventually(t, rig.Timeout, "another user is served after "+name+", and the memory is given back", func() (bool, string) {
			var pumps, held int
			var status string
			err := cmp.Or(other.QueryRowContext(t.Context(), "SELECT count(*) FROM binlog.pumps").Scan(&pumps),
				other.QueryRowContext(t.Context(), "SHOW STATUS LIKE 'Pumphouse_bytes_held'").Scan(&status, &held))
			return err == nil && pumps == 1 && held < 1<<20, fmt.Sprintf("%d pumps, %d bytes are held, %v", pumps, held, err)
		})
	}
	t.Logf("%d statements, peak resident memory %d MB", len(statements), c.Peak(t)>>20)
}
