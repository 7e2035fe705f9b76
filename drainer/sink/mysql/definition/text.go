package definition

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// token is a piece of SQL that servers print alike.
type token struct {
	kind byte // '`' a name in quotes, '\'' a text, '0' a number, 'a' a word, else the character itself
	text string
}

// tokens splits SQL into pieces. It gives what it can of text that is no SQL.
func tokens(sql string) []token {
	if i := strings.IndexByte(sql, '\''); i > 0 && sql[i-1] == '\\' {
		sql = strings.ReplaceAll(sql, `\'`, `'`) // MySQL 8 escapes an expression as a whole
	}
	var list []token
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '`' || c == '\'' || c == '"':
			text, n := unquote(sql[i:])
			if c == '"' {
				c = '\''
			}
			if last := len(list) - 1; c == '\'' && last >= 0 && list[last].kind == 'a' {
				switch word := list[last].text; {
				case word == "x" || word == "b": // X'41', B'101'
					list = list[:last]
					text = bytesOf(word, text)
				case word[0] == '_' || word == "n": // a character set
					list = list[:last]
				}
			}
			list = append(list, token{c, text})
			i += n
		case '0' <= c && c <= '9' || c == '.' && i+1 < len(sql) && '0' <= sql[i+1] && sql[i+1] <= '9':
			n := numberLength(sql[i:])
			list = append(list, numberToken(sql[i:i+n]))
			i += n
		case isLetter(c):
			n := 1
			for i+n < len(sql) && (isLetter(sql[i+n]) || '0' <= sql[i+n] && sql[i+n] <= '9') {
				n++
			}
			list = append(list, token{'a', strings.ToLower(sql[i : i+n])})
			i += n
		default:
			list = append(list, token{c, string(c)})
			i++
		}
	}
	return list
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$' || c >= 0x80
}

// unquote reads a quoted text at the beginning of sql, and says how long it is there.
func unquote(sql string) (text string, n int) {
	quote := sql[0]
	var b strings.Builder
	for i := 1; i < len(sql); i++ {
		c := sql[i]
		switch {
		case c == quote && i+1 < len(sql) && sql[i+1] == quote:
			b.WriteByte(c)
			i++
		case c == quote:
			return b.String(), i + 1
		case c == '\\' && quote != '`' && i+1 < len(sql):
			i++
			b.WriteByte(unescape(sql[i]))
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), len(sql)
}

func unescape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'Z':
		return 26
	}
	return c
}

func numberLength(sql string) int {
	if len(sql) > 2 && sql[0] == '0' && (sql[1] == 'x' || sql[1] == 'b') {
		n := 2
		for n < len(sql) && strings.IndexByte("0123456789abcdefABCDEF", sql[n]) >= 0 {
			n++
		}
		return n
	}
	n := 0
	for n < len(sql) {
		c := sql[n]
		exponent := n > 0 && (c == 'e' || c == 'E') ||
			n > 1 && (c == '-' || c == '+') && (sql[n-1] == 'e' || sql[n-1] == 'E')
		if c != '.' && (c < '0' || c > '9') && !exponent {
			break
		}
		n++
	}
	return n
}

func numberToken(text string) token {
	if len(text) > 2 && (text[1] == 'x' || text[1] == 'b') {
		return token{'\'', bytesOf(text[1:2], text[2:])}
	}
	return token{'0', number(text)}
}

// bytesOf are the bytes of a hexadecimal or binary literal.
func bytesOf(kind, digits string) string {
	base := 16
	if kind == "b" {
		base = 2
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return digits
	}
	return string(n.Bytes())
}

// number is a number in one form: 1.50 is 1.5, 1e2 is 100. What is none stays as it is.
func number(text string) string {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return text
		}
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign = "-"
	}
	whole, fraction, _ := strings.Cut(strings.TrimLeft(text, "+-"), ".")
	if strings.Trim(whole+fraction, "0123456789") != "" {
		return text
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	switch {
	case whole == "" && fraction == "":
		return "0"
	case whole == "":
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// essence are the columns and literals of an expression in their order: what servers do not print
// in words of their own. Columns are known, as servers do not always quote them.
func essence(expression string, isColumn func(string) bool) []string {
	list := tokens(expression)
	var found []string
	for i := 0; i < len(list); i++ {
		t := list[i]
		call := i+1 < len(list) && list[i+1].kind == '('
		switch {
		case t.kind == '`':
			found = append(found, "`"+strings.ToLower(t.text))
		case t.kind == '\'', t.kind == '0':
			found = append(found, string(t.kind)+t.text)
		case t.kind != 'a':
		case t.text == "true":
			found = append(found, "01")
		case t.text == "false":
			found = append(found, "00")
		case call && sized(t.text):
			for i++; i < len(list) && list[i].kind != ')'; i++ { // CHAR(10): some servers print what is the default, too
				if list[i].kind == '`' {
					found = append(found, "`"+strings.ToLower(list[i].text))
				}
			}
		case !call && isColumn(t.text):
			found = append(found, "`"+t.text)
		}
	}
	return found
}

// sized reports whether a word is a type for CAST that can have a size.
func sized(word string) bool {
	switch word {
	case "char", "binary", "decimal", "datetime", "time", "nchar", "float", "double":
		return true
	}
	return false
}

// values are the literals of a partition's bounds, sorted if their order means nothing. They are not
// ok when there is something that has to be evaluated.
func values(text string, ordered bool) (list []string, ok bool) {
	sign := ""
	for _, t := range tokens(text) {
		switch t.kind {
		case '\'':
			if _, err := strconv.ParseInt(t.text, 10, 64); err == nil {
				list = append(list, t.text) // TiDB takes numbers for text in partitions by COLUMNS
				break
			}
			list = append(list, "'"+moment(t.text))
		case '0':
			list = append(list, sign+t.text)
		case 'a':
			switch t.text {
			case "maxvalue", "null", "default":
				list = append(list, t.text)
			default:
				return nil, false
			}
		case '(', ')', ',', '-', '+':
		default:
			return nil, false
		}
		sign = ""
		if t.kind == '-' {
			sign = "-"
		}
	}
	if !ordered {
		slices.Sort(list)
	}
	return list, true
}

// moment is a date, or date and time, in one form; what is none stays as it is.
func moment(text string) string {
	day, clock, _ := strings.Cut(text, " ")
	if len(day) != len("2006-01-02") || day[4] != '-' || day[7] != '-' {
		return text
	}
	if clock == "" {
		clock = "00:00:00"
	}
	return day + " " + fraction(clock)
}

// fraction drops the trailing zeros of a time's fraction.
func fraction(clock string) string {
	if strings.Contains(clock, ".") {
		clock = strings.TrimRight(strings.TrimRight(clock, "0"), ".")
	}
	return clock
}

// literal is a default's value in the one form that its type has.
func literal(t Type, text string) string {
	switch t.Base {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "bit":
		return number(text)
	case "year":
		return year(text)
	case "double":
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
	case "float":
		if f, err := strconv.ParseFloat(text, 32); err == nil {
			return strconv.FormatFloat(f, 'g', -1, 32)
		}
	case "date":
		return strings.TrimSuffix(moment(text), " 00:00:00")
	case "datetime", "timestamp":
		return moment(text)
	case "time":
		return fraction(text)
	case "enum", "set":
		return strings.ToLower(text)
	case "char":
		return strings.TrimRight(text, " ")
	case "binary":
		return strings.TrimRight(text, "\x00")
	}
	return text
}

// year is a year as a default means it. TiDB keeps the text of the statement: 0 and 5 are 2000 and 2005.
func year(text string) string {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || len(text) > 2:
		return number(text)
	case n < 70:
		return strconv.Itoa(2000 + n)
	}
	return strconv.Itoa(1900 + n)
}

// zoned reports whether two times differ by what can be the difference of two time zones.
func zoned(a, b string) bool {
	const layout = "2006-01-02 15:04:05.999999"
	x, err := time.Parse(layout, a)
	if err != nil {
		return false
	}
	y, err := time.Parse(layout, b)
	if err != nil {
		return false
	}
	d := x.Sub(y).Abs()
	return d%(15*time.Minute) == 0 && d <= 26*time.Hour
}
