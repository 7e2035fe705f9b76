package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// refused is an error about a setting of an old configuration that this drainer cannot honour, with
// what to do instead.
func (c *config) refused() error {
	s, to := &c.Syncer, &c.Syncer.To
	routes := false
	for _, r := range s.Migrate {
		routes = routes || r.Target != nil
	}
	database := s.DBType == "mysql" || s.DBType == "tidb"
	switch {
	case s.PluginPath != "" || s.PluginName != "":
		return errors.New("syncer.plugin-path and syncer.plugin-name: there are no plugins any more; what they change would be lost, so remove them knowingly")
	case s.DBType == "oracle":
		return errors.New(`db-type "oracle": not supported. Keep the upstream drainer for it, or replicate to kafka and load the messages into Oracle`)
	case s.DBType == "flash":
		return errors.New(`db-type "flash": not supported, and upstream drainers have dropped it. For analytics use TiFlash replicas, or db-type "tidb"`)
	case to.OracleServiceName != nil || to.OracleConnectString != nil:
		return errors.New("syncer.to.oracle-service-name and oracle-connect-string: an Oracle as downstream is not supported: remove them")
	case routes && !database:
		return fmt.Errorf("syncer.table-migrate-rule with a target: names downstream can be changed for db-type mysql and tidb, not for %s: remove the targets (upstream drainers ignored them here)", s.DBType)
	case routes && s.Relay.Dir != "":
		return errors.New("syncer.table-migrate-rule with a target and syncer.relay: they cannot be used together: remove the targets (upstream drainers ignored them here), or the relay log")
	case to.SyncMode < 0 || to.SyncMode > 2:
		return fmt.Errorf("syncer.to.sync-mode %d: use 1 (rows with all columns) or 2 (with the columns that both sides have)", to.SyncMode)
	case to.Compression != "" && to.Compression != "gzip":
		return fmt.Errorf("syncer.to.compression %q does not exist: use gzip, or leave it out", to.Compression)
	}
	return nil
}

// deprecated says which settings have no effect: those that truly mean nothing here.
func (c *config) deprecated() (warnings []string) {
	s, to := &c.Syncer, &c.Syncer.To
	database := s.DBType == "mysql" || s.DBType == "tidb"
	for _, k := range []struct {
		name string
		set  bool
		why  string
	}{
		{"kafka-addrs", c.KafkaAddrs != nil, "kafka's brokers are named in [syncer.to]"},
		{"zookeeper-addrs", c.ZKAddrs != nil, "name kafka's brokers in [syncer.to]"},
		{"log-rotate", c.LogRotate != nil, "use logrotate(8) or the journal"},
		{"syncer.relay.log-dir (-relay-log-dir)", s.Relay.Dir != "" && !database, "only databases have a relay log"},
		{"syncer.on-divergence", s.OnDivergence != "" && !database, "only databases can differ"},
		{"syncer.disable-detect", s.DisableDetect != nil, "conflicts between rows are always detected"},
		{"syncer.enable-detect", s.EnableDetect != nil, "conflicts between rows are always detected"},
		{"syncer.to.sync-mode", to.SyncMode == 2 && !database, "it is about databases"},
		{"syncer.to.merge", to.Merge != nil, "rows are put together in any case"},
		{"syncer.to.time-limit", to.TimeLimit != nil, "it was for db-type flash"},
		{"syncer.to.size-limit", to.SizeLimit != nil, "it was for db-type flash"},
		{"syncer.to.compression", to.Compression != "" && s.DBType != "file" && s.DBType != "pb", "only files are compressed"},
	} {
		if k.set {
			warnings = append(warnings, fmt.Sprintf("the key %s has no effect (%s): remove it", k.name, k.why))
		}
	}
	return warnings
}

// different says what upstream drainers did otherwise with the same file.
func (c *config) different() (warnings []string) {
	for _, r := range c.Syncer.Migrate {
		if r.Target != nil {
			warnings = append(warnings, fmt.Sprintf("the rule of table-migrate-rule for %s sends its tables to %s: upstream drainers did that for db-type oracle only, and left names as they were for others; "+
				"remove the target if the downstream is to go on as before", r.Source, *r.Target))
		}
	}
	for _, n := range c.names() {
		if looksLikePattern(n.name) {
			warnings = append(warnings, fmt.Sprintf("%s: %q is compared as a name, letter for letter: if it is a regular expression, write %q", n.rule, n.name, "~^"+n.name+"$"))
		}
	}
	return warnings
}

// ruled is a name in a filter rule.
type ruled struct{ rule, name string }

func (c *config) names() (list []ruled) {
	s := &c.Syncer
	for _, name := range strings.Split(s.IgnoreSchemas, ",") {
		list = append(list, ruled{"syncer.ignore-schemas", name})
	}
	for _, name := range s.DoDBs {
		list = append(list, ruled{"syncer.replicate-do-db", name})
	}
	for _, t := range s.IgnoreTables {
		list = append(list, ruled{"syncer.ignore-table", t.Schema}, ruled{"syncer.ignore-table", t.Table})
	}
	for _, t := range s.DoTables {
		list = append(list, ruled{"syncer.replicate-do-table", t.Schema}, ruled{"syncer.replicate-do-table", t.Table})
	}
	return list
}

// looksLikePattern reports whether somebody may have meant a name without ~ as a regular expression or
// with wildcards.
func looksLikePattern(name string) bool {
	name = strings.TrimSpace(name)
	return !strings.HasPrefix(name, "~") && regexp.MustCompile(`[*?+^|\\\[\](){}%]|\.\$|^\$|\$$`).MatchString(name)
}
