package sqlext

import "github.com/pingcap/tidb/pkg/parser/format"

// Resolve is RESOLVE TRANSACTION StartTS ON PUMP Pump {ROLLBACK | COMMIT CommitTS}. The
// parser does not look at the values.
type Resolve struct {
	StartTS  Literal // digits, or what somebody wrote in quotes
	Pump     Literal // node ID
	Commit   bool
	CommitTS Literal // if Commit; like StartTS
}

// String gives the statement in its canonical form, for logs.
func (r *Resolve) String() string { return restored(r) }

// Restore writes the statement in its canonical form, as ast.Node's Restore does.
func (r *Resolve) Restore(ctx *format.RestoreCtx) error {
	ctx.WriteKeyWord("RESOLVE TRANSACTION ")
	r.StartTS.restoreNumber(ctx)
	ctx.WriteKeyWord(" ON PUMP ")
	r.Pump.restore(ctx)
	if !r.Commit {
		ctx.WriteKeyWord(" ROLLBACK")
		return nil
	}
	ctx.WriteKeyWord(" COMMIT ")
	r.CommitTS.restoreNumber(ctx)
	return nil
}

// restoreNumber writes a literal that stands where digits may.
func (l Literal) restoreNumber(ctx *format.RestoreCtx) {
	if l.Param < 0 && digits(l.Value) {
		ctx.WritePlain(l.Value)
		return
	}
	l.restore(ctx)
}
