package engine

import (
	"regexp"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// like compiles x LIKE pattern ESCAPE c.
func (c *compiler) like(n *ast.PatternLikeOrIlikeExpr) (*expr, error) {
	args, err := c.compileAll([]ast.ExprNode{n.Expr, n.Pattern})
	if err != nil {
		return nil, err
	}
	coll, _, err := c.aggregateCollation("like", args...)
	if err != nil {
		return nil, err
	}
	if !n.IsLike { // ILIKE
		coll = collatorByID(collGeneralCI)
	}
	escape := rune(n.Escape)
	return negated(operands(boolType().orNull(anyNull(args...)), args[0], args[1], func(f *frame, a, b Value) (Value, error) {
		if err := f.st.compute(len(a.str) + len(b.str)); err != nil {
			return Null(), err
		}
		return Bool(matchLike(coll, b.Text(), a.Text(), escape)), nil
	}), n.Not), nil
}

// regexp compiles x REGEXP pattern. Patterns are those of Go's regexp package, which
// run in linear time; what only PCRE or ICU have (back references, look-around) is an
// error that says so.
func (c *compiler) regexp(n *ast.PatternRegexpExpr) (*expr, error) {
	args, err := c.compileAll([]ast.ExprNode{n.Expr, n.Pattern})
	if err != nil {
		return nil, err
	}
	coll, _, err := c.aggregateCollation("regexp", args...)
	if err != nil {
		return nil, err
	}
	match := regexpMatcher(coll, "")
	return negated(operands(boolType().orNull(anyNull(args...)), args[0], args[1], func(f *frame, a, b Value) (Value, error) {
		re, err := match(b.Text())
		if err == nil {
			err = f.st.compute(len(a.str))
		}
		if err != nil {
			return Null(), err
		}
		return Bool(matches(re, a.Text())), nil
	}), n.Not), nil
}

// matches reports whether a pattern is in a text. As in MySQL and MariaDB $ is also the place
// before a newline at the end.
func matches(re *regexp.Regexp, text string) bool {
	if re.MatchString(text) {
		return true
	}
	line, ok := strings.CutSuffix(text, "\n")
	return ok && re.MatchString(line)
}

// regexpMatcher compiles patterns with further flags of Go's (m, s), and keeps the last one, which rows
// mostly share. As in MySQL 8, a dot is any character but a newline.
func regexpMatcher(coll collator, flags string) func(pattern string) (*regexp.Regexp, error) {
	var last string
	var re *regexp.Regexp
	return func(pattern string) (*regexp.Regexp, error) {
		if re != nil && pattern == last {
			return re, nil
		}
		all := flags
		if coll.noCase {
			all += "i"
		}
		if all != "" {
			all = "(?" + all + ")"
		}
		text := strings.NewReplacer("[[:<:]]", `\b`, "[[:>:]]", `\b`).Replace(pattern)
		next, err := regexp.Compile(all + text)
		if err != nil {
			return nil, fail(1139, "42000", "Got error '%s' from regexp", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		last, re = pattern, next
		return re, nil
	}
}
