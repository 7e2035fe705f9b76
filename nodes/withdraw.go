package nodes

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Withdraw ends the agent of a service that did not get online: where there was no record before
// [Agent.Register], there is none again, and one that said offline says so again, byte for byte. Nobody then
// waits for what has never run. Any other record becomes paused: the service has run before, and what it holds is
// needed. What somebody else wrote meanwhile stands.
func (a *Agent) Withdraw(ctx context.Context) error {
	if a.State() == "" || a.isOver() {
		return nil // it was not claimed, or this is a repetition
	}
	if a.State() != Paused || a.before != nil && a.before.Record.State != Offline {
		return a.SetState(ctx, Paused)
	}
	if !a.take(ctx) {
		return context.Cause(ctx)
	}
	defer a.release()
	key := a.opts.Kind.Key(a.opts.NodeID)
	write, text := clientv3.OpDelete(key), "removed"
	if a.before != nil {
		write, text = clientv3.OpPut(key, string(a.before.Raw)), string(Offline)
	}
	resp, err := a.opts.Registry.Txn(ctx, fmt.Sprintf("withdraw %s %s", a.opts.Kind, a.opts.NodeID),
		[]clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", a.revision)}, write)
	if err != nil {
		return err
	}
	if resp.Succeeded {
		a.log.WithField("record", text).Info("the record is as it was before the start")
	}
	a.end(nil)
	return nil
}
