package engine

import "unicode/utf8"

// Like matches s against a LIKE pattern without regard to letter case: % stands for any
// text, _ for one character, and escape takes either's meaning away. It is what
// SHOW … LIKE uses.
func Like(pattern, s string, escape byte) bool {
	return matchLike(collatorByID(collGeneralCI), pattern, s, rune(escape))
}

// matchLike matches in time proportional to len(s) × len(pattern): of the % seen only the
// last one is ever returned to.
func matchLike(c collator, pattern, s string, escape rune) bool {
	retryPattern, retryText := "", ""
	canRetry := false
	for {
		if pattern == "" {
			if s == "" {
				return true
			}
		} else {
			r, n := utf8.DecodeRuneInString(pattern)
			literal := false
			if r == escape && escape != 0 && len(pattern) > n {
				pattern = pattern[n:]
				r, n = utf8.DecodeRuneInString(pattern)
				literal = true
			}
			switch {
			case r == '%' && !literal:
				pattern = pattern[n:]
				retryPattern, retryText, canRetry = pattern, s, true
				continue
			case s != "":
				have, m := utf8.DecodeRuneInString(s)
				if r == '_' && !literal || have == r || !c.binary && c.weight(have) == c.weight(r) {
					pattern, s = pattern[n:], s[m:]
					continue
				}
			}
		}
		if !canRetry || retryText == "" {
			return false
		}
		_, m := utf8.DecodeRuneInString(retryText)
		retryText = retryText[m:]
		pattern, s = retryPattern, retryText
	}
}
