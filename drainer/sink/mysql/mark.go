package mysql

import (
	"strings"

	"pumphouse/drainer/txn"
)

// The mark table, by which upstream drainers know what another drainer wrote. It is in
// the downstream; a drainer in the other direction finds its rows in the binlogs.
const (
	markSchema = "retl"
	markTable  = "_drainer_repl_mark"

	createMark = "CREATE TABLE IF NOT EXISTS `retl`.`_drainer_repl_mark` (id BIGINT NOT NULL, channel_id BIGINT NOT NULL DEFAULT 0, " +
		"val BIGINT DEFAULT 0, channel_info VARCHAR(64) DEFAULT NULL, PRIMARY KEY (id, channel_id))"
)

// IsMarkTable reports whether a table is the mark table of loop-back control
// (retl._drainer_repl_mark). A drainer's filters must let it through when loop-back control
// is on; the sink never applies its rows.
func IsMarkTable(schema, table string) bool {
	return strings.EqualFold(schema, markSchema) && strings.EqualFold(table, markTable)
}

// marked reports whether a change of the mark table is of a channel.
func marked(c *txn.Change, channel int64) bool {
	for i := range c.Table.Columns {
		if !strings.EqualFold(c.Table.Columns[i].Name, "channel_id") {
			continue
		}
		for _, row := range []txn.Row{c.Old, c.New} {
			if i < len(row) && row[i].Kind == txn.Int && row[i].Int64() == channel {
				return true
			}
		}
	}
	return false
}
