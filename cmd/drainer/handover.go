package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pumphouse/drainer/handover"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/nodes"
)

// handover is what of the configuration a changefeed of TiCDC needs that takes the drainer's place.
func (c *config) handover() handover.Settings {
	s, to := &c.Syncer, &c.Syncer.To
	h := handover.Settings{Downstream: c.down.String(), DBType: s.DBType, Filter: c.rules(), Migrate: c.migrateRules(), SkipDDL: !s.SyncDDL,
		Workers: s.Workers, CA: to.Security.CA, Cert: to.Security.Cert, Key: to.Security.Key}
	for _, ts := range s.IgnoreTxns {
		h.Ignored = append(h.Ignored, nodes.TSO(ts))
	}
	switch s.DBType {
	case "mysql", "tidb":
		server, _ := to.server() // adjust has checked it
		h.Host, h.Port, h.User, h.Password = server.Host, server.Port, server.User, server.Password != ""
	case "kafka":
		c.handoverKafka(&h)
	}
	for _, key := range []struct {
		is            bool
		name, instead string
	}{
		{s.Loopback, "loopback-control", "TiCDC tells its own writes by bdr-mode = true, with TiDB on both sides"},
		{to.SyncMode == 2, "syncer.to.sync-mode = 2", "TiCDC writes rows with all columns: both sides need the same"},
		{s.SQLMode != "", "syncer.sql-mode", "TiCDC runs DDL in a sql_mode of its own"},
		{len(to.Params) > 0, "syncer.to.params (" + strings.Join(slices.Sorted(maps.Keys(to.Params)), ", ") + ")", "sessions of TiCDC have variables of their own; set them for its user or server downstream"},
		{s.Relay.Dir != "", "syncer.relay", "TiCDC has redo logs ([consistent] in the changefeed's configuration)"},
		{s.OnDivergence == "stop", "on-divergence = \"stop\"", "TiCDC does not notice rows that are missing downstream; compare instead (docs/comparing.md)"},
		{s.DDLTimeZone != "", "ddl-time-zone", "TiCDC runs DDL in the time zone of its server (--tz)"},
	} {
		if key.is {
			h.Other = append(h.Other, key.name+": "+key.instead)
		}
	}
	return h
}

// handoverKafka adds what there is to say of Kafka.
func (c *config) handoverKafka(h *handover.Settings) {
	to := &c.Syncer.To
	h.Brokers, h.Topic = cmp.Or(to.KafkaAddrs, "127.0.0.1:9092"), to.TopicName
	if h.Topic == "" {
		h.Topic = "TOPIC"
		h.Other = append(h.Other, "the topic: write the name that you want in the place of TOPIC in the sink URI; the drainer's is <cluster ID>_obinlog")
	}
	h.Kafka = map[string]string{}
	for name, value := range map[string]string{
		"kafka-version": to.KafkaVersion, "compression": to.KafkaCompression, "kafka-client-id": to.KafkaClientID,
		"sasl-mechanism": to.Security.Mechanism, "sasl-user": to.Security.User,
		"max-message-bytes": number(to.KafkaMaxMessageSize), "partition-num": number(to.TopicPartitions), "replication-factor": number(to.TopicReplication),
	} {
		if value != "" {
			h.Kafka[name] = value
		}
	}
	if to.Protocol == kafka.ProtocolCanalJSON {
		h.Kafka["protocol"], h.Partition = to.Protocol, to.Partition
		if to.TiDBExtension {
			h.Kafka["enable-tidb-extension"] = "true"
		}
		if to.LargeMessages != "" && to.LargeMessages != "none" {
			h.Other = append(h.Other, fmt.Sprintf("large-message-handle-option = %q: TiCDC has large-message-handle-option in [sink.kafka-config.large-message-handle]", to.LargeMessages))
		}
	}
	if to.Security.SSL {
		h.Kafka["enable-tls"] = "true"
	}
}

// number is a setting in decimal, "" if it is not set.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
