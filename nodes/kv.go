package nodes

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// What other packages keep in PD beside the records goes through the registry's patience:
// repeated while the failure may pass, bounded by its time-out. op says what is being
// done, for errors, which are [*PDError] values or say that ctx was cancelled.

// Read reads keys.
func (r *Registry) Read(ctx context.Context, op, key string, opts ...clientv3.OpOption) (resp *clientv3.GetResponse, err error) {
	err = r.do(ctx, op, false, func(ctx context.Context, _ bool) (err error) {
		resp, err = r.client.Get(ctx, key, opts...)
		return err
	})
	return resp, err
}

// Txn carries out then if every compare holds; resp.Succeeded tells. An attempt without
// an answer is repeated, so that what an earlier one wrote can be what makes a later one's
// compare fail.
func (r *Registry) Txn(ctx context.Context, op string, cmps []clientv3.Cmp, then ...clientv3.Op) (resp *clientv3.TxnResponse, err error) {
	err = r.do(ctx, op, true, func(ctx context.Context, _ bool) (err error) {
		resp, err = r.client.Txn(ctx).If(cmps...).Then(then...).Commit()
		return err
	})
	return resp, err
}

// Client is the client underneath, for what the registry has no words for: leases and elections.
func (r *Registry) Client() *clientv3.Client { return r.client }
