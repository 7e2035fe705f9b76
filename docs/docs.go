// Package docs gives programs the pages of this directory that they show themselves.
package docs

import _ "embed"

//go:embed problems.md
var problems string

// Problems is docs/problems.md: a section "## code" for each code of a problem, with paragraphs that begin
// "**Means.**", "**At risk.**" and "**Do.**". HELP 'code' of the console shows them.
func Problems() string { return problems }
