package session

import (
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
)

// settings are the variables that statements obey, in the form they are obeyed in.
// Session.own holds their texts.
type settings struct {
	autocommit     bool
	mode           mysql.SQLMode
	zone           string // @@time_zone
	location       *time.Location
	clientCharset  string
	resultCharset  string // "" = NULL: results are sent as they are
	connCharset    string
	connCollation  string
	connCollID     uint16
	startCollation uint16 // the handshake's, 0 = none
	idleTimeout    time.Duration
	maxExecution   time.Duration
	selectLimit    uint64
	fixedNow       time.Time // SET timestamp = …; zero = the clock
}

// startSettings are those of a session that has set nothing.
func (s *Session) startSettings() settings {
	set := settings{
		autocommit:  true,
		zone:        "SYSTEM",
		location:    time.Local,
		idleTimeout: s.opts.IdleTimeout, maxExecution: s.opts.Statement,
		selectLimit: 1<<64 - 1,
	}
	set.mode, _ = mysql.GetSQLMode(sysVars().byName["sql_mode"].start)
	set.clientCharset, set.resultCharset = "utf8mb4", "utf8mb4"
	set.connCharset, set.connCollation, set.connCollID = "utf8mb4", "utf8mb4_0900_ai_ci", 255
	return set
}

// obey makes the session do what a variable's new text says. Variables that are only
// remembered for the client's sake are not here.
func (s *Session) obey(slot, text string) {
	switch slot {
	case "autocommit":
		on := text == "ON"
		if on && !s.autocommit { // MySQL: switching it on commits
			s.inTrans = false
			s.dropSavepoints(0)
		}
		s.autocommit = on
	case "sql_mode":
		s.mode, _ = mysql.GetSQLMode(text)
	case "time_zone":
		if loc, err := parseZone(text); err == nil {
			s.zone, s.location = text, loc
		}
	case "character_set_client":
		s.clientCharset = text
	case "character_set_results":
		s.resultCharset = text
	case "character_set_connection":
		s.setConnection(text, defaultCollation(text))
	case "collation_connection":
		if c, err := charset.GetCollationByName(text); err == nil {
			s.setConnection(c.CharsetName, c.Name)
		}
	case "wait_timeout":
		n, _ := strconv.ParseInt(text, 10, 64)
		s.idleTimeout = time.Duration(n) * time.Second
	case "max_execution_time":
		n, _ := strconv.ParseInt(text, 10, 64)
		s.maxExecution = time.Duration(n) * time.Millisecond
		if n == 0 {
			s.maxExecution = s.longest()
		}
	case "sql_select_limit":
		s.selectLimit, _ = strconv.ParseUint(text, 10, 64)
	case "timestamp":
		f, _ := strconv.ParseFloat(text, 64)
		s.fixedNow = time.Time{}
		if f > 0 {
			s.fixedNow = time.UnixMicro(int64(f * 1e6))
		}
	}
	s.forgetTexts() // what a text means may depend on any of them
}

// longest is how long the session's statements may run whatever it sets max_execution_time to; 0 =
// as long as they need.
func (s *Session) longest() time.Duration {
	if s.acc.Role == privilege.Admin {
		return 0
	}
	return s.opts.Statement
}

func (s *Session) setConnection(cs, collation string) {
	s.connCharset, s.connCollation = cs, collation
	s.own["character_set_connection"], s.own["collation_connection"] = cs, collation
	if c, err := charset.GetCollationByName(collation); err == nil {
		s.connCollID = uint16(c.ID)
	}
}

// setNames carries out SET NAMES: the three charsets at once. results "" is NULL.
func (s *Session) setNames(client, results, conn, collation string) {
	s.set("character_set_client", client)
	s.set("character_set_results", results)
	s.set("character_set_connection", conn)
	s.set("collation_connection", collation)
}

// set keeps a variable's text and obeys it. The text is valid.
func (s *Session) set(slot, text string) {
	if s.own == nil {
		s.own = map[string]string{}
	}
	s.letGo(sysVarBytes(s.own[slot]))
	s.own[slot] = text
	s.obey(slot, text)
}

// SetCollation takes the collation the client chose in the handshake (or with
// COM_CHANGE_USER). One that is not known, or whose charset is none the console
// speaks, counts as utf8mb4, as MySQL takes its own default then.
func (s *Session) SetCollation(id uint16) {
	name, cs := "utf8mb4_0900_ai_ci", "utf8mb4"
	if c, err := charset.GetCollationByID(int(id)); err == nil && charsetKnown(c.CharsetName) {
		name, cs = c.Name, c.CharsetName
	}
	s.setNames(cs, cs, cs, name)
	s.startCollation = id
}

// charsets are the character sets the console speaks, with MySQL 8's default
// collations (the parser's own defaults are TiDB's: the binary ones).
var charsets = []charsetInfo{
	{"ascii", "US ASCII", "ascii_general_ci", 1},
	{"binary", "Binary pseudo charset", "binary", 1},
	{"gb18030", "China National Standard GB18030", "gb18030_chinese_ci", 4},
	{"gbk", "GBK Simplified Chinese", "gbk_chinese_ci", 2},
	{"latin1", "cp1252 West European", "latin1_swedish_ci", 1},
	{"utf8", "UTF-8 Unicode", "utf8_general_ci", 3},
	{"utf8mb4", "UTF-8 Unicode", "utf8mb4_0900_ai_ci", 4},
}

// charsetInfo is one row of SHOW CHARSET.
type charsetInfo struct {
	name, description, collation string
	maxLen                       int64
}

// charsetKnown reports whether the console speaks a charset (canonical name).
func charsetKnown(name string) bool { return defaultCollation(name) != "" }

func defaultCollation(cs string) string {
	for _, c := range charsets {
		if c.name == cs {
			return c.collation
		}
	}
	return ""
}

// canonicalCharset takes a charset's name as a client may write it.
func canonicalCharset(name string) (string, error) {
	cs := strings.ToLower(name)
	if cs == "utf8mb3" {
		cs = "utf8"
	}
	if !charsetKnown(cs) {
		return "", result.Errorf(result.ErrUnknownCharset, "Unknown character set: '%s'", name)
	}
	return cs, nil
}

// canonicalCollation takes a collation's name as a client may write it.
func canonicalCollation(name string) (*charset.Collation, error) {
	c, err := charset.GetCollationByName(name)
	if err != nil || !charsetKnown(c.CharsetName) {
		return nil, result.Errorf(result.ErrUnknownCollation, "Unknown collation: '%s'", name)
	}
	return c, nil
}
