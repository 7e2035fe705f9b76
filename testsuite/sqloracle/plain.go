package sqloracle

import "strings"

// plain puts a space for every comment, mark of an executable comment and white space
// in the start of a text, and ” for everything quoted, so that regular expressions can
// tell what it ends with. It knows the comments of the generator.
func (p *pair) plain(text string) string {
	var b strings.Builder
	executable := false
	for text != "" {
		n := 1
		switch {
		case strings.HasPrefix(text, "/*!"):
			executable = true
			n = max(len("/*!"), len(version.FindString(text)))
		case strings.HasPrefix(text, "/*T!") && (oldFeatures.MatchString(text) || !anyFeatures.MatchString(text)):
			executable = true
			n = max(len("/*T!"), len(oldFeatures.FindString(text)))
		case strings.HasPrefix(text, "/*"):
			n = through(text, len("/*"), "*/")
			if text[:min(n, 3)] == "/*/" {
				n = through(text, len("/*/"), "*/")
			}
		case strings.HasPrefix(text, "*/") && executable:
			executable = false
			n = len("*/")
		case text[0] == '#', strings.HasPrefix(text, "--") && strings.TrimLeft(text[2:min(3, len(text))], "\t\n\v\f\r ") == "":
			n = through(text, 0, "\n")
		case strings.IndexByte("'\"`", text[0]) >= 0:
			b.WriteString("''")
			text = text[p.quoted(text):]
			continue
		case strings.IndexByte("\t\n\v\f\r \x85\xa0", text[0]) < 0:
			b.WriteByte(text[0])
			text = text[1:]
			continue
		}
		b.WriteByte(' ')
		text = text[n:]
	}
	return b.String()
}

// quoted gives the length of what is quoted at the start of a text. A doubled quote
// makes two of it, which does no harm.
func (p *pair) quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] != '`' && !p.noBackslashEscapes:
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return len(text)
}

// through gives the length of the text up to the end of the first mark from an offset
// on, or of all of it.
func through(text string, from int, mark string) int {
	if n := strings.Index(text[from:], mark); n >= 0 {
		return from + n + len(mark)
	}
	return len(text)
}
