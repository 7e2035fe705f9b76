package replication

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// define reads the definitions of all tables and views of both servers: a line for each column,
// index, foreign key and partition, and one for the table. The words are information_schema's and
// SHOW CREATE TABLE's, and deliberately not those of the product's own comparison.
//
// What is the same in other words, or cannot be the same, is written in one way:
//
//   - TiDB does not say ZEROFILL; utf8 is utf8mb3; MariaDB's JSON is LONGTEXT with a check that it is JSON;
//   - CURRENT_TIMESTAMP, NOW() and MariaDB's current_timestamp() are one; numbers as defaults count
//     by their value, other literals by the text that they stand for;
//   - MariaDB writes a backslash of an ENUM's member twice;
//   - that a column without a default is NULL and that it has none are one: TiDB does not say;
//   - only TiDB has a default beside AUTO_INCREMENT, and only MariaDB has a zero one wherever a TIMESTAMP has ON UPDATE and no other;
//   - expressions count as they are parsed, without character sets of literals; the values of a list
//     partition in any order;
//   - TiDB keeps the name of a table that a foreign key refers to in the letters of the statement;
//   - ON DELETE and ON UPDATE of RESTRICT and NO ACTION are what a foreign key does without;
//   - what is latin1 in TiDB may be utf8mb4_bin elsewhere;
//   - a MariaDB has question marks for what lies beyond U+FFFF, AUTO_INCREMENT only where a key begins with the column, and no sign of
//     its own for a bound above 2^63 and for the partition of all other values;
//   - a MariaDB has no index on an expression and no default from a TiDB's sequence, and what TiDB
//     calls invisible it calls ignored.
//
// Two TiDBs are compared by SHOW CREATE TABLE as well. There, what an operator decides for each
// cluster is left out: placement and TiFlash replicas; and the next automatic ID.
func define(ctx context.Context, w, g *content) error {
	for _, c := range []*content{w, g} {
		d := definer{content: c, expressions: w.tidb && g.tidb}
		for _, read := range []func(context.Context) error{d.options, d.defineColumns, d.indexes, d.partitions, d.checks, d.texts, d.sequences} {
			if err := read(ctx); err != nil {
				return fmt.Errorf("read definitions: %w", err)
			}
		}
	}
	if !g.tidb {
		widened(w, g)
		keyless(w)
	}
	return nil
}

// widened writes columns that are utf8mb4 downstream as latin1 where they are that in TiDB, whose latin1
// holds any UTF-8.
func widened(w, g *content) {
	for path, r := range w.tables {
		other := g.tables[path]
		if other == nil {
			continue
		}
		for i, line := range other.lines {
			latin1 := strings.Replace(line, " utf8mb4 utf8mb4_bin", " latin1 latin1_bin", 1)
			if !slices.Contains(r.lines, line) && slices.Contains(r.lines, latin1) {
				other.lines[i] = latin1
			}
		}
	}
}

// keyless takes AUTO_INCREMENT from columns that no key begins with.
func keyless(w *content) {
	for _, r := range w.tables {
		for i, line := range r.lines {
			rest, _ := strings.CutPrefix(line, "column ")
			_, rest, _ = strings.Cut(rest, " ")
			name, _, ok := strings.Cut(rest, "` ")
			begun := func(l string) bool { return strings.HasPrefix(l, "index ") && strings.Contains(l, " ("+name+"`") }
			if ok && strings.Contains(line, " auto_increment") && !slices.ContainsFunc(r.lines, begun) {
				r.lines[i] = strings.Replace(line, " auto_increment", "", 1)
			}
		}
	}
}

// definer writes the lines of one server's definitions.
type definer struct {
	*content
	expressions bool // both servers have indexes on expressions
}

func (d definer) add(schema, name, format string, args ...any) {
	if r := d.table(schema, name); r != nil {
		line := strings.TrimRight(fmt.Sprintf(format, args...), " ")
		if !d.expressions {
			line = beyond.ReplaceAllString(line, "?")
		}
		r.lines = append(r.lines, line)
	}
}

// beyond are characters beyond U+FFFF, as they are or escaped.
var beyond = regexp.MustCompile(`[\x{10000}-\x{10FFFF}]|\\U00[0-9a-f]{6}`)

// options are those of tables, and who reads through a view.
func (d definer) options(ctx context.Context) error {
	err := d.each(ctx, "select table_schema, table_name, table_comment, table_collation from information_schema.tables where table_type = 'BASE TABLE' and "+d.of("table_schema"), func(v []string) {
		d.add(v[0], v[1], "table collation %s comment %q", utf8mb3(v[3]), v[2])
	})
	if err != nil {
		return err
	}
	return d.each(ctx, "select table_schema, table_name, security_type from information_schema.views where "+d.of("table_schema"), func(v []string) {
		d.add(v[0], v[1], "view security %s", v[2])
	})
}

func (d definer) defineColumns(ctx context.Context) error {
	return d.each(ctx, `select table_schema, table_name, column_name, ordinal_position, column_type, data_type, character_set_name, collation_name,
		is_nullable, ifnull(concat('=', column_default), ''), extra, ifnull(generation_expression, ''), column_comment
		from information_schema.columns where `+d.of("table_schema"), func(v []string) {
		schema, table, name, position, full, kind, set, collation := v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
		if r := d.table(schema, table); r == nil || r.view {
			return
		}
		line := "column " + position + " " + quote(name) + " "
		full = strings.TrimSuffix(full, " zerofill")
		if !d.tidb && (kind == "enum" || kind == "set") {
			full = strings.ReplaceAll(full, `\\`, `\`)
		}
		switch {
		case kind == "json":
			line += "longtext utf8mb4 utf8mb4_bin"
		case texts[kind]:
			line += full + " " + utf8mb3(set) + " " + utf8mb3(collation)
		default:
			line += full
		}
		if v[8] == "NO" {
			line += " not null"
		}
		extras := strings.ToLower(v[10])
		if text, ok := strings.CutPrefix(v[9], "="); ok && v[11] == "" && !(strings.Contains(extras, "auto_increment") && !d.expressions) {
			if initial := d.initial(text, kind); d.expressions || !strings.Contains(extras, "on update") || !strings.HasPrefix(initial, ` default "0000-00-00 `) {
				line += initial
			}
		}
		for _, extra := range []string{"auto_increment", "on update current_timestamp", "virtual generated", "stored generated", "invisible"} {
			if strings.Contains(extras, extra) {
				line += " " + extra
			}
		}
		if v[11] != "" {
			line += " as " + expression(v[11])
		}
		if v[12] != "" {
			line += fmt.Sprintf(" comment %q", v[12])
		}
		d.add(schema, table, "%s", line)
	})
}

// texts are the types that have a character set.
var texts = map[string]bool{"char": true, "varchar": true, "tinytext": true, "text": true, "mediumtext": true, "longtext": true, "enum": true, "set": true}

// utf8mb3 is the name of a character set or collation without the alias utf8.
func utf8mb3(name string) string {
	if rest, ok := strings.CutPrefix(strings.ToLower(name), "utf8"); ok && (rest == "" || rest[0] == '_') {
		return "utf8mb3" + rest
	}
	return strings.ToLower(name)
}

var (
	today  = regexp.MustCompile(`(?i)^(?:current_date|curdate)(?:\(\))?$`)
	now    = regexp.MustCompile(`(?i)^(?:current_timestamp|now)(?:\((\d?)\))?$`)
	number = regexp.MustCompile(`^(?:(?:tiny|small|medium|big)?int|decimal|float|double|year)$`)
	bit    = regexp.MustCompile(`^b'0*([01]+)'$`)
)

// initial is a column's default as one text for both servers. TiDB gives the bare value, MariaDB
// an expression.
func (d definer) initial(text, kind string) string {
	literal := d.tidb
	if d.tidb && !d.expressions && strings.HasPrefix(strings.ToLower(text), "nextval(") {
		return ""
	}
	if !d.tidb {
		if strings.EqualFold(text, "null") {
			return ""
		}
		if len(text) > 1 && text[0] == '\'' && text[len(text)-1] == '\'' {
			text, literal = unquoted(text[1:len(text)-1]), true
		}
	}
	if m := now.FindStringSubmatch(text); m != nil && (!literal || strings.Contains("timestamp datetime", kind)) {
		return " default now(" + strings.TrimLeft(m[1], "0") + ")"
	}
	switch {
	case kind == "date" && today.MatchString(text):
		return " default today"
	case bit.MatchString(text):
		return " default b'" + bit.FindStringSubmatch(text)[1] + "'"
	case kind == "year" && d.tidb && !d.expressions && len(text) < 3: // of the statement: 5 is 2005, 99 is 1999
		n, _ := strconv.Atoi(text)
		return fmt.Sprintf(" default %d", (n+30)%100+1970)
	case number.MatchString(kind):
		if r, ok := new(big.Rat).SetString(text); ok {
			return " default " + r.RatString()
		}
	}
	if !literal {
		return " default expression " + expression(text)
	}
	return fmt.Sprintf(" default %+q", text)
}

// unquoted is what a literal of MariaDB's stands for.
func unquoted(s string) string {
	return strings.NewReplacer(`''`, `'`, `\\`, `\`, `\'`, `'`, `\n`, "\n", `\r`, "\r", `\0`, "\x00", `\Z`, "\x1a", `\t`, "\t", `\"`, `"`).Replace(s)
}

func (d definer) indexes(ctx context.Context) error {
	query := `select table_schema, table_name, index_name, non_unique, column_name, sub_part, '', ignored, index_comment, collation
		from information_schema.statistics where ` + d.of("table_schema") + ` order by table_schema, table_name, index_name, seq_in_index`
	if d.tidb {
		query = `select table_schema, table_name, key_name, non_unique, column_name, sub_part, expression, if(is_visible = 'NO', 'YES', 'NO'), index_comment, 'A'
			from information_schema.tidb_indexes where ` + d.of("table_schema") + ` order by table_schema, table_name, key_name, seq_in_index`
	}
	type index struct {
		schema, table, name, end string
		parts                    []string
		expression               bool
	}
	var all []*index
	err := d.each(ctx, query, func(v []string) {
		x := &index{schema: v[0], table: v[1], name: v[2]}
		if n := len(all) - 1; n >= 0 && all[n].schema == x.schema && all[n].table == x.table && all[n].name == x.name {
			x = all[n]
		} else {
			all = append(all, x)
		}
		part := quote(v[4])
		if v[6] != "" {
			part, x.expression = expression(v[6]), true
		}
		if v[5] != "" {
			part += "(" + v[5] + ")"
		}
		if v[9] == "D" {
			part += " desc"
		}
		x.parts = append(x.parts, part)
		x.end = fmt.Sprintf("unique %t ignored %s comment %q", v[3] == "0", strings.ToLower(v[7]), v[8])
	})
	for _, x := range all {
		if x.expression && !d.expressions {
			continue
		}
		d.add(x.schema, x.table, "index %s (%s) %s", quote(x.name), strings.Join(x.parts, ", "), x.end)
	}
	return err
}

func (d definer) partitions(ctx context.Context) error {
	return d.each(ctx, `select table_schema, table_name, partition_name, partition_ordinal_position, partition_method, partition_expression,
		ifnull(partition_description, ''), ifnull(partition_comment, ''), ifnull(subpartition_name, '')
		from information_schema.partitions where partition_name is not null and `+d.of("table_schema"), func(v []string) {
		line := fmt.Sprintf("partition %s %s by %s %s", v[3], quote(v[2]), strings.ToLower(v[4]), expression(v[5]))
		if v[6] != "" {
			values := numberAsText.ReplaceAllString(expression(v[6]), "$1")
			if strings.HasPrefix(v[4], "LIST") { // in any order
				list := strings.Split(values, ", ")
				slices.Sort(list)
				values = strings.Join(list, ", ")
			}
			if d.tidb && !d.expressions {
				values = ofMariaDB(v[4], values)
			}
			line += " values " + values
		}
		if v[7] != "" {
			line += fmt.Sprintf(" comment %q", v[7])
		}
		if v[8] != "" {
			line += " subpartition " + quote(v[8])
		}
		d.add(v[0], v[1], "%s", line)
	})
}

// ofMariaDB are the values of a partition as MariaDB prints them.
func ofMariaDB(method, values string) string {
	n, err := strconv.ParseUint(values, 10, 64)
	switch {
	case method == "RANGE" && err == nil && n > math.MaxInt64:
		return expression(strconv.FormatInt(int64(n), 10))
	case strings.HasPrefix(method, "LIST") && slices.Contains(strings.Split(values, ", "), "default"):
		return map[string]string{"LIST": "0", "LIST COLUMNS": "maxvalue"}[method]
	}
	return values
}

// numberAsText is one that TiDB takes for a text in partitions by COLUMNS.
var numberAsText = regexp.MustCompile(`'(-?\d+)'`)

// checks are constraints that are enforced: those of a TiDB are in SHOW CREATE TABLE.
func (d definer) checks(ctx context.Context) error {
	if d.tidb {
		return nil
	}
	return d.each(ctx, "select constraint_schema, table_name, constraint_name, check_clause from information_schema.check_constraints where "+d.of("constraint_schema"), func(v []string) {
		if !strings.HasPrefix(strings.ToLower(v[3]), "json_valid(") {
			d.add(v[0], v[1], "check %s %s", quote(v[2]), expression(v[3]))
		}
	})
}

var (
	foreignKey = regexp.MustCompile("(?m)^\\s+(CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY .*?),?$")
	check      = regexp.MustCompile("(?m)^\\s*CONSTRAINT (`(?:[^`]|``)+`) CHECK \\((.*)\\),?$")
	references = regexp.MustCompile("REFERENCES (`(?:[^`]|``)+`) \\(")
	rules      = regexp.MustCompile(` ON (?:DELETE|UPDATE) (?:RESTRICT|NO ACTION)| /\* FOREIGN KEY INVALID \*/`)
	ofCluster  = regexp.MustCompile("(?i) AUTO_INCREMENT=\\d+| /\\*T!\\[auto_rand_base\\] AUTO_RANDOM_BASE=\\d+ \\*/| /\\*T!\\[placement\\] PLACEMENT POLICY=`(?:[^`]|``)+` \\*/| /\\* CACHED ON \\*/")
)

// texts are foreign keys; and everything where both are TiDBs.
func (d definer) texts(ctx context.Context) error {
	for _, name := range names(d.tables, nil) {
		r := d.tables[name]
		if r.view {
			continue
		}
		err := d.each(ctx, "show create table "+r.path, func(v []string) {
			for _, m := range foreignKey.FindAllStringSubmatch(v[1], -1) {
				text := references.ReplaceAllString(m[1], "REFERENCES "+strings.ReplaceAll(quote(r.schema), "$", "$$")+".$1 (")
				text = strings.ReplaceAll(rules.ReplaceAllString(text, ""), "`, `", "`,`")
				if name, rest, ok := strings.Cut(text, " REFERENCES "); ok {
					text = name + " references " + strings.ToLower(rest)
				}
				d.add(r.schema, r.name, "%s", text)
			}
			if d.tidb && !d.expressions {
				for _, m := range check.FindAllStringSubmatch(v[1], -1) { // one that is not enforced ends otherwise
					d.add(r.schema, r.name, "check %s %s", m[1], expression(m[2]))
				}
			}
			if d.expressions {
				for i, line := range strings.Split(ofCluster.ReplaceAllString(v[1], ""), "\n") {
					if key, refers, ok := strings.Cut(line, ") REFERENCES "); ok {
						line = key + ") REFERENCES " + strings.ToLower(refers)
					}
					d.add(r.schema, r.name, "%d: %s", i, strings.TrimSuffix(line, ","))
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sequences are those of TiDBs, without the values that have been taken.
func (d definer) sequences(ctx context.Context) error {
	if !d.expressions {
		return nil
	}
	return d.each(ctx, "select sequence_schema, sequence_name, start, increment, min_value, max_value, cycle, cache, cache_value, comment from information_schema.sequences where "+d.of("sequence_schema"), func(v []string) {
		d.databases["sequence "+quote(v[0])+"."+quote(v[1])] = strings.Join(v[2:], " ")
	})
}
