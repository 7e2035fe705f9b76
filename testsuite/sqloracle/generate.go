package sqloracle

import (
	"math/rand/v2"
	"strings"
)

// generator makes random texts: mostly management statements, alone or among ordinary
// ones, whole or damaged, in every disguise the lexers know.
type generator struct {
	*rand.Rand
}

// newGenerator gives the one whose text number i is always the same.
func newGenerator(seed, i uint64) generator {
	return generator{rand.New(rand.NewPCG(seed, i))}
}

// one of so many times.
func (g generator) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

// text makes a text of one to four statements.
func (g generator) text() string {
	var b strings.Builder
	g.edge(&b)
	for i, n := 0, pick(g, 1, 1, 1, 1, 2, 2, 3, 4); i < n; i++ {
		if i > 0 {
			g.separate(&b)
		}
		g.render(&b, g.damage(g.statement()))
	}
	if g.one(3) {
		g.separate(&b)
	}
	g.edge(&b)
	return g.scratch(b.String())
}

// separate ends a statement.
func (g generator) separate(b *strings.Builder) {
	b.WriteString(pick(g, ";", ";", ";", "; ", ";\n", " ; ", ";;", "; ;", ";/**/;", "\n;\n", "; -- x\n"))
}

// edge is what may stand around a text.
func (g generator) edge(b *strings.Builder) {
	if g.one(8) {
		b.WriteString(pick(g, " ", "\n", "\r\n", "\t", "\n\n", "/* c */", "-- c\n", "#\n", "/*! ", " */", "\ufeff", "\x00", ";", "-- "))
	}
}

// statement gives the tokens of a statement, undamaged.
func (g generator) statement() []string {
	switch g.IntN(11) {
	case 0, 1, 2, 3:
		return g.show()
	case 4, 5, 6:
		return g.change()
	case 10:
		return g.ours()
	default:
		return strings.Split(pick(g, ordinary...), " ")
	}
}

func (g generator) kind() string { return pick(g, "pump", "drainer") }

func (g generator) show() []string {
	s := []string{"show", g.kind(), "status"}
	switch g.IntN(6) {
	case 0, 1:
		s = append(s, "like", g.literal())
		if g.one(8) {
			s = append(s, "collate", "utf8mb4_bin")
		}
		if g.one(8) {
			s = append(s, g.literal())
		}
	case 2:
		s = append(s, "where")
		s = append(s, g.condition(2)...)
	}
	return s
}

func (g generator) change() []string {
	return []string{"change", g.kind(), "to", "node_state", "=", g.literal(), "for", "node_id", g.literal()}
}

// ours gives a statement that the old grammar never had.
func (g generator) ours() []string {
	switch g.IntN(6) {
	case 0:
		return []string{"drop", g.kind(), g.literal()}
	case 1:
		return []string{"help", g.literal()}
	case 2, 3:
		s := g.show()
		return append([]string{"show", "full"}, s[1:]...)
	}
	s := []string{pick(g, "pause", "offline"), g.kind(), g.literal()}
	if g.one(2) {
		s = append(s, "wait", pick(g, "0", "5", "60", "?", "'5'", "1.5", "1e3", "-1", "soon", "99999999999999999999"))
	}
	return s
}

// condition gives an expression.
func (g generator) condition(depth int) []string {
	if depth == 0 || g.one(3) {
		return []string{pick(g, "state", "nodeid", "`node_id`", "pump", "drainer", "Max_Commit_Ts", "@a", "@@x", "1.5", "0x1f", "1e3", "?", "null", g.literal())}
	}
	a, c := g.condition(depth-1), g.condition(depth-1)
	switch g.IntN(8) {
	case 0:
		return append(append([]string{"("}, a...), ")")
	case 1:
		return append(append(a, pick(g, "and", "or", "xor", "||", "&&")), c...)
	case 2:
		return append(append(a, "not", "like"), g.literal())
	case 3:
		return append(append(append(a, "in", "("), c...), ",", "1", ")")
	case 4:
		return append([]string{"not"}, a...)
	case 5:
		return append(append([]string{pick(g, "lower", "concat", "ifnull"), "("}, a...), ")")
	default:
		return append(append(a, pick(g, "=", "<", ">", "<>", "!=", "<=>", "+", "-", "*", "/", "%")), c...)
	}
}

// literal gives a string literal, mostly.
func (g generator) literal() string {
	if g.one(25) {
		return pick(g, "?", "n'x'", "N'pump'", "_utf8'x'", "_utf8mb4 'x'", "_latin1\"x\"", "x'4142'", "X'4'", "0x41", "b'01'", "@x", "@'x'", "@@x", "12", "1.5", "1e5", "1e999", ".5", "null", "`x`", "date'2020-01-01'")
	}
	body := pick(g, "", "pump1", "paused", "p%", "drainer_1", "a b", "127.0.0.1:8250", "ü", "日本", "a''b", `a""b`, `a\'b`, `a\"b`, `\\`, `\%`, `\_x`, `\n\t\0\Z\q`, "a;b", "/*", "*/", "-- x", "#", "`", "show pump status", "a\nb", "\xff", "\xc3", "?", "\x00")
	if g.one(40) {
		body += pick(g, `\`, `'`, `"`)
	}
	quote := pick(g, "'", "'", "'", `"`)
	return quote + body + quote
}

// ordinary are statements that both grammars know, with the words of ours as names.
// Tokens are apart by spaces.
var ordinary = []string{
	"select 1", "select 'a;b' , \"c;d\" , `e;f`", "select pump from drainer", "select pump . status , node_id from node_state . pump",
	"select * from pump where drainer = 'x' and node_state like '%;'", "select 1 as pump , 2 as drainer", "select 1 as node_id ;",
	"select @pump , @@drainer , @'a;b' , @`c;d`", "select 1.5 , .5e3 , 0x41 , x'41' , b'01' , 1e5", "select a -> '$.b' , a ->> '$.c' from t",
	"select /*+ max_execution_time(10) */ 1", "select a.1pump , b.2 from t", "select 'a' 'b' 'c'", "select n'a' , _utf8 'b'",
	"insert into pump ( node_id , node_state ) values ( 'a;b' , 'c' )", "update drainer set node_state = 'x' where node_id = 'y'", "delete from pump",
	"create table pump ( drainer int , node_state int , node_id int )", "alter table t change pump drainer int", "alter table t change column a b int",
	"drop table pump", "set @pump = 'x;y'", "set names utf8", "set sql_mode = 'ANSI_QUOTES'", "show status", "show status like 'a%'", "show global status where variable_name = 'x'",
	"show tables", "show full processlist", "show variables like 'log_bin'", "show columns from pump", "show create table drainer", "show index from pump", "use pump",
	"begin", "commit", "rollback", "do 1", "do sleep ( 1 )", "kill 5", "explain select 1", "desc pump", "desc pump status", "describe pump node_id", "explain pump",
	"prepare s from 'show pump status'", "execute s using @a", "deallocate prepare s", "trace select 1", "lock tables pump read", "unlock tables", "flush tables",
	"explain show pump status", "explain change pump to node_state = 'a' for node_id 'b'", "trace show drainer status", "prepare s from show pump status", "desc change pump",
	"( show pump status )", "change", "change pump", "show pump", "show drainer", "show", "plan replayer load 'x'", "change replayer", "show pump replayer", "show pump tables",
	"change table", "change master to master_host = 'x'", "change drainer to timestamp 'x'", "change pump to node_state 'x' for node_id 'y'", "change pump to node_id = 'x' for node_state 'y'",
	"show pumps status", "show pump status from x", "show pump status limit 1", "show full pump status", "show global pump status", "show master status", "`show` pump status", "show `pump` status", "show pump `status`",
	"show pump . status", "show . pump status", "show pump status . x", "change pump . x to", "select . show pump status", "change pump to node_state := 'x' for node_id 'y'", "change pump to node_state == 'x'",
	"create procedure p ( ) begin select 1 ; show pump status ; end", "create procedure p ( ) begin select 1 ; change pump to node_state = 'a' for node_id 'b' ; end",
	"create procedure p ( ) begin select 1 ; select 'pump' ; end", "create procedure p ( ) begin select 1 ; show pump ; end",
}

// words are what gets inserted into statements by mistake.
var words = []string{
	"show", "change", "pause", "offline", "drop", "help", "wait", "pump", "drainer", "status", "to", "node_state", "node_id", "for", "like", "where", "=", ":=", "==", "'x'", "\"x\"", "`x`", "?", "@x", ";", ",", "(", ")", ".", "*", "*/", "/*", "/*!", "--", "#", "-",
	"1", "1.5", "1e", "0x", "x'zz'", "b'12'", "'", "\"", "`", "as", "as of", "member of", "timestamp 'x'", "to timestamp", "tables", "replayer", "from", "select", "full", "global", "and", "limit", "escape '!'", "collate utf8mb4_bin", "\\N", "\\", "$", "$x", "_utf8", "é", "\u00a0", "\x85", "\x00", "{", "}", "[", "|", "||", "&&", "~", "^", "%", "!", "<=>", "->", "->>", "@@", "@", "@@global.x", "end", "null", "not", "1e999", "99999999999999999999",
}

// damage changes the tokens of a statement, half of the time not at all.
func (g generator) damage(s []string) []string {
	for g.one(2) && len(s) > 0 {
		i := g.IntN(len(s))
		switch g.IntN(7) {
		case 0: // drop
			s = append(append([]string{}, s[:i]...), s[i+1:]...)
		case 1: // double
			s = append(append(append([]string{}, s[:i+1]...), s[i]), s[i+1:]...)
		case 2: // swap
			s = append([]string{}, s...)
			j := g.IntN(len(s))
			s[i], s[j] = s[j], s[i]
		case 3: // insert
			s = append(append(append([]string{}, s[:i]...), pick(g, words...)), s[i:]...)
		case 4: // replace
			s = append([]string{}, s...)
			s[i] = pick(g, words...)
		case 5: // cut off
			s = s[:i]
		case 6: // quote
			s = append([]string{}, s...)
			q := pick(g, "`", "'", `"`)
			s[i] = q + s[i] + q
		}
	}
	return s
}

// render writes tokens with something between them.
func (g generator) render(b *strings.Builder, tokens []string) {
	odd := pick(g, 0, 0, 1, 4) // how odd this statement's spaces are, of 4
	depth := 0                 // open executable comments, more or less
	for i, t := range tokens {
		if i > 0 {
			g.gap(b, odd, &depth)
		}
		b.WriteString(g.letters(t))
	}
	for ; depth > 0 && !g.one(10); depth-- {
		b.WriteString(" */")
	}
}

// gap writes white space, comments, or nothing.
func (g generator) gap(b *strings.Builder, odd int, depth *int) {
	if g.IntN(4) >= odd {
		b.WriteByte(' ')
		return
	}
	gap := pick(g, "", " ", "  ", "\n", "\r\n", "\t", "\v", "\f", "\u00a0", "\u3000", "\xa0", "\x85", " \n ",
		"/**/", "/* c */", "/***/", "/*/ */", "/* ; */", "/* ' */", "/* \n */", "/*x**/", "-- c\n", "-- ;\n", "--\n", "--\t'\n", "#c\n", "#;'\n", "--", "-- ", "#", "/*",
		"/*! ", "/*!50000 ", "/*!5000 ", "/*!500001 ", "/*!", "/*!99999 ", "/*M! ", "/*M!100100 x */", "/*T! ", "/*T!", "/*T![auto_rand] ", "/*T![auto_rand,ttl] ", "/*T![nope] x */", "/*T![nope] ; */", "/*T![auto_rand,nope] x */",
		"/*T![] ", "/*T![a ", "/*T![global_index] ", "/*T![ttl,] ", "/*T x */", "*/", " */ ", "/*+ h */", "/*+ hash_join(a) */")
	if strings.HasPrefix(gap, "/*!") || strings.HasPrefix(gap, "/*T!") && !strings.HasSuffix(gap, "*/") {
		*depth++
	}
	b.WriteString(gap)
}

// letters writes a token in some letter case.
func (g generator) letters(t string) string {
	switch g.IntN(6) {
	case 0:
		return strings.ToUpper(t)
	case 1:
		b := []byte(t)
		for i, c := range b {
			if 'a' <= c && c <= 'z' && g.one(2) {
				b[i] = c - 'a' + 'A'
			}
		}
		return string(b)
	}
	return t
}

// scratch damages single bytes of one text in eight.
func (g generator) scratch(text string) string {
	if !g.one(8) || text == "" {
		return text
	}
	b := []byte(text)
	for n := 1 + g.IntN(2); n > 0 && len(b) > 0; n-- {
		i := g.IntN(len(b))
		switch g.IntN(3) {
		case 0:
			b[i] = byte(g.IntN(256))
		case 1:
			b = append(b[:i], b[i+1:]...)
		case 2:
			b = b[:i]
		}
	}
	return string(b)
}
