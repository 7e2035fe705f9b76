package nodestmt

import (
	"strings"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// Topic is one text of HELP.
type Topic struct{ Name, Description, Example string }

// Topics are what HELP knows of statements.
func Topics() []Topic { return topics }

// topics are an overview, and every statement that MySQL does not have.
var topics = []Topic{
	{"BINLOG", `Statements of the Pumphouse console of TiDB Binlog:

  SHOW {PUMP | DRAINER} STATUS       the nodes that are not offline
  SHOW FULL {PUMP | DRAINER} STATUS  all nodes, all there is to know
  PAUSE {PUMP | DRAINER} 'id'        a running node stops; it can be started again
  OFFLINE {PUMP | DRAINER} 'id'      a running node drains and leaves for good
  CHANGE {PUMP | DRAINER} TO NODE_STATE = 'state' FOR NODE_ID 'id'
                                     repair: write the state of a dead node
  DROP {PUMP | DRAINER} 'id'         remove the record of an offline node
  RESOLVE TRANSACTION start_ts ON PUMP 'id' {ROLLBACK | COMMIT commit_ts}
                                     decide how an unresolved transaction ended

HELP 'PAUSE', HELP 'CHANGE PUMP' and so on tell more; HELP 'downstream-down', or another code that a warning has
in brackets, says what a problem means, what is at risk and what to do. The tables of the database
binlog (pumps, drainers, positions, events, standbys, unresolved) answer SELECT. Nodes that do not report,
problems of nodes, pumps that hold up replication, and risks of a statement come as warnings: SHOW WARNINGS.
`, `SHOW PUMP STATUS;
PAUSE PUMP 'pump1' WAIT 30;
`},
	{"SHOW STATUS", `Syntax:
SHOW [FULL] {PUMP | DRAINER} STATUS [LIKE 'pattern' | WHERE expression]

Lists the nodes as their records in PD say, sorted by node ID. LIKE filters node IDs,
WHERE may use every column. Without FULL offline nodes are left out. FULL adds time, lag,
labels, version, what a node waits for, and what is wrong with it, under the names
of the columns of the tables binlog.pumps and binlog.drainers.
`, `SHOW DRAINER STATUS WHERE State = 'Paused';
SHOW FULL PUMP STATUS WHERE lag_seconds > 10;
`},
	{"PAUSE", `Syntax:
PAUSE {PUMP | DRAINER} 'node ID' [WAIT seconds]

Asks a running node to stop; its state goes from online over pausing to paused, and its
process ends. Started again it goes on where it was. Without WAIT the statement returns
when the node has accepted, with WAIT when it is paused; if that takes longer it fails
and says what the node waits for, and the node goes on. A paused pump holds up replication.
`, `PAUSE DRAINER 'drainer1' WAIT 60;
`},
	{"OFFLINE", `Syntax:
OFFLINE {PUMP | DRAINER} 'node ID' [WAIT seconds]

Asks a running node to leave the cluster for good: a pump waits until every drainer that
is not offline has consumed its binlogs. Its state goes from online over closing to
offline, and its process ends. This is no pause: see PAUSE. WAIT is as there. CHANGE ... TO
NODE_STATE = 'online' takes a node that is still closing back.
`, `OFFLINE PUMP 'pump1' WAIT 600;
`},
	{"CHANGE", `Syntax:
CHANGE {PUMP | DRAINER} TO NODE_STATE = 'state' FOR NODE_ID 'node ID'

Writes the state into the node's record in PD: online, pausing, paused, closing or
offline. This is the repair for a node whose process is dead; a running node of this
release takes it as an order and carries it out. SHOW WARNINGS says what it risks.
`, `CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1';
`},
	{"RESOLVE", `Syntax:
RESOLVE TRANSACTION start_ts ON PUMP 'node ID' {ROLLBACK | COMMIT commit_ts}

Decides how a transaction ended of which the pump has the changes, but no outcome. Until it
has one, drainers get nothing newer. The pump asks TiKV by itself, which normally takes
seconds; a decision is needed only where TiKV cannot know any more. The table binlog.unresolved shows
the transactions and what TiKV said. The pump refuses what its log, the order of commits, PD's
clock or TiKV contradicts. A decision is durable and final; binlog.events keeps who made it.
`, `SELECT * FROM binlog.unresolved WHERE age_seconds > 5;
RESOLVE TRANSACTION 470645325688471553 ON PUMP 'pump1' ROLLBACK;
`},
	{"DROP", `Syntax:
DROP {PUMP | DRAINER} 'node ID'

Removes the record of a node that is offline from PD, so that nothing lists it any more.
The table binlog.events keeps who did it.
`, `DROP PUMP 'pump1';
`},
}

// Help answers HELP 'text' as MySQL does: one topic, or nothing found. Words after the
// statement's name (PUMP, DRAINER, TRANSACTION) do not matter; the code of a problem is a topic; HELP 'contents' is the overview.
func Help(topic string) *engine.Result {
	words := strings.Fields(strings.ToUpper(strings.TrimRight(topic, " \t\n;")))
	if len(words) == 0 {
		return helpResult()
	}
	if t, ok := problemTopics()[strings.Trim(words[0], "[]")]; ok && len(words) == 1 {
		return t.result()
	}
	rest := words[1:]
	if words[0] == "SHOW" && len(rest) > 0 && rest[0] == "FULL" {
		rest = rest[1:]
	}
	if len(rest) > 0 && (rest[0] == "PUMP" || rest[0] == "DRAINER" || rest[0] == "TRANSACTION") {
		rest = rest[1:]
	}
	name := strings.Join(append(words[:1:1], rest...), " ")
	if name == "CONTENTS" {
		name = "BINLOG"
	}
	for _, t := range topics {
		if t.Name == name {
			return t.result()
		}
	}
	return helpResult()
}

// result is the topic as MySQL sends one.
func (t Topic) result() *engine.Result {
	r := result.New(result.Text("name", 64), result.Text("description", 4096), result.Text("example", 4096))
	r.Rows = [][]engine.Value{{engine.String(t.Name), engine.String(t.Description), engine.String(t.Example)}}
	return r
}

// helpResult is the answer to HELP: nothing found, in MySQL's columns.
func helpResult() *engine.Result {
	return result.New(result.Text("source_category_name", 64), result.Text("name", 64), result.Text("is_it_category", 1))
}
