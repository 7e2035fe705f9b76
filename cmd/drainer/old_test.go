package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pumphouse/drainer/downstream"
)

// Every setting of an old configuration counts, is refused with what to do, or is warned about when it
// means nothing.
func TestOldSettings(t *testing.T) {
	const kafka, file = "[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nkafka-addrs = \"127.0.0.1:9092\"\n", "[syncer]\ndb-type = \"file\"\n[syncer.to]\n"
	for text, want := range map[string]struct{ refused, warned string }{
		// refused
		"[syncer]\ndb-type = \"oracle\"\n[syncer.to]\noracle-service-name = \"x\"\n":                                             {refused: "Keep the upstream drainer"},
		"[syncer]\ndb-type = \"flash\"\n[syncer.to]\ntime-limit = \"30s\"\n":                                                     {refused: `db-type "flash": not supported`},
		"[syncer.to]\noracle-connect-string = \"x\"\n":                                                                           {refused: "an Oracle as downstream"},
		"[syncer.to.checkpoint]\ntype = \"flash\"\n":                                                                             {refused: "use mysql, tidb or file"},
		"[syncer.to.checkpoint]\ntype = \"oracle\"\noracle-service-name = \"x\"\n":                                               {refused: "a checkpoint in an Oracle"},
		"[syncer.to.checkpoint]\nuser = \"ck\"\n":                                                                                {refused: `add type = "mysql"`},
		kafka + "[syncer.to.checkpoint]\ntype = \"mysql\"\nuser = \"ck\"\n":                                                      {refused: "checkpoint.host is empty"},
		"[syncer.to]\nsync-mode = 3\n":                                                                                           {refused: "sync-mode 3: use 1"},
		"[syncer.to.params]\nsql_mode = \"ANSI\"\n":                                                                              {refused: "params.sql_mode"},
		"[syncer.to.params]\nreadTimeout = \"1m\"\n":                                                                             {refused: "read-timeout in [syncer.to]"},
		"[syncer]\nddl-time-zone = \"SYSTEM\"\n":                                                                                 {refused: "like +08:00 or Asia/Shanghai"},
		"[syncer.to.params]\ntime_zone = \"+15:00\"\n":                                                                           {refused: "syncer.to.params.time_zone \"+15:00\""},
		file + "compression = \"zip\"\n":                                                                                         {refused: "compression"},
		"[[syncer.table-migrate-rule]]\nbinlog-filter-rule = [\"r\"]\n[syncer.table-migrate-rule.source]\nschema = \"a\"\n":      {refused: `"r" does not exist`},
		kafka + "[[syncer.table-migrate-rule]]\nsource = {schema = \"a\"}\ntarget = {schema = \"b\"}\n":                          {refused: "remove the targets"},
		"[syncer.relay]\nlog-dir = \"r\"\n[[syncer.table-migrate-rule]]\nsource = {schema = \"a\"}\ntarget = {schema = \"b\"}\n": {refused: "cannot be used together"},
		// without effect
		"kafka-addrs = \"a\"\nzookeeper-addrs = \"b\"\nlog-rotate = \"day\"\n": {warned: "the key log-rotate has no effect"},
		kafka + "sync-mode = 2\n":                              {warned: "syncer.to.sync-mode has no effect"},
		file + "time-limit = \"30s\"\nsize-limit = \"1000\"\n": {warned: "it was for db-type flash"},
		"[syncer.to]\nmerge = true\n":                          {warned: "syncer.to.merge has no effect"},
		// not as it was
		"[[syncer.table-migrate-rule]]\nsource = {schema = \"a\", table = \"t*\"}\ntarget = {schema = \"b\", table = \"t\"}\n": {warned: "a.t* sends its tables to b.t"},
		"[syncer]\nreplicate-do-db = [\"shop_.*\"]\n":                                         {warned: `write "~^shop_.*$"`},
		"[syncer]\nignore-schemas = \"mysql,tmp%\"\n":                                         {warned: `"tmp%" is compared as a name`},
		"[[syncer.ignore-table]]\ndb-name = \"db\"\ntbl-name = \"t?\"\n":                      {warned: `syncer.ignore-table: "t?"`},
		"[[syncer.replicate-do-table]]\ndb-name = \"~^db\"\ntbl-name = \"t_1-x$2.y\"\n":       {},
		"[syncer]\ncase-sensitive = true\n":                                                   {},
		"[syncer]\nenable-dispatch = true\n[syncer.to.security]\ncert-allowed-cn = [\"b\"]\n": {},
		"sql-mode = \"ANSI_QUOTES\"\n":                                                        {},
	} {
		_, warnings, err := parseConfig([]string{"-config", write(t, text)}, new(bytes.Buffer))
		if want.refused == "" && err != nil || want.refused != "" && (err == nil || !strings.Contains(err.Error(), want.refused)) {
			t.Errorf("%q: error %v, want %q", text, err, want.refused)
		}
		all := strings.Join(warnings, "\n")
		if err == nil && (want.warned == "") != (all == "") || !strings.Contains(all, want.warned) {
			t.Errorf("%q: warnings %q, want %q", text, warnings, want.warned)
		}
	}
}

// The rules of the last upstream drainers arrive in the drainer.
func TestMigrateRules(t *testing.T) {
	c, _, err := parseConfig([]string{"-config", write(t, `
[syncer]
db-type = "mysql"
case-sensitive = true
[[syncer.table-migrate-rule]]
binlog-filter-rule = ["no-truncate"]
[syncer.table-migrate-rule.source]
schema = "shop_*"
table = "orders_*"
[syncer.table-migrate-rule.target]
schema = "shop"
table = "orders"
[syncer.binlog-filter-rule.no-truncate]
ignore-event = ["truncate table", "drop table"]
ignore-sql = ["^ALTER TABLE"]
`)}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	m := c.options(nil).Migrate
	if len(m.Tables) != 1 || m.Tables[0].Source.Table != "orders_*" || m.Tables[0].Target.Schema != "shop" || len(m.Events["no-truncate"].Events) != 2 || !m.CaseSensitive {
		t.Errorf("%+v", m)
	}
}

// What the downstreams get of old settings.
func TestOldSettingsDownstream(t *testing.T) {
	parse := func(text string) any {
		t.Helper()
		c, _, err := parseConfig([]string{"-config", write(t, text)}, new(bytes.Buffer))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return c.down
	}
	f := parse("[syncer]\ndb-type = \"pb\"\n[syncer.to]\nretention-time = -1\ncompression = \"gzip\"\n[syncer.to.checkpoint]\ntype = \"mysql\"\nhost = \"10.0.0.1\"\nuser = \"ck\"\npassword = \"p\"\nschema = \"s\"\ntable = \"t\"\n").(downstream.File)
	if at := f.CheckpointTable; f.Retention != 0 || !f.Gzip || at == nil || at.Server.Host != "10.0.0.1" || at.Server.User != "ck" || at.Server.Password != "p" || at.Schema != "s" || at.Table != "t" {
		t.Errorf("file: %+v", f)
	}
	k := parse("[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nkafka-version = \"0.8.2.0\"\nkafka-client-id = \"tidb_binlog\"\nkafka-max-message-size = 1073741824\n[syncer.to.checkpoint]\ntype = \"tidb\"\nhost = \"10.0.0.1\"\n").(downstream.Kafka)
	if k.ClientID != "tidb_binlog" || k.MaxMessageBytes != 1<<30 || k.CheckpointTable == nil || k.CheckpointTable.Server.Port != 3306 {
		t.Errorf("kafka: %+v", k)
	}
	m := parse("[syncer.to]\nhost = \"db\"\nport = 3307\n[syncer.to.params]\ntime_zone = \"+08:00\"\nsql_log_bin = \"0\"\nlc_messages = \"en-US\"\n[syncer.to.checkpoint]\ntype=\"mysql\"\nuser=\"ck\"\npassword=\"p\"\n").(*downstream.MySQL)
	if at := m.CheckpointServer; at == nil || at.Host != "db" || at.Port != 3307 || at.User != "ck" || m.Params["sql_log_bin"] != "0" || m.Params["lc_messages"] != "'en-US'" || len(m.Params) != 2 {
		t.Errorf("mysql: %+v, params %v", m.CheckpointServer, m.Params)
	}
	noon := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"": "12:00", "[syncer.to.params]\ntime_zone = \"+08:00\"\n": "20:00", "[syncer.to.params]\ntime_zone = \"'-03:30'\"\n": "08:30",
		"[syncer]\nddl-time-zone = \"Asia/Shanghai\"\n[syncer.to.params]\ntime_zone = \"-03:30\"\n": "20:00",
	} {
		if got := noon.In(parse(text).(*downstream.MySQL).DDLTimeZone).Format("15:04"); got != want {
			t.Errorf("%q: noon is %s, want %s", text, got, want)
		}
	}
	if m := parse("[syncer.to.checkpoint]\ntype = \"mysql\"\nschema = \"s\"\n").(*downstream.MySQL); m.CheckpointServer != nil || m.Schema != "s" {
		t.Errorf("a type alone: %+v", m.CheckpointServer)
	}
}

// Flags of old scripts, and variables that stood for flags.
func TestOldFlags(t *testing.T) {
	t.Setenv("BINLOG_SERVER_PD_URLS", "http://10.0.0.1:2379")
	t.Setenv("BINLOG_SERVER_DATA_DIR", "from the environment")
	c, warnings, err := parseConfig([]string{"-load-schema-snapshot", "-data-dir", "given", "-safe-mode", "-disable-dispatch", "-kafka-addrs", "x",
		"-config", write(t, "pd-urls = \"http://10.0.0.2:2379\"\n")}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	if c.PDURLs != "http://10.0.0.1:2379" || c.DataDir != "given" || !c.Syncer.SafeMode || c.Syncer.Workers != 1 || !c.options(nil).LoadSchemaSnapshot {
		t.Errorf("%+v", c)
	}
	all := strings.Join(warnings, "\n")
	if !strings.Contains(all, "BINLOG_SERVER_PD_URLS") || strings.Contains(all, "BINLOG_SERVER_DATA_DIR") || !strings.Contains(all, "-kafka-addrs") {
		t.Errorf("warnings %q", warnings)
	}
	t.Setenv("BINLOG_SERVER_TXN_BATCH", "many")
	if _, _, err := parseConfig(nil, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "BINLOG_SERVER_TXN_BATCH") {
		t.Errorf("a variable that is no number: %v", err)
	}
}

// A key that nobody knows: where it is, and which one may be meant.
func TestUnknownKeys(t *testing.T) {
	_, _, err := parseConfig([]string{"-config", write(t, `data-dir = "d"
workers-count = 3
[syncer]
  replicate-do-dbs = ["a"]
[syncer.nothing-like-it]
x = 1
`)}, new(bytes.Buffer))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"workers-count (line 2), did you mean syncer.worker-count?", "syncer.replicate-do-dbs (line 4), did you mean syncer.replicate-do-db?", "syncer.nothing-like-it (line 5)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "nothing-like-it.x") {
		t.Errorf("%v names what is in an unknown section", err)
	}
}

// Every flag is a key at the top of the file as well, under each of its names.
func TestFlagsAreKeys(t *testing.T) {
	c, warnings, err := parseConfig([]string{"-config", write(t, `db-type = "mysql"
c = 3
L = "debug"
relay-log-dir = "relay"
txn-batch = 5
ignore-schemas = "a,b"
ssl-ca = ""
`)}, new(bytes.Buffer))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if s := c.Syncer; s.Workers != 3 || c.LogLevel != "debug" || s.Relay.Dir != "relay" || s.TxnBatch != 5 || s.IgnoreSchemas != "a,b" {
		t.Errorf("%+v", c)
	}
	if c, _, err := parseConfig([]string{"-config", write(t, "dest-db-type = \"file\"\n")}, new(bytes.Buffer)); err != nil || c.down != (downstream.File{}) {
		t.Errorf("dest-db-type: %v, %v", c.down, err)
	}
}
