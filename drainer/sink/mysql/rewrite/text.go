package rewrite

import (
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"

	"pumphouse/drainer/schema"
)

// Text is the text of a plan's statements for a server.
func Text(nodes []ast.StmtNode, to Server) (string, error) {
	flags := format.RestoreNameBackQuotes | format.RestoreKeyWordUppercase | format.RestoreStringSingleQuotes |
		format.RestoreWithTTLEnableOff
	w := &words{mariaDB: to.Kind == MariaDB}
	for i, n := range nodes {
		if i > 0 {
			w.text.WriteString("; ")
		}
		if err := n.Restore(format.NewRestoreCtx(flags|schema.SpecialComments(n), w)); err != nil {
			return "", fmt.Errorf("write the statement: %w", err)
		}
	}
	return w.text.String(), nil
}

// comment is a comment as the server can have it: others than TiDB keep them in the old utf8, without what lies
// beyond U+FFFF.
func (r *rewriter) comment(text string) string {
	if r.to.Kind == TiDB {
		return text
	}
	return schema.OldUTF8(text, "?")
}

// words is what a statement's parts are written to. A keyword comes by itself; MariaDB has others
// for a few. Names and text come with or between quotes, so they are never taken for one.
type words struct {
	text    strings.Builder
	mariaDB bool
	quoted  bool // the next part is a name or text
}

// WriteString implements io.StringWriter.
func (w *words) WriteString(part string) (int, error) {
	n := len(part)
	if part == "'" || part == "`" {
		w.quoted = !w.quoted
	} else if w.mariaDB && !w.quoted {
		switch part {
		case "INVISIBLE":
			part = "IGNORED"
		case " INVISIBLE":
			part = " IGNORED"
		case "VISIBLE":
			part = "NOT IGNORED"
		case " VISIBLE":
			part = " NOT IGNORED"
		case "ENFORCED", " ENFORCED":
			part = "" // every CHECK is
		case "DROP CHECK ":
			part = "DROP CONSTRAINT "
		}
	}
	w.text.WriteString(part)
	return n, nil
}

// Write implements io.Writer.
func (w *words) Write(part []byte) (int, error) { return w.WriteString(string(part)) }
