package sysvar

import (
	"context"
	"strconv"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
)

// Facts are what the variables say of the server.
type Facts struct {
	Version      string        // VERSION(), e.g. 8.0.11-TiDB-v8.3.0-pumphouse-1.0.0
	MaxPacket    int64         // @@max_allowed_packet, bytes
	IdleTimeout  time.Duration // @@wait_timeout's start value
	Statement    time.Duration // @@max_execution_time's start value; 0 = none; never ends a CHANGE
	Datadir      string        // @@datadir, cosmetic
	TLS          bool          // @@have_ssl
	Addr         string        // for @@port
	MaxConns     int           // @@max_connections
	MaxUserConns int           // @@max_user_connections
	RequireTLS   bool          // @@require_secure_transport
}

// Owner is the session whose variables they are.
type Owner struct {
	ID      uint32
	Account *privilege.Account
	Diag    *result.Diagnostics
	LogBin  func(ctx context.Context) (string, error) // @@log_bin, which only the cluster knows
	Changed func(freed int64)                         // called after a variable was set; bytes of a text that is no longer kept
}

// Settings are the variables that statements obey, in the form they are obeyed in.
type Settings struct {
	Autocommit      bool
	Mode            mysql.SQLMode
	Zone            string // @@time_zone
	Location        *time.Location
	ClientCharset   string
	ResultCharset   string // "" = NULL: results are sent as they are
	ConnCharset     string
	ConnCollation   string
	ConnCollationID uint16
	IdleTimeout     time.Duration
	MaxExecution    time.Duration
	SelectLimit     uint64
}

// Vars are the system variables of a session.
type Vars struct {
	Settings
	Now time.Time // the running statement's instant; see Start

	facts     *Facts
	clock     time.Time // when the running statement began
	owner     Owner
	own       map[string]string // texts of the variables that the client has set, by slot
	fixedNow  time.Time         // SET timestamp = …; zero = the clock
	handshake uint16            // the collation the client chose there, 0 = none
}

// New makes the variables of a session that has set nothing.
func New(facts *Facts, owner Owner) *Vars {
	vs := &Vars{facts: facts, owner: owner}
	vs.Reset()
	return vs
}

// Reset makes them what they were after the login.
func (vs *Vars) Reset() {
	vs.own, vs.fixedNow = nil, time.Time{}
	vs.Settings = Settings{
		Autocommit:  true,
		Zone:        "SYSTEM",
		Location:    time.Local,
		IdleTimeout: vs.facts.IdleTimeout, MaxExecution: vs.facts.Statement,
		SelectLimit:   1<<64 - 1,
		ClientCharset: "utf8mb4", ResultCharset: "utf8mb4",
		ConnCharset: "utf8mb4", ConnCollation: "utf8mb4_0900_ai_ci", ConnCollationID: 255,
	}
	vs.Mode, _ = mysql.GetSQLMode(variables().byName["sql_mode"].start)
	if vs.handshake != 0 {
		vs.SetCollation(vs.handshake)
	}
}

// Start begins a statement at a time of the clock.
func (vs *Vars) Start(clock time.Time) {
	vs.clock, vs.Now = clock, clock
	if !vs.fixedNow.IsZero() {
		vs.Now = vs.fixedNow
	}
}

// Own is the text that the client has given a variable, "" if it has not.
func (vs *Vars) Own(slot string) string { return vs.own[slot] }

// set keeps a variable's text and obeys it. The text is valid.
func (vs *Vars) set(slot, text string) {
	if vs.own == nil {
		vs.own = map[string]string{}
	}
	freed := keptBytes(vs.own[slot])
	vs.own[slot] = text
	vs.obey(slot, text)
	vs.owner.Changed(freed)
}

// keptBytes is what the session keeps for the text of a variable; those are few, so short texts
// do not count.
func keptBytes(text string) int64 { return max(int64(len(text))-256, 0) }

// obey makes the settings what a variable's new text says. Variables that are only
// remembered for the client's sake are not here.
func (vs *Vars) obey(slot, text string) {
	switch slot {
	case "autocommit":
		vs.Autocommit = text == "ON"
	case "sql_mode":
		vs.Mode, _ = mysql.GetSQLMode(text)
	case "time_zone":
		if loc, err := parseZone(text); err == nil {
			vs.Zone, vs.Location = text, loc
		}
	case "character_set_client":
		vs.ClientCharset = text
	case "character_set_results":
		vs.ResultCharset = text
	case "character_set_connection":
		vs.setConnection(text, DefaultCollation(text))
	case "collation_connection":
		if c, err := charset.GetCollationByName(text); err == nil {
			vs.setConnection(c.CharsetName, c.Name)
		}
	case "wait_timeout":
		n, _ := strconv.ParseInt(text, 10, 64)
		vs.IdleTimeout = time.Duration(n) * time.Second
	case "max_execution_time":
		n, _ := strconv.ParseInt(text, 10, 64)
		vs.MaxExecution = time.Duration(n) * time.Millisecond
		if n == 0 {
			vs.MaxExecution = vs.longest()
		}
	case "sql_select_limit":
		vs.SelectLimit, _ = strconv.ParseUint(text, 10, 64)
	case "timestamp":
		f, _ := strconv.ParseFloat(text, 64)
		vs.fixedNow = time.Time{}
		if f > 0 {
			vs.fixedNow = time.UnixMicro(int64(f * 1e6))
		}
	}
}

// longest is how long the session's statements may run whatever it sets max_execution_time to; 0 =
// as long as they need.
func (vs *Vars) longest() time.Duration {
	if vs.owner.Account.Role == privilege.Admin {
		return 0
	}
	return vs.facts.Statement
}

func (vs *Vars) setConnection(cs, collation string) {
	vs.ConnCharset, vs.ConnCollation = cs, collation
	vs.own["character_set_connection"], vs.own["collation_connection"] = cs, collation
	if c, err := charset.GetCollationByName(collation); err == nil {
		vs.ConnCollationID = uint16(c.ID)
	}
}

// setNames carries out SET NAMES: the three charsets at once. results "" is NULL.
func (vs *Vars) setNames(client, results, conn, collation string) {
	vs.set("character_set_client", client)
	vs.set("character_set_results", results)
	vs.set("character_set_connection", conn)
	vs.set("collation_connection", collation)
}

// SetCollation takes the collation the client chose in the handshake (or with
// COM_CHANGE_USER). One that is not known, or whose charset is none the console
// speaks, counts as utf8mb4, as MySQL takes its own default then.
func (vs *Vars) SetCollation(id uint16) {
	name, cs := "utf8mb4_0900_ai_ci", "utf8mb4"
	if c, err := charset.GetCollationByID(int(id)); err == nil && CharsetKnown(c.CharsetName) {
		name, cs = c.Name, c.CharsetName
	}
	vs.setNames(cs, cs, cs, name)
	vs.handshake = id
}
