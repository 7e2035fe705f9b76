package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/kafkaclient"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/tikv"
	"pumphouse/internal/certfile"
	"pumphouse/internal/secret"
)

// toConfig is the section [syncer.to].
type toConfig struct {
	// mysql and tidb
	Host              string `toml:"host" default:"\"localhost\"" sample:"\"127.0.0.1\"" doc:"host of the database; default: the environment variable MYSQL_HOST, else localhost"`
	Port              int    `toml:"port" default:"3306" doc:"its port; default: MYSQL_PORT, else 3306"`
	User              string `toml:"user" default:"\"root\"" sample:"\"drainer\"" doc:"user of the database; docs/downstream-user.md has the rights that it needs. Default: MYSQL_USER, else root"`
	Password          string `toml:"password" sample:"\"\"" doc:"its password; default: MYSQL_PSWD"`
	EncryptedPassword string `toml:"encrypted_password" doc:"the password as binlogctl -cmd encrypt prints it, under the key in BINLOG_SECRET_KEY; it wins over password"`
	ReadTimeout       string `toml:"read-timeout" default:"\"1m\"" doc:"how long the database may take to answer a statement that changes rows; DDL has no limit"`
	SyncMode          int    `toml:"sync-mode" default:"1" doc:"1: rows with all columns; 2: with the columns that both sides have"`
	// file
	Dir           string `toml:"dir" value:"directory" example:"\"/var/lib/pumphouse/drainer\"" doc:"directory of the files; default: data-dir"`
	RetentionDays int    `toml:"retention-time" value:"days" doc:"days after which files are removed; 0: never"`
	Compression   string `toml:"compression" example:"\"gzip\"" doc:"gzip compresses files that are full"`
	// kafka
	KafkaAddrs          string `toml:"kafka-addrs" default:"\"127.0.0.1:9092\"" doc:"some of Kafka's brokers, host:port, separated by commas; default: the environment variable KAFKA_ADDRS, else 127.0.0.1:9092"`
	TopicName           string `toml:"topic-name" example:"\"shop_binlog\"" doc:"the topic; default: <cluster ID>_obinlog. It is made when it is not there"`
	TopicPartitions     int    `toml:"topic-partitions" default:"1" doc:"partitions of the topic, when it is made. With protocol binlog messages are in partition 0"`
	TopicReplication    int    `toml:"topic-replication-factor" example:"3" doc:"brokers that have the topic, when it is made; 0: the brokers' default (default.replication.factor)"`
	Protocol            string `toml:"protocol" default:"\"binlog\"" doc:"format of the messages: binlog (of upstream's drainers, one a transaction) or canal-json (of TiCDC, one a row)"`
	Partition           string `toml:"partition" default:"\"table\"" doc:"for canal-json: table or index-value, by what rows are spread over the topic's partitions: their table, or their primary key"`
	TiDBExtension       bool   `toml:"enable-tidb-extension" doc:"for canal-json: messages have _tidb with the commit TS, and there are watermarks"`
	LargeMessages       string `toml:"large-message-handle-option" default:"\"none\"" doc:"for canal-json: a row whose message is too large stops the drainer (none), or is sent with its key alone (handle-key-only)"`
	KafkaVersion        string `toml:"kafka-version" example:"\"2.4.0\"" doc:"the newest version of the protocol to use; default: what the brokers speak"`
	KafkaMaxMessages    int    `toml:"kafka-max-messages" default:"1024" doc:"messages sent in one request at most"`
	KafkaMaxMessageSize int    `toml:"kafka-max-message-size" value:"bytes" doc:"bytes of a message at most: a larger one stops the drainer before it is sent; 0: the topic's limit alone"`
	KafkaCompression    string `toml:"kafka-compression" default:"\"none\"" doc:"none, gzip, snappy, lz4 or zstd: how messages are compressed"`
	KafkaClientID       string `toml:"kafka-client-id" default:"\"pumphouse-drainer\"" doc:"the name that brokers have for the drainer in logs and quotas"`

	Params     map[string]string    `toml:"params" example:"sql_log_bin = \"0\"" doc:"System variables of the sessions in the database."`
	Security   kafkaclient.Security `toml:"security" doc:"TLS towards the downstream, and the login at Kafka."`
	Checkpoint checkpointConfig     `toml:"checkpoint" doc:"Where the position is kept. Default: for mysql and tidb in the downstream, for file and kafka in data-dir."`

	Merge               any    `toml:"merge" old:"no effect: rows are put together in any case"`
	TimeLimit           any    `toml:"time-limit" old:"no effect: it was for db-type flash"`
	SizeLimit           any    `toml:"size-limit" old:"no effect: it was for db-type flash"`
	ZKAddrs             string `toml:"zookeeper-addrs" old:"refused: name the brokers with kafka-addrs"`
	OracleServiceName   any    `toml:"oracle-service-name" old:"refused: an Oracle as downstream is not supported"`
	OracleConnectString any    `toml:"oracle-connect-string" old:"refused: an Oracle as downstream is not supported"`
}

// checkpointConfig is the section [syncer.to.checkpoint].
type checkpointConfig struct {
	Type              string            `toml:"type" example:"\"mysql\"" doc:"mysql or tidb: in the database that follows, or in that of [syncer.to] when no host is named; file: in data-dir"`
	Schema            string            `toml:"schema" default:"\"tidb_binlog\"" doc:"database of the tables"`
	Table             string            `toml:"table" default:"\"checkpoint\"" doc:"name of the table; those of two more begin with it"`
	Host              string            `toml:"host" example:"\"10.0.0.3\"" doc:"another server for the position; its port, user and password have the defaults of [syncer.to]"`
	Port              int               `toml:"port" default:"3306" doc:"its port"`
	User              string            `toml:"user" example:"\"drainer\"" doc:"its user"`
	Password          string            `toml:"password" doc:"the user's password"`
	EncryptedPassword string            `toml:"encrypted_password" doc:"the same, encrypted as in [syncer.to]"`
	Security          certfile.Security `toml:"security" doc:"TLS towards that server."`

	OracleServiceName   any `toml:"oracle-service-name" old:"refused: a checkpoint in an Oracle is not supported"`
	OracleConnectString any `toml:"oracle-connect-string" old:"refused: a checkpoint in an Oracle is not supported"`
}

// downstream is what db-type and [syncer.to] describe.
func (c *config) downstream() (drainer.Downstream, error) {
	to := &c.Syncer.To
	switch c.Syncer.DBType {
	case "file", "pb":
		table, err := to.Checkpoint.table()
		if err != nil {
			return nil, err
		}
		// Any number below 1 keeps files for ever.
		return downstream.File{Dir: to.Dir, Retention: time.Duration(max(to.RetentionDays, 0)) * 24 * time.Hour,
			Gzip: to.Compression == "gzip", CheckpointTable: table}, nil
	case "kafka":
		return c.kafka()
	case "mysql", "tidb":
		return c.mysql()
	}
	return nil, fmt.Errorf("db-type %q does not exist: use mysql, tidb, kafka or file", c.Syncer.DBType)
}

// mysql is a database; what [syncer.to] leaves out comes from the environment, as it always did.
func (c *config) mysql() (drainer.Downstream, error) {
	to, s := &c.Syncer.To, &c.Syncer
	if key := to.Security.ForKafka(); key != "" {
		return nil, fmt.Errorf("syncer.to.security.%s is for db-type kafka, not for %s: remove it", key, s.DBType)
	}
	server, err := to.server()
	if err != nil {
		return nil, fmt.Errorf("syncer.to.%w", err)
	}
	m := &downstream.MySQL{Host: server.Host, Port: server.Port, User: server.User, Password: server.Password, TLS: server.TLS,
		ReadTimeout: server.ReadTimeout, Workers: s.Workers, TxnBatch: s.TxnBatch, SafeMode: s.SafeMode, SQLMode: s.SQLMode,
		Loopback: s.Loopback, ChannelID: s.ChannelID, StopAtDivergence: s.OnDivergence == "stop", WarnOfDefinitions: s.DDLCheck == "warn", Schema: to.Checkpoint.Schema, Table: to.Checkpoint.Table,
		RelayDir: s.Relay.Dir, RelayMaxFileBytes: s.Relay.MaxFileBytes, PartialColumns: to.SyncMode == 2}
	if m.Params, err = sessionParams(to.Params); err != nil {
		return nil, err
	}
	if m.DDLTimeZone, err = c.ddlTimeZone(); err != nil {
		return nil, err
	}
	switch at := &to.Checkpoint; {
	case at.Type == "file":
		m.CheckpointFile = true
		return m, nil
	case at.Type == "" && at.elsewhere():
		return nil, fmt.Errorf("syncer.to.checkpoint has a host, port, user, password or security and no type: upstream drainers ignore these then, and keep the checkpoint in the downstream. "+
			"Remove them, or add type = %q to keep it there (and copy the row with the clusterID, or give -initial-commit-ts)", s.DBType)
	case at.Type == "" || !at.elsewhere():
		if _, err := at.table(); err != nil { // a type that does not exist
			return nil, err
		}
		return m, nil
	case at.Host == "": // another user of the same server
		at.Host, at.Port = server.Host, cmp.Or(at.Port, server.Port)
		if !at.Security.Enabled() {
			at.Security = to.Security.Security
		}
	}
	table, err := to.Checkpoint.table()
	if err != nil {
		return nil, err
	}
	m.CheckpointServer = &table.Server
	return m, nil
}

// ddlTimeZone is the time zone of upstream sessions whose DDL jobs do not tell it: ddl-time-zone, else the
// time_zone of [syncer.to.params], which old drainers had for the same, else UTC.
func (c *config) ddlTimeZone() (*time.Location, error) {
	key, text := "syncer.ddl-time-zone", c.Syncer.DDLTimeZone
	if text == "" {
		for name, value := range c.Syncer.To.Params {
			if strings.EqualFold(name, "time_zone") {
				key, text = "syncer.to.params."+name, strings.Trim(value, `'"`)
			}
		}
	}
	if text == "" {
		return time.UTC, nil
	}
	if m := regexp.MustCompile(`^([-+])(\d{1,2}):([0-5]\d)$`).FindStringSubmatch(text); m != nil {
		hours, _ := strconv.Atoi(m[2])
		minutes, _ := strconv.Atoi(m[3])
		offset := hours*3600 + minutes*60
		if m[1] == "-" {
			offset = -offset
		}
		if offset < -(13*3600+59*60) || offset > 14*3600 {
			return nil, fmt.Errorf("%s %q: an offset is from -13:59 to +14:00", key, text)
		}
		return time.FixedZone(text, offset), nil
	}
	if text == "Local" || strings.EqualFold(text, "SYSTEM") {
		return nil, fmt.Errorf("%s %q: name the time zone of upstream's sessions, like +08:00 or Asia/Shanghai", key, text)
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		return nil, fmt.Errorf("%s %q: use an offset like +08:00 or a name like Asia/Shanghai: %w", key, text, err)
	}
	return zone, nil
}

// sessionParams are the system variables that [syncer.to.params] has for sessions, without those that the
// drainer sets itself.
func sessionParams(params map[string]string) (map[string]string, error) {
	vars := map[string]string{}
	for name, value := range params {
		switch strings.ToLower(name) {
		case "time_zone": // of DDL: rows are in UTC
		case "sql_mode", "foreign_key_checks", "transaction_isolation", "tx_isolation", "autocommit":
			return nil, fmt.Errorf("syncer.to.params.%s: the drainer sets this variable of its sessions itself: remove it", name)
		case "charset", "collation", "timeout", "readtimeout", "writetimeout", "maxallowedpacket", "multistatements", "interpolateparams",
			"parsetime", "loc", "tls", "clientfoundrows", "columnswithalias", "rejectreadonly", "allowallfiles", "checkconnliveness":
			return nil, fmt.Errorf("syncer.to.params.%s: this is a setting of the old drainer's connections, not a system variable: remove it (read-timeout in [syncer.to] sets the time-out)", name)
		default:
			vars[name] = literal(value)
		}
	}
	return vars, nil
}

func (to *toConfig) server() (mysql.Server, error) {
	port, _ := strconv.Atoi(os.Getenv("MYSQL_PORT"))
	s := mysql.Server{Host: cmp.Or(to.Host, os.Getenv("MYSQL_HOST"), "localhost"), Port: cmp.Or(to.Port, port, 3306),
		User: cmp.Or(to.User, os.Getenv("MYSQL_USER"), "root")}
	var err error
	if to.ReadTimeout != "" {
		if s.ReadTimeout, err = time.ParseDuration(to.ReadTimeout); err != nil || s.ReadTimeout <= 0 {
			return s, fmt.Errorf("read-timeout %q: use a duration such as 1m", to.ReadTimeout)
		}
	}
	if s.TLS, err = to.Security.Client(); err != nil {
		return s, fmt.Errorf("security: %w", err)
	}
	s.Password, err = secret.Password(cmp.Or(to.Password, os.Getenv("MYSQL_PSWD")), "encrypted_password", to.EncryptedPassword)
	return s, err
}

// literal is a value as SET takes it: numbers, words like ON and quoted texts as they are, others quoted.
func literal(value string) string {
	if regexp.MustCompile(`^([-+]?[0-9.]+|\w+|'[^'\\]*'|"[^"\\]*")$`).MatchString(value) {
		return value
	}
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), "'", "''") + "'"
}

// elsewhere reports whether the section names another server, or another way to it.
func (at *checkpointConfig) elsewhere() bool {
	return at.Host != "" || at.Port != 0 || at.User != "" || at.Password != "" || at.EncryptedPassword != "" || at.Security.Enabled()
}

// table is the checkpoint's table on a server of its own; nil: it is where db-type has it.
func (at *checkpointConfig) table() (*downstream.CheckpointTable, error) {
	switch {
	case at.OracleServiceName != nil || at.OracleConnectString != nil || at.Type == "oracle":
		return nil, errors.New("syncer.to.checkpoint: a checkpoint in an Oracle is not supported: use type = \"file\", and give -initial-commit-ts where it stands, or mysql or tidb")
	case at.Type == "flash":
		return nil, errors.New("syncer.to.checkpoint.type \"flash\" is not supported: use mysql, tidb or file")
	case at.Type == "" || at.Type == "file":
		return nil, nil
	case at.Type != "mysql" && at.Type != "tidb":
		return nil, fmt.Errorf("syncer.to.checkpoint.type %q does not exist: use mysql, tidb or file", at.Type)
	}
	if at.Host == "" && at.elsewhere() {
		return nil, errors.New("syncer.to.checkpoint.host is empty: name the server that keeps the checkpoint")
	}
	s, err := at.server()
	if err != nil {
		return nil, fmt.Errorf("syncer.to.checkpoint.%w", err)
	}
	return &downstream.CheckpointTable{Server: s, Schema: at.Schema, Table: at.Table}, nil
}

// server is the one that the section names; what it leaves out comes from the environment.
func (at *checkpointConfig) server() (mysql.Server, error) {
	to := toConfig{Host: at.Host, Port: at.Port, User: at.User, Password: at.Password, EncryptedPassword: at.EncryptedPassword, Security: kafkaclient.Security{Security: at.Security}}
	return to.server()
}

func (c *config) kafka() (drainer.Downstream, error) {
	to := &c.Syncer.To
	if to.ZKAddrs != "" {
		return nil, errors.New("syncer.to.zookeeper-addrs: brokers are not looked up in ZooKeeper any more: name them with kafka-addrs")
	}
	table, err := to.Checkpoint.table()
	if err != nil {
		return nil, err
	}
	addrs := cmp.Or(to.KafkaAddrs, os.Getenv("KAFKA_ADDRS"), "127.0.0.1:9092")
	tlsConfig, err := to.Security.Client()
	if err != nil {
		return nil, fmt.Errorf("syncer.to.security: %w", err)
	}
	login, err := to.Security.SASL()
	if err != nil {
		return nil, fmt.Errorf("syncer.to.security.%w", err)
	}
	if n := to.TopicPartitions; n < 0 || n > math.MaxInt32 {
		return nil, fmt.Errorf("syncer.to.topic-partitions %d: use 1 or more", n)
	}
	if n := to.TopicReplication; n < 0 || n > math.MaxInt16 {
		return nil, fmt.Errorf("syncer.to.topic-replication-factor %d: use 1 to %d, or 0 for the brokers' default", n, math.MaxInt16)
	}
	if err := kafka.CheckCompression(to.KafkaCompression); err != nil {
		return nil, fmt.Errorf("syncer.to.kafka-%w", err)
	}
	protocol := kafka.Options{Protocol: to.Protocol, Partition: to.Partition, Extension: to.TiDBExtension, LargeMessages: to.LargeMessages}
	if err := protocol.CheckProtocol(); err != nil {
		return nil, fmt.Errorf("syncer.to.%w", err)
	}
	return downstream.Kafka{Addrs: strings.Split(addrs, ","), Topic: to.TopicName, Partitions: int32(to.TopicPartitions), Replicas: int16(to.TopicReplication),
		Protocol: to.Protocol, Partition: to.Partition, Extension: to.TiDBExtension, LargeMessages: to.LargeMessages,
		Version: to.KafkaVersion, Compression: to.KafkaCompression, MaxMessages: to.KafkaMaxMessages, MaxMessageBytes: to.KafkaMaxMessageSize,
		ClientID: to.KafkaClientID, TLS: tlsConfig, SASL: login, Hidden: to.Security.Secrets(), CheckpointTable: table}, nil
}

// schemaSource is where the DDL jobs come from: TiKV, or the directory that is named.
func (c *config) schemaSource(pdURLs []string, log logrus.FieldLogger) (schema.Source, func(), error) {
	if c.SchemaDir != "" {
		return schema.Dir(c.SchemaDir), func() {}, nil
	}
	jobs, err := tikv.New(pdURLs, c.Security.Security, log)
	if err != nil {
		return nil, nil, err
	}
	return jobs, func() { _ = jobs.Close() }, nil
}
