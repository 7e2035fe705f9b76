package sysvar

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// check turns the value of an assignment into the text the variable keeps. Numbers
// out of range are cut with a warning, as MySQL does.
func (vs *Vars) check(v *Var, val engine.Value) (string, error) {
	text := val.Text()
	if val.IsNull() {
		if v.Name == "character_set_results" {
			return "", nil
		}
		if v.typ != varCharset && v.typ != varCollation && v.typ != varStr {
			return "", wrongValue(v.Name, "NULL")
		}
		if v.typ == varStr {
			return "", nil
		}
	}
	switch v.typ {
	case varBool:
		return checkBool(v, val, text)
	case varInt:
		return vs.checkInt(v, val)
	case varNum:
		return vs.checkNum(v, val, text)
	case varEnum:
		return checkEnum(v, val, text)
	case varCharset:
		if val.IsNull() {
			return "", wrongValue(v.Name, "NULL")
		}
		return CanonicalCharset(text)
	case varCollation:
		c, err := canonicalCollation(text)
		if err != nil {
			return "", err
		}
		return c.Name, nil
	case varZone:
		return canonicalZone(text)
	case varMode:
		return checkMode(val, text)
	case varIsolation:
		return checkIsolation(v, val, text)
	case varSwitch:
		return vs.checkSwitch(v, text)
	}
	if isNumber(val) {
		return "", wrongType(v.Name)
	}
	return text, nil
}

func wrongValue(name, value string) error {
	return result.Errorf(result.ErrWrongValue, "Variable '%s' can't be set to the value of '%s'", name, value)
}

func wrongType(name string) error {
	return result.Errorf(result.ErrWrongType, "Incorrect argument type to variable '%s'", name)
}

func isNumber(v engine.Value) bool {
	switch v.Kind() {
	case engine.KindInt, engine.KindUint, engine.KindDecimal, engine.KindFloat:
		return true
	}
	return false
}

func checkBool(v *Var, val engine.Value, text string) (string, error) {
	switch val.Kind() {
	case engine.KindDecimal, engine.KindFloat:
		return "", wrongType(v.Name)
	}
	switch strings.ToUpper(text) {
	case "ON", "1", "TRUE":
		return "ON", nil
	case "OFF", "0", "FALSE":
		return "OFF", nil
	}
	return "", wrongValue(v.Name, text)
}

func (vs *Vars) checkInt(v *Var, val engine.Value) (string, error) {
	var f float64
	var text string
	switch val.Kind() {
	case engine.KindInt:
		f, text = float64(val.Int()), strconv.FormatInt(val.Int(), 10)
	case engine.KindUint:
		f, text = float64(val.Uint()), strconv.FormatUint(val.Uint(), 10)
	default:
		return "", wrongType(v.Name)
	}
	if longest := vs.longest(); v.Name == "max_execution_time" && longest > 0 && (f == 0 || f > float64(longest.Milliseconds())) {
		vs.owner.Diag.Add(result.Warning, 1292, "Truncated incorrect max_execution_time value: '"+text+"'. A monitor's statements run for at most "+
			longest.String()+" (statement-timeout of the console)")
		return strconv.FormatInt(longest.Milliseconds(), 10), nil
	}
	if v.limited && (f < v.min || f > v.max) {
		vs.owner.Diag.Add(result.Warning, 1292, "Truncated incorrect "+v.Name+" value: '"+text+"'")
		if f < v.min {
			return strconv.FormatInt(int64(v.min), 10), nil
		}
		return strconv.FormatUint(uint64(v.max), 10), nil
	}
	return text, nil
}

func (vs *Vars) checkNum(v *Var, val engine.Value, text string) (string, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !isNumber(val) {
		return "", wrongType(v.Name)
	}
	if v.limited && (f < v.min || f > v.max) {
		vs.owner.Diag.Add(result.Warning, 1292, "Truncated incorrect "+v.Name+" value: '"+text+"'")
		f = min(max(f, v.min), v.max)
	}
	return strconv.FormatFloat(f, 'f', 6, 64), nil
}

// checkEnum takes one of the words in any letter case, or its number.
func checkEnum(v *Var, val engine.Value, text string) (string, error) {
	if isNumber(val) {
		if i, err := strconv.Atoi(text); err == nil && 0 <= i && i < len(v.words) {
			return v.words[i], nil
		}
	}
	for _, w := range v.words {
		if strings.EqualFold(w, text) {
			return w, nil
		}
	}
	return "", wrongValue(v.Name, text)
}

var isolations = []string{"READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"}

func checkIsolation(v *Var, val engine.Value, text string) (string, error) {
	return checkEnum(&Var{Name: v.Name, words: isolations}, val, text)
}

// checkMode takes a list of modes or their number, and spells the combined modes out.
func checkMode(val engine.Value, text string) (string, error) {
	var mode mysql.SQLMode
	if isNumber(val) {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n >= uint64(mysql.ModeAllowInvalidDates)<<1 {
			return "", wrongValue("sql_mode", text)
		}
		mode = mysql.SQLMode(n)
	} else {
		for word := range strings.SplitSeq(text, ",") {
			word = strings.ToUpper(strings.TrimSpace(word))
			if word == "" {
				continue
			}
			m, ok := mysql.Str2SQLMode[word]
			if !ok {
				return "", wrongValue("sql_mode", word)
			}
			mode |= m
			for _, part := range mysql.CombinationSQLMode[word] {
				mode |= mysql.Str2SQLMode[part]
			}
		}
	}
	return modeText(mode), nil
}

// modeText lists the modes in the order of their bits, as MySQL prints them.
func modeText(mode mysql.SQLMode) string {
	words := make([]string, bits.Len64(uint64(mysql.ModeAllowInvalidDates)))
	for word, m := range mysql.Str2SQLMode {
		if m != 0 && mode&m == m {
			words[bits.TrailingZeros64(uint64(m))] = word
		}
	}
	var b strings.Builder
	for _, w := range words {
		if w != "" {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(w)
		}
	}
	return b.String()
}

// checkSwitch takes flags like 'semijoin=off,mrr=default' on top of what holds.
func (vs *Vars) checkSwitch(v *Var, text string) (string, error) {
	now, ok := vs.own[v.slot()]
	if !ok {
		now = v.start
	}
	if strings.EqualFold(text, "default") {
		return v.start, nil
	}
	flags := strings.Split(now, ",")
	for part := range strings.SplitSeq(text, ",") {
		name, val, ok := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		i := flagIndex(flags, name)
		if !ok || i < 0 {
			return "", wrongValue(v.Name, part)
		}
		switch val {
		case "on", "off":
			flags[i] = name + "=" + val
		case "default":
			flags[i] = strings.Split(v.start, ",")[i]
		default:
			return "", wrongValue(v.Name, part)
		}
	}
	return strings.Join(flags, ","), nil
}

func flagIndex(flags []string, name string) int {
	for i, f := range flags {
		if n, _, _ := strings.Cut(f, "="); n == name {
			return i
		}
	}
	return -1
}
