// Package handover says what a changefeed of TiCDC has to be like that goes on where a drainer ends: the
// downstream as sink URI, the filters as rules, and what TiCDC does not have.
package handover

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// Settings are those of a drainer that matter to a changefeed.
type Settings struct {
	Downstream string // in words
	DBType     string // mysql, tidb, kafka or file
	Filter     txn.FilterRules
	Migrate    txn.MigrateRules
	SkipDDL    bool // sync-ddl = false
	Ignored    []nodes.TSO

	// Of a database.
	Host, User string
	Port       int
	Password   bool // there is one
	Workers    int  // worker-count
	// CA, Cert and Key are files for TLS towards the downstream, on the drainer's machine.
	CA, Cert, Key string

	// Of Kafka.
	Brokers, Topic string            // separated by commas
	Partition      string            // how rows find theirs: table or index-value; "": TiCDC's way
	Kafka          map[string]string // parameters of the sink URI, by TiCDC's names

	// Other are settings without a counterpart that are set, with the reason.
	Other []string
}

// changefeed is the configuration of a changefeed.
type changefeed struct {
	CaseSensitive bool   `toml:"case-sensitive"`
	Filter        filter `toml:"filter"`
	Sink          *sink  `toml:"sink,omitempty"`
}

type sink struct {
	Dispatchers []dispatcher `toml:"dispatchers"`
}

type dispatcher struct {
	Matcher   []string `toml:"matcher"`
	Partition string   `toml:"partition"`
}

type filter struct {
	Rules  []string      `toml:"rules"`
	Events []eventFilter `toml:"event-filters,omitempty"`
}

type eventFilter struct {
	Matcher []string `toml:"matcher"`
	Events  []string `toml:"ignore-event,omitempty"`
	SQL     []string `toml:"ignore-sql,omitempty"`
}

// Plan gives the changefeed that takes over from a drainer with these settings.
func Plan(s Settings) (nodes.Handover, error) {
	h := nodes.Handover{Downstream: s.Downstream, Left: append([]string{}, s.Other...)}
	c := changefeed{CaseSensitive: s.Migrate.CaseSensitive}
	c.Filter.Rules = rules(s.Filter)
	var left []string
	c.Filter.Events, left = events(s.Migrate)
	h.Left = append(h.Left, left...)
	if s.SkipDDL {
		c.Filter.Events = append(c.Filter.Events, eventFilter{Matcher: []string{"*.*"}, Events: []string{"all ddl"}})
	}
	for _, ts := range s.Ignored {
		h.Left = append(h.Left, fmt.Sprintf("ignore-txn-commit-ts %s: TiCDC leaves out transactions by their start TS (ignore-txn-start-ts in [filter]). "+
			"This one is of no interest if it is below the start TS of the changefeed", ts))
	}
	if s.Partition != "" {
		c.Sink = &sink{[]dispatcher{{[]string{"*.*"}, s.Partition}}}
	}
	h.SinkURI, left = s.sinkURI()
	h.Left = append(h.Left, left...)
	var text bytes.Buffer
	enc := toml.NewEncoder(&text)
	enc.Indent = ""
	if err := enc.Encode(c); err != nil {
		return nodes.Handover{}, fmt.Errorf("write the changefeed's configuration: %w", err)
	}
	h.Changefeed = text.String()
	return h, nil
}

// sinkURI gives the downstream as TiCDC names it, and what it lacks.
func (s Settings) sinkURI() (uri string, left []string) {
	query := url.Values{}
	tls := func(ca, cert, key string) {
		for name, file := range map[string]string{ca: s.CA, cert: s.Cert, key: s.Key} {
			if file != "" {
				query.Set(name, file)
			}
		}
		if s.CA != "" || s.Cert != "" {
			left = append(left, "TLS files: the sink URI names those of the drainer's machine; put them where TiCDC runs, or change the URI")
		}
	}
	switch s.DBType {
	case "mysql", "tidb":
		query.Set("worker-count", strconv.Itoa(s.Workers))
		tls("ssl-ca", "ssl-cert", "ssl-key")
		u := url.URL{Scheme: s.DBType, User: url.User(s.User), Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), Path: "/", RawQuery: query.Encode()}
		if s.Password {
			u.User = url.UserPassword(s.User, "PASSWORD")
			left = append(left, "the downstream's password: write it in the place of PASSWORD in the sink URI, with %XX for what is not a letter or digit")
		}
		left = append(left, "tables without a primary key and without a unique key of NOT NULL columns: TiCDC leaves them out unless force-replicate = true, and writes their rows twice at times",
			"transactions: TiCDC does not keep those of several tables together downstream (transaction-atomicity)")
		return u.String(), left
	case "kafka":
		for name, value := range s.Kafka {
			query.Set(name, value)
		}
		if query.Get("protocol") == "" {
			query.Set("protocol", "canal-json")
			left = append(left, "messages of TiDB Binlog (protobuf): TiCDC does not write them. Move the consumers to protocol = \"canal-json\" first, which the drainer writes too (docs/kafka.md), or have them read the changefeed's topic from its beginning")
		}
		tls("ca", "cert", "key")
		if query.Get("sasl-mechanism") != "" {
			left = append(left, "the login at Kafka: add sasl-password (PLAIN, SCRAM), or what OAUTHBEARER needs, to the sink URI")
		}
		return (&url.URL{Scheme: "kafka", Host: s.Brokers, Path: "/" + s.Topic, RawQuery: query.Encode()}).String(), left
	}
	return "", append(left, "db-type file: TiCDC has no such files. Its storage sink (file:///…, s3://…) writes CSV or canal-json, which reparo does not read")
}

// rules gives the filters as TiCDC's, of which the last that matches counts.
func rules(f txn.FilterRules) []string {
	var list []string
	for _, db := range f.DoDBs {
		if db = strings.TrimSpace(db); db != "" {
			list = append(list, name(db)+".*")
		}
	}
	for _, t := range f.DoTables {
		list = append(list, name(t.Schema)+"."+name(t.Table))
	}
	if len(list) == 0 {
		list = []string{"*.*"}
	}
	for _, db := range f.IgnoreSchemas {
		if db = strings.TrimSpace(db); db != "" && !system[strings.ToLower(db)] {
			list = append(list, "!"+name(db)+".*")
		}
	}
	for _, t := range f.IgnoreTables {
		list = append(list, "!"+name(t.Schema)+"."+name(t.Table))
	}
	return list
}

// system are databases that TiCDC never replicates.
var system = map[string]bool{"information_schema": true, "performance_schema": true, "metrics_schema": true, "mysql": true}

// name gives a name of a drainer's filters, ~ for a regular expression, as TiCDC's have it.
func name(n string) string {
	expr, is := strings.CutPrefix(n, "~")
	switch {
	case is && (expr == ".*" || expr == "^.*" || expr == "^.*$" || expr == ".*$"):
		return "*"
	case is:
		return "/" + strings.ReplaceAll("(?i)"+expr, "/", `\/`) + "/"
	}
	return literal(strings.ToLower(n))
}

// literal is a name of which every character stands for itself.
func literal(n string) string {
	plain := strings.IndexFunc(n, func(r rune) bool {
		return r != '_' && r != '$' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80
	}) < 0
	if plain {
		return n
	}
	return "`" + strings.ReplaceAll(n, "`", "``") + "`"
}
