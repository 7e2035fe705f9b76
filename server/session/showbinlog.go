package session

import (
	"context"
	"fmt"
	"strings"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// showBinlogStatus is SHOW MASTER STATUS and SHOW BINARY LOG STATUS. As TiDB's, its position is
// a TSO that PD gives out now: where a dump that begins now, and a drainer after it, start.
func (s *Session) showBinlogStatus() *showing {
	sh := &showing{columns: []engine.Column{result.Text("File", 64), result.Number("Position"), result.Text("Binlog_Do_DB", 64),
		result.Text("Binlog_Ignore_DB", 64), result.Text("Executed_Gtid_Set", 64)}}
	if s.opts.TSO == nil {
		return sh
	}
	sh.fill = func(ctx context.Context, add func(...engine.Value)) error {
		ts, err := s.opts.TSO(ctx)
		if err != nil {
			return fmt.Errorf("get a timestamp from PD at %s: %w", strings.Join(s.opts.Cluster.Endpoints(), ","), err)
		}
		add(str("tidb-binlog"), engine.Int(int64(ts)), str(""), str(""), str(""))
		return nil
	}
	return sh
}
