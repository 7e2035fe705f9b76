package kafka

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/nodes"
)

// TooLargeError says that a transaction makes a larger message than the topic takes.
type TooLargeError struct {
	Topic    string
	Addrs    []string // of the brokers
	CommitTS nodes.TSO
	Tables   []string // that it changes; at most 10
	Rows     int      // that it changes
	Bytes    int      // of the message
	Limit    int      // of the topic or the configuration; 0: not known
}

func (e *TooLargeError) Error() string {
	limit := "what the brokers take"
	if e.Limit > 0 {
		limit = fmt.Sprintf("the limit of %d", e.Limit)
	}
	return fmt.Sprintf("the transaction with commit TS %s (%d rows of %s) makes a message of %d bytes, more than %s for topic %q of kafka at %s: "+
		"raise the topic's max.message.bytes (kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config max.message.bytes=%d), "+
		"and kafka-max-message-size if it is set, and start the drainer again; "+
		"or leave the transaction out with ignore-txn-commit-ts = [%d]",
		e.CommitTS, e.Rows, strings.Join(e.Tables, ", "), e.Bytes, limit, e.Topic, strings.Join(e.Addrs, ","), strings.Join(e.Addrs, ","), e.Topic, e.Bytes+recordOverhead, e.CommitTS)
}

// Problem implements [nodes.Problematic].
func (e *TooLargeError) Problem() nodes.Problem {
	return nodes.Problem{Code: nodes.ProblemStatementRefused, CommitTS: e.CommitTS}
}

// tooLarge describes a message.
func tooLarge(o Options, m *outgoing, limit int) *TooLargeError {
	e := &TooLargeError{Topic: o.Topic, Addrs: o.Addrs, CommitTS: m.commitTS, Bytes: len(m.value), Limit: limit}
	b := new(pbkafka.Binlog)
	if err := proto.Unmarshal(m.value, b); err != nil {
		return e // we have just made it
	}
	seen := make(map[string]bool)
	for _, t := range b.GetDmlData().GetTables() {
		e.Rows += len(t.GetMutations())
		name := fmt.Sprintf("`%s`.`%s`", t.GetSchemaName(), t.GetTableName())
		if !seen[name] && len(e.Tables) < 10 {
			e.Tables = append(e.Tables, name)
		}
		seen[name] = true
	}
	return e
}
