package life

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pumphouse/nodes/port"
)

// Routes adds what every node answers over HTTP (docs/wire-contract.md): PUT /state/ID/ACTION, GET /config, /metrics and /debug/pprof.
func (n *Node) Routes(mux *http.ServeMux) {
	admin := n.opts.Admin
	mux.HandleFunc("PUT /state/{node}/{action}", port.Answer(n.Log, admin.Guard(port.PutState(n.Kind, n.ID, n.Life.Ask))))
	mux.HandleFunc("GET /config", port.Answer(n.Log, admin.ConfigHandler(n.opts.Config)))
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.opts.Metrics, promhttp.HandlerOpts{}))
	port.Profiles(mux, n.Log, admin, n.opts.EnableDebug)
}

// Serve begins to answer gRPC and HTTP, and logs when the node cannot be reached at the address that it advertises.
func (n *Node) Serve(ctx context.Context, g port.Server, h http.Handler) error {
	n.opts.Admin.Warn(n.Log, n.Port.Addr(), n.opts.Security)
	n.Port.Log = n.Log
	if err := n.Port.Serve(n.opts.Security, g, h); err != nil {
		return err
	}
	if err := n.Port.DialSelf(ctx, Callers(n.Kind)); err != nil {
		n.Log.Warn(err)
	}
	return nil
}
