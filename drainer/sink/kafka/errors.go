package kafka

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/nodes"
)

// TooLargeError says that a transaction, or a row of it, makes a larger message than the topic takes.
type TooLargeError struct {
	Topic    string
	Addrs    []string // of the brokers
	CommitTS nodes.TSO
	Tables   []string // that it changes; at most 10
	Rows     int      // that it changes
	PerRow   bool     // the message has one of its rows
	KeyOnly  bool     // and of that the key alone
	Bytes    int      // of the message
	Limit    int      // of the topic or the configuration; 0: not known
}

func (e *TooLargeError) Error() string {
	if e.Bytes > maxBatchBytes-recordOverhead {
		return fmt.Sprintf("the transaction with commit TS %s (%d rows of %s) makes a message of %d bytes for topic %q of kafka at %s, and one of Kafka can have 1 GiB: "+
			"leave the transaction out with ignore-txn-commit-ts = [%d], and bring its rows to the topic's readers in another way",
			e.CommitTS, e.Rows, strings.Join(e.Tables, ", "), e.Bytes, e.Topic, strings.Join(e.Addrs, ","), e.CommitTS)
	}
	limit := "what the brokers take"
	if e.Limit > 0 {
		limit = fmt.Sprintf("the limit of %d", e.Limit)
	}
	what := fmt.Sprintf("the transaction with commit TS %s", e.CommitTS)
	cure := ""
	switch tables := strings.Join(e.Tables, ", "); {
	case e.KeyOnly:
		what = fmt.Sprintf("the key of a row of %s in %s", tables, what)
	case e.PerRow:
		what = fmt.Sprintf("a row of %s in %s", tables, what)
		cure = fmt.Sprintf("or set large-message-handle-option = %q to send such rows with their key alone; ", LargeKeyOnly)
	case e.Rows > 0:
		what = fmt.Sprintf("%s (%d rows of %s)", what, e.Rows, tables)
	}
	return fmt.Sprintf("%s makes a message of %d bytes, more than %s for topic %q of kafka at %s: "+
		"raise the topic's max.message.bytes (kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config max.message.bytes=%d), "+
		"and kafka-max-message-size if it is set, and start the drainer again; "+
		"%sor leave the transaction out with ignore-txn-commit-ts = [%d]",
		what, e.Bytes, limit, e.Topic, strings.Join(e.Addrs, ","), strings.Join(e.Addrs, ","), e.Topic, e.Bytes+recordOverhead, cure, e.CommitTS)
}

// Problem implements [nodes.Problematic].
func (e *TooLargeError) Problem() nodes.Problem {
	return nodes.Problem{Code: nodes.ProblemStatementRefused, CommitTS: e.CommitTS}
}

// tooLarge describes a message.
func tooLarge(o Options, m *outgoing, limit int) *TooLargeError {
	e := &TooLargeError{Topic: o.Topic, Addrs: o.Addrs, CommitTS: m.commitTS, Bytes: len(m.value), Limit: limit}
	if m.table != "" {
		e.Tables, e.Rows, e.PerRow = []string{m.table}, 1, true
		return e
	}
	if m.large != nil {
		e.Bytes, e.Rows, e.Tables = m.large.bytes, m.large.rows, m.large.tables[:min(len(m.large.tables), 10)]
		return e
	}
	b := new(pbkafka.Binlog)
	if err := proto.Unmarshal(m.value, b); err != nil {
		return e // a statement in Canal-JSON
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
