package sqloracle

import (
	"regexp"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// Difference is something the old grammar and sqlext do not do alike on purpose.
type Difference struct {
	Name    string
	Reason  string
	Example string        // a text that shows it
	Mode    mysql.SQLMode // under which it does
	// Edit takes the cause away from a text that the two do not take alike: the edited
	// text is taken alike or shows another difference. False: this is not the cause.
	Edit func(c comparison) (string, bool)
}

// Differences are all of them. A run fails when it finds another one.
var Differences = []Difference{
	{
		Name:    "younger feature",
		Reason:  "TiDB's parser has the feature now, so what is in the comment counts",
		Example: "/*T![global_index] SHOW PUMP STATUS */",
		Edit: func(c comparison) (string, bool) {
			edited := youngFeature.ReplaceAllString(c.text, "${1}auto_rand${2}")
			return edited, edited != c.text
		},
	},
	{
		Name:    "parameter",
		Reason:  "sqlext takes ? in the place of a literal of CHANGE, for prepared statements",
		Example: "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if !c.has(at, "?") || !beforeLiteral.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text[:at] + "'?'" + c.text[at+1:], true
		},
	},
	{
		Name:    "SHOW FULL",
		Reason:  "ours alone: all columns, offline nodes too",
		Example: "SHOW FULL PUMP STATUS WHERE State = 'online'",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if at < 0 || !kindWord.MatchString(c.text[at:]) || !showFull.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			all := fullWord.FindAllStringIndex(c.text[:at], -1)
			if all == nil {
				return "", false
			}
			end := all[len(all)-1][1]
			return c.text[:end-len("full")] + "    " + c.text[end:], true
		},
	},
	{
		Name:    "PAUSE, OFFLINE and RESOLVE",
		Reason:  "ours alone: these words start statements, so a mistake is what follows them",
		Example: "PAUSE PUMP 'p' WAIT 10; OFFLINE DRAINER 'd'; RESOLVE TRANSACTION 1 ON PUMP 'p' ROLLBACK",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if !c.has(at, "pause") && !c.has(at, "offline") && !c.has(at, "resolve") {
				return "", false
			}
			return c.text[:at] + "x" + c.text[at+1:], true
		},
	},
	{
		Name:    "DROP PUMP and DROP DRAINER",
		Reason:  "ours alone: what the old grammar refuses is the word after DROP, or DROP itself where nothing follows it",
		Example: "SELECT 1; DROP PUMP 'p'",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if at < 0 || !kindWord.MatchString(c.text[at:]) || !dropWord.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text[:at] + "x" + c.text[at+1:], true
		},
	},
	{
		Name:    "HELP with a parameter",
		Reason:  "ours alone, for prepared statements",
		Example: "HELP ?",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if !c.has(at, "?") || !helpWord.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text[:at] + "'?'" + c.text[at+1:], true
		},
	},
	{
		Name: "*/ after TO",
		Reason: "the old scanner looks two tokens ahead after TO and forgets that a */ it met there ended an " +
			"executable comment, so it refuses the */; sqlext does not look ahead",
		Example: "/*! CHANGE PUMP TO */ NODE_STATE = 'paused' FOR NODE_ID 'pump1'",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if !c.has(at, "*/") || !behindTo.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text[:at] + "  " + c.text[at+len("*/"):], true
		},
	},
	{
		Name: "/*! after TO",
		Reason: "likewise it believes to be in an executable comment that starts within these two tokens, and skips " +
			"a */ before it that ends none; sqlext reports the *",
		Example: "CHANGE PUMP TO */*! NODE_STATE = 'paused' FOR NODE_ID 'pump1' */",
		Edit: func(c comparison) (string, bool) {
			at := c.new.errorOffset(c.text)
			if !c.has(at, "*/*") || c.old.errorOffset(c.text) != at+len("*/") || !behindTo.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text[:at] + "  " + c.text[at+len("*/"):], true
		},
	},
	{
		Name: "open comment after TO",
		Reason: "for the same reason the old parser reports a comment without an end within two tokens after TO " +
			"even if the token before the comment does not belong; sqlext reports that token",
		Example: "CHANGE PUMP TO NODE_ID /* = 'x'",
		Edit: func(c comparison) (string, bool) {
			at := c.new.errorOffset(c.text)
			if at < 0 || !strings.HasPrefix(c.old.err, "near '/*") || !behindTo.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text + "*/", true
		},
	},
	{
		Name: "TO TIMESTAMP",
		Reason: "to the old scanner TO TIMESTAMP is one token if a string follows (of FLASHBACK), after which " +
			"IGNORE_SPACE does not skip spaces, so that its error names a smaller column; both quote the same",
		Example: "CHANGE PUMP TO TIMESTAMP '2020-01-01'",
		Mode:    mysql.ModeIgnoreSpace,
		Edit: func(c comparison) (string, bool) {
			at := c.new.errorOffset(c.text)
			if !c.has(at, "timestamp") || c.old.errorOffset(c.text) != at || !behindTo.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text[:at] + "timestamq" + c.text[at+len("timestamp"):], true
		},
	},
	{
		Name:    "functions named pump and drainer",
		Reason:  "these words are no keywords of TiDB's parser any more, so they can name a function in an expression",
		Example: "SHOW PUMP STATUS WHERE pump(1)",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if !c.has(at, "(") {
				return "", false
			}
			all := names.FindAllStringIndex(c.text[:at], -1)
			if all == nil || !functionName.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			end := all[len(all)-1][1] // of the name, whose last letter is changed
			return c.text[:end-1] + "x" + c.text[end:], true
		},
	},
	{
		Name:    "function named pause",
		Reason:  "PAUSE is a keyword of TiDB's parser now (ADMIN PAUSE), so it can name no function",
		Example: "SHOW PUMP STATUS WHERE pause(1)",
		Edit: func(c comparison) (string, bool) {
			at := c.new.errorOffset(c.text)
			if !c.has(at, "(") {
				return "", false
			}
			all := pauseWord.FindAllStringIndex(c.text[:at], -1)
			if all == nil || !functionPause.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			end := all[len(all)-1][1]
			return c.text[:end-1] + "x" + c.text[end:], true
		},
	},
	{
		Name:    "KILL PAUSE",
		Reason:  "likewise KILL, which takes functions, refuses this word; the old one misses the parenthesis after it",
		Example: "KILL pause",
		Edit: func(c comparison) (string, bool) {
			at := c.new.errorOffset(c.text)
			if !c.has(at, "pause") || !killWord.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text[:at] + "x" + c.text[at+1:], true
		},
	},
	{
		Name: "number after pause and a dot",
		Reason: "likewise TiDB's scanner does not take the number for a name any more, as the old one does with " +
			"IGNORE_SPACE if there are spaces before the dot",
		Example: "SELECT pause .5",
		Mode:    mysql.ModeIgnoreSpace,
		Edit: func(c comparison) (string, bool) {
			at := c.new.errorOffset(c.text)
			if at < 0 || !number.MatchString(c.text[at:]) {
				return "", false
			}
			edited := pauseDot.ReplaceAllString(c.text[:at], "x$1")
			return edited + c.text[at:], edited != c.text[:at]
		},
	},
	{
		Name: "number after pump or drainer and a dot",
		Reason: "TiDB's scanner takes the number for a name, as after other names, because these words are no " +
			"keywords; with IGNORE_SPACE, if there are spaces before the dot, also if other keywords stand between",
		Example: "SELECT pump . 1e999 FROM t",
		Mode:    mysql.ModeIgnoreSpace,
		Edit: func(c comparison) (string, bool) {
			edited := numberBehind.ReplaceAllString(c.text, "${1}x$2")
			at := c.old.errorOffset(c.text)
			return edited, edited != c.text && (at < 0 || number.MatchString(c.text[at:]))
		},
	},
	{
		Name:    "keyword after a dot",
		Reason:  "TiDB's scanner takes a word for a name now also if there are spaces between a dot and it",
		Example: "SHOW PUMP STATUS WHERE a . and",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if at < 0 {
				return "", false
			}
			m := dotted.FindStringIndex(c.text[:at])
			if m == nil {
				return "", false
			}
			return c.text[:m[0]+1] + strings.TrimLeft(c.text[m[0]+1:], " "), true
		},
	},
	{
		Name:    "keyword after a number that ends in a dot",
		Reason:  "likewise, because TiDB's scanner does not ask what the dot belongs to",
		Example: "SHOW PUMP STATUS WHERE 1. IN (1)",
		Edit: func(c comparison) (string, bool) {
			at := min(c.old.reach(c.text), c.new.reach(c.text))
			all := numberDot.FindAllStringIndex(c.text[:at], -1)
			if all == nil || !dottedNumber.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			end := all[len(all)-1][1]
			return c.text[:end] + "0" + c.text[end:], true
		},
	},
	{
		Name: "@@ after CHANGE",
		Reason: "to TiDB's scanners an @@ without a name is the sign that follows at once, so that the old parser ends " +
			"the statement there, as TiDB's still does with ordinary ones; to sqlext the @@ does not belong",
		Example: "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1' @@;",
		Edit: func(c comparison) (string, bool) {
			at := c.new.errorOffset(c.text)
			if at < 0 || !namelessAt.MatchString(c.text[at:]) || !behindChange.MatchString(c.plain(c.text[:at])) {
				return "", false
			}
			return c.text[:at] + namelessAt.ReplaceAllString(c.text[at:], "$1"), true
		},
	},
	{
		Name: "number after a keyword after a dot",
		Reason: "once a name has a dot after it, both scanners take numbers for names until another name comes; for " +
			"the same reason that is now the word after the dot and spaces, where the old one has a keyword",
		Example: "SHOW PUMP STATUS WHERE a. status = 1",
		Edit: func(c comparison) (string, bool) {
			end := min(c.old.reach(c.text), c.new.reach(c.text))
			if end < len(c.text) && !number.MatchString(c.text[end:]) {
				return "", false
			}
			edited := dottedWord.ReplaceAllString(c.text[:end], "$1$2")
			return edited + c.text[end:], len(edited) < end
		},
	},
	{
		Name:    "younger statement",
		Reason:  "TiDB's parser takes an ordinary statement, or more of it, that the old grammar refuses",
		Example: "CREATE PROCEDURE p() BEGIN SELECT 1; END; EXPLAIN 'digest'",
		Edit: func(c comparison) (string, bool) {
			at := c.old.errorOffset(c.text)
			if at < 0 {
				return "", false
			}
			start := c.statementStart(at)
			return c.text[:start], c.rawReach(start) > at
		},
	},
	{
		Name:    "index advise",
		Reason:  "TiDB's parser has no INDEX ADVISE any more",
		Example: "SELECT 1; INDEX ADVISE INFILE 'x'",
		Edit: func(c comparison) (string, bool) {
			at := c.new.errorOffset(c.text)
			if !c.has(at, "index") {
				return "", false
			}
			start := c.statementStart(at)
			return c.text[:start], c.rawReach(start) == at
		},
	},
}

var (
	beforeLiteral = regexp.MustCompile(`(?i)(\bnode_state *=|\bnode_id) *$`)
	behindTo      = regexp.MustCompile(`(?i)\bto\b *([\w$\x{80}-\x{10FFFF}]*|''|\S) *$`)
	kindWord      = regexp.MustCompile(`(?i)^(pump|drainer)`)
	showFull      = regexp.MustCompile(`(?i)\bshow +full *$`)
	fullWord      = regexp.MustCompile(`(?i)full`)
	dropWord      = regexp.MustCompile(`(?i)\bdrop *$`)
	helpWord      = regexp.MustCompile(`(?i)\bhelp *$`)
	killWord      = regexp.MustCompile(`(?i)\bkill( +tidb)? *$`)
	pauseWord     = regexp.MustCompile(`(?i)pause`)
	functionPause = regexp.MustCompile(`(?i)\bpause *$`)
	pauseDot      = regexp.MustCompile(`(?i)\bp(ause[\s\v\x{FFFD}]+(\.[\s\v\x{FFFD}]*)?)$`)
	functionName  = regexp.MustCompile(`(?i)\b(pump|drainer) *$`)
	names         = regexp.MustCompile(`(?i)pump|drainer`)
	youngFeature  = regexp.MustCompile(`(/\*T!\[[\w,]*)global_index([\w,]*\])`)
	numberBehind  = regexp.MustCompile(`(?i)\b(pum|draine)[pr]([\s\v\x{FFFD}]+\.)`)
	dotted        = regexp.MustCompile(`(?i)\. +((as|member) +)?$`)
	dottedWord    = regexp.MustCompile(`(?i)([\w$\x60\x{80}-\x{10FFFF}][\s\v]*\.) +([a-z])`)
	namelessAt    = regexp.MustCompile(`(?i)^@@(?:(?:global|session|local)\.)?(;|$)`)
	behindChange  = regexp.MustCompile(`(?i)\bchange +(pump|drainer)\b.*\bnode_id *'' *$`)
	numberDot     = regexp.MustCompile(`\b\d+\.`)
	dottedNumber  = regexp.MustCompile(`\b\d+\. +(\w+ *)?$`)
	number        = regexp.MustCompile(`^\.?\d`)
	oldFeatures   = regexp.MustCompile(`^/\*T!\[((auto_rand|ttl),)*(auto_rand|ttl)\]`)
	anyFeatures   = regexp.MustCompile(`^/\*T!\[([\w$\x{80}-\x{10FFFF}]+,)*[\w$\x{80}-\x{10FFFF}]+\]`)
	version       = regexp.MustCompile(`^/\*!\d{5}`)
)
