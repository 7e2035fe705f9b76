package sqlext

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// Words returns the unquoted words of a statement in order, in capitals: keywords and plain
// names, not what stands in quotes or comments. It is for what TiDB's tree does not keep, such
// as the difference between START TRANSACTION and START TRANSACTION READ WRITE.
func Words(text string, mode mysql.SQLMode) (words []string) {
	lex := newLexer(text, mode)
	for {
		t := lex.next()
		switch t.kind {
		case tokenEnd, tokenInvalid:
			return words
		case tokenWord:
			words = append(words, strings.ToUpper(text[t.start:t.end]))
		}
	}
}
