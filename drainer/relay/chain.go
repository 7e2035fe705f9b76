package relay

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/drainer/binlogfile"
	"pumphouse/nodes"
)

// addFollows is a field of a record's message, beside the additions of package message: the commit
// TS that the record follows. There was no transaction for the downstream between the two.
const addFollows = 102

func appendFollows(payload []byte, ts nodes.TSO) []byte {
	return protowire.AppendVarint(protowire.AppendTag(payload, addFollows, protowire.VarintType), uint64(ts))
}

// follows is the commit TS that a record follows; false when it does not say so: old drainers' do not.
func follows(payload []byte) (nodes.TSO, bool) {
	for b := payload; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, false
		}
		b = b[n:]
		if num == addFollows && typ == protowire.VarintType {
			ts, n := protowire.ConsumeVarint(b)
			return nodes.TSO(ts), n > 0
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return 0, false
		}
		b = b[n:]
	}
	return 0, false
}

// chain follows the records of a log from a checkpoint on, as far as none is missing.
type chain struct {
	at   nodes.TSO // everything up to here is downstream or in the log
	prev nodes.TSO // the record before, also one that the checkpoint covers; 0: there is none
	// whole: nothing was ever removed in front of the log's first record.
	whole bool
	gap   *gap
}

// gap is a place in the log in front of which transactions are missing.
type gap struct {
	file   int // index of the file of the record after it
	commit nodes.TSO
	// follows is the commit TS up to which the transactions are missing; 0: nobody knows.
	follows nodes.TSO
}

// add adds the next record, which is in the file with an index.
func (c *chain) add(index int, r binlogfile.Record) {
	ts := r.CommitTS()
	prev := c.prev
	c.prev = max(prev, ts)
	if ts <= c.at || c.gap != nil {
		return
	}
	after, known := follows(r.Payload)
	if !known && (prev > 0 || c.whole) {
		after, known = prev, true // an old drainer writes every transaction
	}
	if !known || after > c.at {
		c.gap = &gap{index, ts, after}
		return
	}
	c.at = ts
}

// missing says what is missing between a checkpoint and the record after the gap.
func (g *gap) missing(at nodes.TSO) string {
	if g.follows == 0 {
		return fmt.Sprintf("it does not say whether transactions are missing after %s, where the downstream is, and before %s, its next one", at, g.commit)
	}
	return fmt.Sprintf("transactions are missing after %s, where the downstream is, up to %s; its next one is %s", at, g.follows, g.commit)
}

// number is that of a file.
func number(path string) uint64 {
	digits, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "binlog-"), "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0 // a name of an old form; those of new files differ in the time
	}
	return n
}
